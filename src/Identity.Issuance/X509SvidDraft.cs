using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>An X509-SVID complete but for its signature, so that the intent can be recorded before it exists. Issued at most once.</summary>
public sealed class X509SvidDraft
{
    private int _isIssued;

    internal X509SvidDraft(X509SvidIssuer issuer, SpiffeId id, byte[] serialNumber, byte[] keyHash, DateTimeOffset notBefore, DateTimeOffset notAfter, byte[] signedPart)
    {
        Issuer = issuer;
        Id = id;
        SerialNumber = Convert.ToHexString(serialNumber);
        KeyHash = keyHash;
        NotBefore = notBefore;
        NotAfter = notAfter;
        SignedPart = signedPart;
    }

    public SpiffeId Id { get; }

    /// <summary>Uppercase hex of its 16 bytes.</summary>
    public string SerialNumber { get; }

    /// <summary>SHA-256 of the SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> KeyHash { get; }

    public DateTimeOffset NotBefore { get; }

    public DateTimeOffset NotAfter { get; }

    internal X509SvidIssuer Issuer { get; }

    /// <summary>The TBSCertificate.</summary>
    internal byte[] SignedPart { get; }

    /// <summary>True for the first caller only.</summary>
    internal bool TryClaim() => Interlocked.Exchange(ref _isIssued, 1) == 0;
}
