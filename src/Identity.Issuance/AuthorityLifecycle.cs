namespace Identity.Issuance;

/// <param name="Id">Names the authority in the journal: its key identifier or key ID.</param>
public sealed record AuthoritySlot(string Id, AuthorityState State, DateTimeOffset NotBefore, DateTimeOffset NotAfter)
{
    /// <summary>
    /// False for one of a kind of key that is made no more. Prepared, it is dropped; active, it signs until a wanted successor has been published
    /// for a head start. Default true.
    /// </summary>
    public bool IsWanted { get; init; } = true;
}

/// <summary>One thing to do to the authorities.</summary>
public abstract record AuthorityStep
{
    private AuthorityStep()
    {
    }

    /// <summary>Make a new authority and publish it.</summary>
    public sealed record Prepare : AuthorityStep;

    /// <summary>Sign with this one from now on; the one that was active becomes old.</summary>
    public sealed record Activate(string Id) : AuthorityStep;

    /// <summary>Sign with this one no more, and have no other in its place; it stays in the bundle as an old one.</summary>
    public sealed record Retire(string Id) : AuthorityStep;

    /// <summary>Take a prepared one out of the bundle and forget its key: it is not wanted any more and has signed nothing.</summary>
    public sealed record Drop(string Id) : AuthorityStep;

    /// <summary>Take it out of the bundle and forget its key: everything it signed has long expired.</summary>
    public sealed record Forget(string Id) : AuthorityStep;
}

/// <summary>
/// When authorities are made, used and forgotten; X.509 and JWT alike. A new one is prepared at half of the active one's lifetime and signs
/// from five sixths on, so verifiers have a third of a lifetime to learn it and an SVID of up to a sixth is never cut short. When the active one
/// is not wanted any more, its successor is prepared at once and signs after <see cref="HeadStart"/>. However late a successor was prepared, it has
/// that head start as long as the active one lasts: an SVID that ends early is better than one that nobody can verify.
/// </summary>
public static class AuthorityLifecycle
{
    // Long-lived authorities need no more head start than this.
    private static readonly TimeSpan LongestPreparation = TimeSpan.FromDays(30);
    private static readonly TimeSpan LongestOverlap = TimeSpan.FromDays(7);

    // A day for readers that are not pushed to, such as clouds that fetch the keys and keep them a while; counted from notBefore, which lies a little back.
    private static readonly TimeSpan LongestHeadStart = TimeSpan.FromHours(25);

    // Verifiers with a slow clock may still hold what an expired authority signed.
    private static readonly TimeSpan Grace = TimeSpan.FromHours(24);

    /// <summary>The next step due at <paramref name="now"/>; ask again after taking it. Null when nothing is due.</summary>
    public static AuthorityStep? Next(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now)
    {
        var active = Active(slots, now);
        var prepared = Prepared(slots, now);
        if (prepared is null && (active is null || now >= PrepareAt(active))) return new AuthorityStep.Prepare();
        if (prepared is not null && (active is null || now >= ActivateAt(active, prepared))) return new AuthorityStep.Activate(prepared.Id);
        if (prepared is { IsWanted: false }) return new AuthorityStep.Drop(prepared.Id);
        return slots.FirstOrDefault(slot => slot != active && now >= slot.NotAfter + Grace) is { } gone ? new AuthorityStep.Forget(gone.Id) : null;
    }

    /// <summary>As <see cref="Next"/>, for authorities that are given up without successors: none signs any more, and what they signed stays verifiable until it ends.</summary>
    public static AuthorityStep? NextOfLast(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now)
    {
        if (slots.FirstOrDefault(slot => slot.State is AuthorityState.Prepared) is { } unused) return new AuthorityStep.Drop(unused.Id);
        if (slots.FirstOrDefault(slot => slot.State is AuthorityState.Active) is { } signer) return new AuthorityStep.Retire(signer.Id);
        return slots.FirstOrDefault(slot => now >= slot.NotAfter + Grace) is { } gone ? new AuthorityStep.Forget(gone.Id) : null;
    }

    /// <summary>The earliest time after <paramref name="now"/> at which <see cref="Next"/> has something to do; when something is due already, now.</summary>
    public static DateTimeOffset NextChange(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now)
    {
        if (Next(slots, now) is not null) return now;
        var active = Active(slots, now)!;
        return slots
            .Select(slot => slot.NotAfter + Grace)
            .Append(Prepared(slots, now) is { } prepared ? ActivateAt(active, prepared) : PrepareAt(active))
            .Min();
    }

    /// <summary>As <see cref="NextChange"/>, for <see cref="NextOfLast"/>; the end of time when there are none left.</summary>
    public static DateTimeOffset NextChangeOfLast(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now) =>
        NextOfLast(slots, now) is not null ? now : slots.Select(slot => slot.NotAfter + Grace).DefaultIfEmpty(DateTimeOffset.MaxValue).Min();

    /// <summary>The longest SVID lifetime that an authority of this lifetime never has to cut.</summary>
    public static TimeSpan LongestUncutSvid(TimeSpan authorityLifetime) => Min(authorityLifetime / 6, LongestOverlap);

    /// <summary>
    /// The least time for which a successor of this lifetime is published before it signs, counted from its beginning. Never more than what an
    /// active authority has left at five sixths, so one that becomes unwanted before lasts that long.
    /// </summary>
    public static TimeSpan HeadStart(TimeSpan authorityLifetime) => Min(authorityLifetime / 6, LongestHeadStart);

    // A tainted, revoked or expired authority, or one whose time has not come, is as good as none: its successor signs at once.
    private static AuthoritySlot? Active(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now) =>
        slots.FirstOrDefault(slot => slot.State is AuthorityState.Active && IsIn(slot, now));

    private static AuthoritySlot? Prepared(IReadOnlyList<AuthoritySlot> slots, DateTimeOffset now) =>
        slots.Where(slot => slot.State is AuthorityState.Prepared && IsIn(slot, now)).MinBy(slot => slot.NotBefore);

    // One that begins later was made by a clock that has been set back since: until then it signs nothing.
    private static bool IsIn(AuthoritySlot slot, DateTimeOffset now) => slot.NotBefore <= now && now < slot.NotAfter;

    private static DateTimeOffset PrepareAt(AuthoritySlot active) =>
        active.IsWanted ? active.NotAfter - Min((active.NotAfter - active.NotBefore) / 2, LongestPreparation) : DateTimeOffset.MinValue;

    private static DateTimeOffset ActivateAt(AuthoritySlot active, AuthoritySlot prepared)
    {
        var takeOver = active.NotAfter - LongestUncutSvid(active.NotAfter - active.NotBefore);
        var known = prepared.NotBefore + HeadStart(prepared.NotAfter - prepared.NotBefore);
        if (known > active.NotAfter) known = active.NotAfter;
        return (active.IsWanted, prepared.IsWanted) switch
        {
            // Both unwanted: what was published long ago takes over, and buys the wanted one its head start.
            (true, true) or (false, false) => known > takeOver ? known : takeOver,
            (false, true) => known,
            (true, false) => DateTimeOffset.MaxValue,
        };
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
