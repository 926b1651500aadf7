namespace Identity.Server.Authority;

/// <summary>
/// How long authorities last. <see cref="Identity.Issuance.AuthorityLifecycle"/> says when their successors are made and take over, and
/// <see cref="Identity.Issuance.Backdating"/> how far back they begin. Not a setting: each is chosen for what it signs.
/// </summary>
internal sealed record AuthorityLifetimes
{
    public static AuthorityLifetimes Default { get; } = new();

    /// <summary>What everyone pins; its successor is published 30 days before it ends.</summary>
    public TimeSpan Root { get; init; } = TimeSpan.FromDays(3652);

    /// <summary>
    /// A sixth of it is more than the longest certificate signed here (7 days, for servers without the Workload API such as nats-server),
    /// so none is cut short, except in the last days of a root.
    /// </summary>
    public TimeSpan Issuing { get; init; } = TimeSpan.FromDays(90);

    /// <summary>
    /// A sixth of it, 28 hours, is more than a head start of 25 and the longest token, one hour, together: so a change of the key type cuts none
    /// short. Itself short, because nothing but the bundle ends trust in it.
    /// </summary>
    public TimeSpan Jwt { get; init; } = TimeSpan.FromDays(7);

    /// <summary>A sixth of it is more than the longest WIT-SVID, a day.</summary>
    public TimeSpan Wit { get; init; } = TimeSpan.FromDays(7);
}
