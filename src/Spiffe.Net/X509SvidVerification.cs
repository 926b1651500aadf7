namespace Spiffe.Net;

/// <summary>Whose X509-SVID it is, or why it is nobody's.</summary>
public abstract record X509SvidVerification
{
    private X509SvidVerification()
    {
    }

    /// <param name="SerialNumber">Of the leaf, uppercase hex without separators.</param>
    public sealed record Verified(SpiffeId Id, string SerialNumber, DateTimeOffset NotAfter) : X509SvidVerification;

    public sealed record Refused(string Reason) : X509SvidVerification;
}
