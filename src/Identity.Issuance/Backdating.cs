namespace Identity.Issuance;

/// <summary>How far <c>notBefore</c> lies before the moment of issue, so that a peer whose clock is a little behind accepts what is new at once.</summary>
public static class Backdating
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    /// <summary>
    /// A tenth of the lifetime, two minutes at most; of SVIDs and authorities alike. Less than the sixth of a lifetime for which a successor is
    /// published before it signs (<see cref="AuthorityLifecycle.HeadStart"/>), which is counted from <c>notBefore</c>.
    /// </summary>
    public static TimeSpan Of(TimeSpan lifetime) => lifetime / 10 < Longest ? lifetime / 10 : Longest;
}
