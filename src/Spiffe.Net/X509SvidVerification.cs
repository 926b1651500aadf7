namespace Spiffe.Net;

/// <summary>Whose X509-SVID it is, or why it is nobody's.</summary>
public abstract record X509SvidVerification
{
    private X509SvidVerification()
    {
    }

    /// <param name="Id">The only URI name of the leaf; a member of the trust domain whose bundle vouches for it.</param>
    /// <param name="SerialNumber">Of the leaf, uppercase hex without separators.</param>
    /// <param name="NotAfter">The leaf's own last second.</param>
    public sealed record Verified(SpiffeId Id, string SerialNumber, DateTimeOffset NotAfter) : X509SvidVerification
    {
        /// <summary>When the first certificate of the path ends, the leaf's or an authority's: the same chain is refused after it.</summary>
        public DateTimeOffset TrustedUntil { get; init; } = NotAfter;
    }

    /// <param name="Reason">For logs and operators; foreign text in it is quoted and short.</param>
    public sealed record Refused(string Reason) : X509SvidVerification;
}
