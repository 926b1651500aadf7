namespace Identity.Server.Bundles;

/// <summary>What became of a certificate revocation list that an operator handed in.</summary>
internal abstract record RevocationAnswer
{
    private RevocationAnswer() { }

    /// <summary>It is in force, and was before when it is the same one again.</summary>
    public sealed record Accepted(RevocationList List) : RevocationAnswer;

    /// <summary>It is no list that this trust domain could go by.</summary>
    public sealed record Refused(string Problem) : RevocationAnswer;

    /// <summary>It is genuine, but a newer one of the same authority is known.</summary>
    public sealed record Outdated(string Problem) : RevocationAnswer;
}
