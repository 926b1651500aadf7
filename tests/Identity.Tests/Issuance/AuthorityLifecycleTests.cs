using CsCheck;
using Identity.Issuance;
using Xunit;

namespace Identity.Tests.Issuance;

public class AuthorityLifecycleTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_new_trust_domain_prepares_an_authority_and_activates_it_at_once()
    {
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next([], Start));
        Assert.Equal(new AuthorityStep.Activate("a"), AuthorityLifecycle.Next([Slot("a", AuthorityState.Prepared)], Start));
        Assert.Null(AuthorityLifecycle.Next([Slot("a", AuthorityState.Active)], Start));
    }

    [Theory]
    [InlineData(11, 59, false)]
    [InlineData(12, 0, true)]
    public void Prepares_a_successor_at_half_time(int hours, int minutes, bool isDue) =>
        Assert.Equal(isDue, AuthorityLifecycle.Next([Slot("a", AuthorityState.Active)], At(hours, minutes)) is AuthorityStep.Prepare);

    [Theory]
    [InlineData(19, 59, false)]
    [InlineData(20, 0, true)]
    public void Activates_the_successor_at_five_sixths(int hours, int minutes, bool isDue) =>
        Assert.Equal(isDue, AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 12)], At(hours, minutes)) is AuthorityStep.Activate("b"));

    [Theory]
    [InlineData(AuthorityState.Tainted)]
    [InlineData(AuthorityState.Revoked)]
    [InlineData(AuthorityState.Old)]
    public void Replaces_an_authority_that_may_no_longer_sign_at_once(AuthorityState state)
    {
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next([Slot("a", state)], At(1)));
        Assert.Equal(new AuthorityStep.Activate("b"), AuthorityLifecycle.Next([Slot("a", state), Slot("b", AuthorityState.Prepared)], At(1)));
    }

    [Fact]
    public void Does_not_activate_what_expired_while_it_was_prepared() =>
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared)], At(30)));

    [Fact]
    public void Forgets_an_authority_a_day_after_its_end()
    {
        AuthoritySlot[] slots = [Slot("a", AuthorityState.Old), Slot("b", AuthorityState.Active, 40)];
        Assert.Null(AuthorityLifecycle.Next(slots, At(47, 59)));
        Assert.Equal(new AuthorityStep.Forget("a"), AuthorityLifecycle.Next(slots, At(48)));
    }

    [Fact]
    public void Replaces_an_expired_signer_before_it_forgets_it()
    {
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next([Slot("a", AuthorityState.Active)], At(100)));
        Assert.IsType<AuthorityStep.Activate>(AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 100)], At(100)));
    }

    [Fact]
    public void Caps_its_head_starts_for_long_lived_authorities()
    {
        var year = new AuthoritySlot("a", AuthorityState.Active, Start, Start.AddDays(365));
        Assert.Null(AuthorityLifecycle.Next([year], Start.AddDays(334)));
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next([year], Start.AddDays(335)));
        var successor = new AuthoritySlot("b", AuthorityState.Prepared, Start.AddDays(335), Start.AddDays(700));
        Assert.Null(AuthorityLifecycle.Next([year, successor], Start.AddDays(357)));
        Assert.IsType<AuthorityStep.Activate>(AuthorityLifecycle.Next([year, successor], Start.AddDays(358)));
    }

    [Fact]
    public void Says_when_it_has_to_be_asked_again()
    {
        Assert.Equal(At(12), AuthorityLifecycle.NextChange([Slot("a", AuthorityState.Active)], At(1)));
        Assert.Equal(At(20), AuthorityLifecycle.NextChange([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 12)], At(13)));
        Assert.Equal(At(13), AuthorityLifecycle.NextChange([Slot("a", AuthorityState.Active)], At(13)));
    }

    [Theory]
    [InlineData(1, 59, false)]
    [InlineData(4, 59, false)]
    [InlineData(5, 0, true)]
    public void Replaces_what_is_not_wanted_after_a_head_start(int hours, int minutes, bool isDue)
    {
        AuthoritySlot[] slots = [Unwanted("a", AuthorityState.Active)];
        Assert.IsType<AuthorityStep.Prepare>(AuthorityLifecycle.Next(slots, At(1)));
        slots = [.. slots, Slot("b", AuthorityState.Prepared, 1)];
        Assert.Equal(isDue ? new AuthorityStep.Activate("b") : null, AuthorityLifecycle.Next(slots, At(hours, minutes)));
        Assert.Equal(isDue ? At(hours, minutes) : At(5), AuthorityLifecycle.NextChange(slots, At(hours, minutes)));
    }

    [Fact]
    public void Drops_what_was_prepared_and_is_not_wanted()
    {
        Assert.Equal(new AuthorityStep.Drop("b"), AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Unwanted("b", AuthorityState.Prepared)], At(1)));
        Assert.Equal(new AuthorityStep.Drop("b"), AuthorityLifecycle.Next([Unwanted("a", AuthorityState.Active), Unwanted("b", AuthorityState.Prepared, 12)], At(13)));
        Assert.Equal(new AuthorityStep.Drop("b"), AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Unwanted("b", AuthorityState.Prepared, 12)], At(23)));
    }

    [Fact]
    public void What_is_not_wanted_but_was_published_takes_over_from_what_is_at_its_end()
    {
        AuthoritySlot[] slots = [Unwanted("a", AuthorityState.Active), Unwanted("b", AuthorityState.Prepared, 12)];
        Assert.Equal(new AuthorityStep.Activate("b"), AuthorityLifecycle.Next(slots, At(20)));
        Assert.Equal(new AuthorityStep.Activate("b"), AuthorityLifecycle.Next(slots, At(30)));
    }

    [Fact]
    public void The_last_of_a_kind_have_no_successor_and_leave_when_what_they_signed_has_ended()
    {
        AuthoritySlot[] slots = [Slot("a", AuthorityState.Old), Slot("b", AuthorityState.Active, 10), Slot("c", AuthorityState.Prepared, 22)];
        Assert.Equal(new AuthorityStep.Drop("c"), AuthorityLifecycle.NextOfLast(slots, At(23)));
        Assert.Equal(new AuthorityStep.Retire("b"), AuthorityLifecycle.NextOfLast(slots[..2], At(23)));
        slots = [Slot("a", AuthorityState.Old), Slot("b", AuthorityState.Old, 10)];
        Assert.Null(AuthorityLifecycle.NextOfLast(slots, At(47, 59)));
        Assert.Equal(At(48), AuthorityLifecycle.NextChangeOfLast(slots, At(23)));
        Assert.Equal(new AuthorityStep.Forget("a"), AuthorityLifecycle.NextOfLast(slots, At(48)));
        Assert.Equal(At(58), AuthorityLifecycle.NextChangeOfLast(slots[1..], At(48)));
        Assert.Equal(new AuthorityStep.Forget("b"), AuthorityLifecycle.NextOfLast(slots[1..], At(58)));
        Assert.Null(AuthorityLifecycle.NextOfLast([], At(58)));
        Assert.Equal(DateTimeOffset.MaxValue, AuthorityLifecycle.NextChangeOfLast([], At(58)));
    }

    [Fact]
    public void A_successor_prepared_late_has_a_head_start_as_long_as_the_active_one_lasts()
    {
        Assert.Null(AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 18)], At(21, 59)));
        Assert.Equal(new AuthorityStep.Activate("b"), AuthorityLifecycle.Next([Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 18)], At(22)));
        AuthoritySlot[] late = [Slot("a", AuthorityState.Active), Slot("b", AuthorityState.Prepared, 23)];
        Assert.Null(AuthorityLifecycle.Next(late, At(23, 59)));
        Assert.Equal(At(24), AuthorityLifecycle.NextChange(late, At(23)));
        Assert.Equal(new AuthorityStep.Activate("b"), AuthorityLifecycle.Next(late, At(24)));
    }

    [Fact]
    public void However_often_the_wanted_kind_changes_a_published_authority_signs_and_the_wanted_one_comes_to_it() =>
        Gen.Int[1, 120].Array[40].Sample(pauses =>
        {
            List<AuthoritySlot> slots = [];
            var (now, made) = (Start, 0);
            foreach (var pause in pauses)
            {
                // The wanted kind changes, which is noticed at once; then the advice is followed for a while.
                slots = [.. slots.Select(slot => slot with { IsWanted = !slot.IsWanted })];
                for (var end = now.AddHours(pause); now < end; now = Later(AuthorityLifecycle.NextChange(slots, now), now) is var next && next < end ? next : end)
                {
                    while (AuthorityLifecycle.Next(slots, now) is { } step)
                    {
                        if (step is AuthorityStep.Activate(var id) && slots.Exists(slot => slot.State is AuthorityState.Active && now < slot.NotAfter))
                            Assert.True(now - slots.Single(slot => slot.Id == id).NotBefore >= TimeSpan.FromHours(25));
                        slots = Take(step, slots, now, TimeSpan.FromDays(7), ref made);
                    }

                    var active = Assert.Single(slots, slot => slot.State is AuthorityState.Active);
                    Assert.True(now < active.NotAfter);
                    Assert.DoesNotContain(slots, slot => slot is { State: AuthorityState.Prepared, IsWanted: false });
                }

                if (pause > 25) Assert.True(slots.Single(slot => slot.State is AuthorityState.Active).IsWanted);
            }
        }, iter: 200);

    [Fact]
    public void A_year_of_following_its_advice_never_leaves_the_trust_domain_without_a_signer()
    {
        List<AuthoritySlot> slots = [];
        var made = 0;
        for (var (now, end) = (Start, Start.AddDays(365)); now < end; now = Later(AuthorityLifecycle.NextChange(slots, now), now))
        {
            while (AuthorityLifecycle.Next(slots, now) is { } step)
            {
                slots = Take(step, slots, now, TimeSpan.FromDays(1), ref made);
            }

            var active = Assert.Single(slots, slot => slot.State is AuthorityState.Active);
            Assert.True(active.NotAfter - now > AuthorityLifecycle.LongestUncutSvid(TimeSpan.FromDays(1)));
            Assert.True(slots.Count <= 6);
        }

        // Each lasts from its activation, a third of a day after it was made, to five sixths of a day.
        Assert.InRange(made, 365, 1100);
    }

    private static List<AuthoritySlot> Take(AuthorityStep step, List<AuthoritySlot> slots, DateTimeOffset now, TimeSpan lifetime, ref int made) => step switch
    {
        AuthorityStep.Prepare => [.. slots, new AuthoritySlot($"a{made++}", AuthorityState.Prepared, now, now + lifetime)],
        AuthorityStep.Activate activate => [.. slots.Select(slot => slot.Id == activate.Id ? slot with { State = AuthorityState.Active }
            : slot.State is AuthorityState.Active ? slot with { State = AuthorityState.Old } : slot)],
        AuthorityStep.Drop drop => [.. slots.Where(slot => slot.Id != drop.Id)],
        AuthorityStep.Forget forget => [.. slots.Where(slot => slot.Id != forget.Id)],
        _ => throw new InvalidOperationException("a step nobody knows"),
    };

    private static DateTimeOffset Later(DateTimeOffset next, DateTimeOffset now) => next > now ? next : throw new InvalidOperationException("it stands still");

    private static DateTimeOffset At(int hours, int minutes = 0) => Start.AddHours(hours).AddMinutes(minutes);

    private static AuthoritySlot Unwanted(string id, AuthorityState state, int fromHour = 0) => Slot(id, state, fromHour) with { IsWanted = false };

    private static AuthoritySlot Slot(string id, AuthorityState state, int fromHour = 0) => new(id, state, At(fromHour), At(fromHour + 24));
}
