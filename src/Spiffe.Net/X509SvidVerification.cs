namespace Spiffe.Net;

/// <summary>Whose X509-SVID it is, or why it is nobody's. Only <see cref="X509SvidVerifier"/> makes the first; there is no third.</summary>
// Not a record: those have a copy constructor that anybody may derive through, and `with` would put another ID into a verdict.
public abstract class X509SvidVerification
{
    private X509SvidVerification()
    {
    }

    /// <summary>A chain that was verified.</summary>
    public sealed class Verified : X509SvidVerification
    {
        internal Verified(SpiffeId id, string serialNumber, DateTimeOffset notAfter, DateTimeOffset trustedUntil) =>
            (Id, SerialNumber, NotAfter, TrustedUntil) = (id, serialNumber, notAfter, trustedUntil);

        /// <summary>The only URI name of the leaf; a member of the trust domain whose bundle vouches for it.</summary>
        public SpiffeId Id { get; }

        /// <summary>Of the leaf, uppercase hex without separators.</summary>
        public string SerialNumber { get; }

        /// <summary>The leaf's own last second.</summary>
        public DateTimeOffset NotAfter { get; }

        /// <summary>When the first certificate of the path ends, the leaf's or an authority's: the same chain is refused after it.</summary>
        public DateTimeOffset TrustedUntil { get; }
    }

    /// <summary>A chain that is not to be believed.</summary>
    /// <param name="reason">For logs and operators; foreign text in it is quoted and short.</param>
    public sealed class Refused(string reason) : X509SvidVerification
    {
        /// <summary>For logs and operators; foreign text in it is quoted and short.</summary>
        public string Reason => reason;
    }
}
