using Identity.Server.DecisionPoints.WasmCloudV1;
using static Identity.Server.DecisionPoints.WasmCloudV1.GivenAnswers;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>What is remembered when more is asked than there is room for, and whom that costs what: the new, and never what is out.</summary>
public sealed class GivenAnswersTests
{
    [Fact]
    public void A_flood_in_the_name_of_one_host_costs_no_other_host_an_answer()
    {
        var given = new GivenAnswers(100, 10);
        for (var at = 0; at < 20; at++) Answer(given, $"mine-{at}", $"N{at}", permitted: at % 2 == 0);
        for (var at = 0; at < 5000; at++) Answer(given, $"flood-{at}", "FLOOD", permitted: at % 3 == 0);
        Assert.All(Enumerable.Range(0, 20), at => Assert.True(given.IsTold($"mine-{at}", at % 2 == 0)));
        Assert.Equal(30, given.Count);
    }

    [Fact]
    public void A_flood_of_what_is_denied_ends_no_yes_whatever_names_it_comes_under()
    {
        var given = new GivenAnswers(100, 20);
        for (var at = 0; at < 20; at++) Answer(given, $"mine-{at}", "N", permitted: at < 10);
        for (var at = 0; at < 5000; at++) Assert.Equal(Claim.Claimed, Answer(given, $"flood-{at}", $"F{at}", permitted: false));
        Assert.All(Enumerable.Range(0, 10), at => Assert.True(given.IsTold($"mine-{at}", permitted: true)));
        Assert.Equal(100, given.Count);
    }

    [Fact]
    public void Who_asks_in_another_hosts_name_fills_its_share_and_ends_nothing_that_it_was_permitted()
    {
        var given = new GivenAnswers(100, 10);
        for (var at = 0; at < 5; at++) Assert.Equal(Claim.Claimed, Answer(given, $"mine-{at}", "N", permitted: true));
        var permitted = Enumerable.Range(0, 5000).Count(at => Answer(given, $"flood-{at}", "N", permitted: true) == Claim.Claimed);
        Assert.Equal(4, permitted);
        Assert.All(Enumerable.Range(0, 5), at => Assert.True(given.IsTold($"mine-{at}", permitted: true)));
        Assert.All(Enumerable.Range(0, 5), at => Assert.True(given.MayRun(Request("any", "N", $"mine-{at}"))));
        Assert.Empty(given.News());
        // The others have theirs, and the host one of its own again once it has started anew.
        Assert.Equal(Claim.Claimed, Answer(given, "another", "O", permitted: true));
    }

    [Fact]
    public void Who_asks_under_many_names_fills_what_one_lattice_may_have_and_ends_nothing_either()
    {
        var given = new GivenAnswers(100, 10);
        for (var at = 0; at < 5; at++) Answer(given, $"mine-{at}", "N", permitted: true);
        var permitted = Enumerable.Range(0, 5000).Count(at => Answer(given, $"flood-{at}", $"F{at}", permitted: true) == Claim.Claimed);
        Assert.Equal(67, permitted);
        Assert.All(Enumerable.Range(0, 5), at => Assert.True(given.IsTold($"mine-{at}", permitted: true)));
        Assert.InRange(given.Count, 72, 100);

        // There is room again as soon as one of them ends, and its host was told.
        Assert.Equal(Claim.ForNo, Answer(given, "late", "N", permitted: true));
        var ended = given.ToList().First(answer => answer.Request.RequestId == "flood-0");
        Assert.True(given.Replace(ended, ended with { Permitted = false }));
        Assert.Equal(Claim.Claimed, Answer(given, "later", "N", permitted: true));
    }

    [Fact]
    public void A_flood_in_the_name_of_one_lattice_leaves_room_in_every_other()
    {
        var given = new GivenAnswers(10_000, 1000);
        int Flood(string lattice) => Enumerable.Range(0, 9000).Count(at => Answer(given, $"{lattice}-{at}", $"F{at}", permitted: true, lattice) == Claim.Claimed);
        Assert.Equal(7200, Flood("one"));
        Assert.Equal(1440, Flood("two"));
        Assert.Equal(288, Flood("three"));
        Assert.Equal(Claim.ForNo, Answer(given, "more", "N", permitted: true, "one"));
        Assert.Equal(Claim.Claimed, Answer(given, "mine", "N", permitted: true, "four"));

        // A lattice that has little is not held up by one that has much.
        var ended = given.ToList().Where(answer => answer.Permitted && answer.Request.Lattice == "one").Take(100).ToList();
        Assert.All(ended, answer => Assert.True(given.Replace(answer, answer with { Permitted = false })));
        Assert.Equal(Claim.Claimed, Answer(given, "again", "N", permitted: true, "three"));
        Assert.Equal(Claim.ForNo, Answer(given, "never", "N", permitted: true, "one"));
    }

    [Fact]
    public void A_no_for_want_of_room_becomes_a_yes_only_when_there_is_some()
    {
        var given = new GivenAnswers(100, 10);
        for (var at = 0; at < 9; at++) Answer(given, $"r-{at}", "N", permitted: true);
        Assert.Equal(Claim.ForNo, Answer(given, "late", "N", permitted: true));
        var no = given.ToList().Single(answer => !answer.Permitted);
        Assert.False(given.HasRoomForYes(no.Request));
        Assert.False(given.Replace(no, no with { Permitted = true }));
        Assert.True(given.IsTold("late", permitted: false));

        var ended = given.ToList()[0];
        Assert.True(given.Replace(ended, ended with { Permitted = false }));
        Assert.True(given.Replace(no, no with { Permitted = true }));
        Assert.True(given.IsTold("late", permitted: true));
    }

    [Fact]
    public void What_a_host_could_not_be_told_is_put_back_however_full_it_is()
    {
        var given = new GivenAnswers(100, 20);
        for (var at = 0; at < 18; at++) Answer(given, $"r-{at}", "N", permitted: true);
        var before = given.ToList()[0];
        var after = before with { Permitted = false };
        Assert.True(given.Replace(before, after));
        Answer(given, "r-18", "N", permitted: true);
        given.PutBack(after, before);
        Assert.True(given.IsTold("r-0", permitted: true));
        Assert.Equal(19, given.ToList().Count(answer => answer.Permitted));
        Assert.Equal(Claim.ForNo, given.TryClaim(Request("r-19", "N", "r-19")));
    }

    [Fact]
    public void A_question_that_is_being_answered_keeps_its_place_until_it_is_answered_or_released()
    {
        var given = new GivenAnswers(100, 10);
        for (var at = 0; at < 8; at++) Answer(given, $"r-{at}", "N", permitted: true);
        var waiting = Request("slow", "N", "slow");
        Assert.Equal(Claim.Claimed, given.TryClaim(waiting));
        for (var at = 0; at < 100; at++) Assert.Equal(Claim.ForNo, Answer(given, $"n-{at}", "N", permitted: true));
        given.Add(new GivenAnswer(waiting, Permitted: true, ValidUntil: null));
        Assert.True(given.IsTold("slow", permitted: true));

        var ended = given.ToList()[0];
        Assert.True(given.Replace(ended, ended with { Permitted = false }));
        var lost = Request("lost", "N", "lost");
        Assert.Equal(Claim.Claimed, given.TryClaim(lost));
        Assert.Equal(Claim.ForNo, Answer(given, "more", "N", permitted: true));
        given.Release(lost);
        Assert.Equal(Claim.Claimed, Answer(given, "last", "N", permitted: true));
        given.Release(Request("last", "N", "last"));
        Assert.True(given.IsTold("last", permitted: true));
    }

    [Fact]
    public void A_yes_stays_one_until_its_host_is_told_otherwise_whatever_its_question_is_answered_a_second_time()
    {
        var given = new GivenAnswers(10, 10);
        Answer(given, "r-0", "N", permitted: true);
        given.Add(new GivenAnswer(Request("r-0", "N", "r-0"), Permitted: false, ValidUntil: null));
        Assert.True(given.IsTold("r-0", permitted: true));
    }

    private static Claim Answer(GivenAnswers given, string id, string host, bool permitted, string lattice = "default")
    {
        var request = Request(id, host, id, lattice);
        var claim = given.TryClaim(request);
        if (claim is Claim.Claimed or Claim.ForNo) given.Add(new GivenAnswer(request, permitted && claim == Claim.Claimed, ValidUntil: null));
        return claim;
    }

    private static PolicyRequest Request(string id, string host, string component, string lattice = "default") => new()
    {
        RequestId = id,
        Kind = PolicyRequestKind.StartComponent,
        Lattice = lattice,
        HostKey = host,
        Id = component,
        ImageReference = "ghcr.io/acme/cart:1",
        MaxInstances = 1,
    };
}
