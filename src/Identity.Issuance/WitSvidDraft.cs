using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A WIT-SVID complete but for its signature, so that the intent can be recorded before it exists. Issued at most once.</summary>
public sealed class WitSvidDraft
{
    private int _isIssued;

    internal WitSvidDraft(
        WitSvidIssuer issuer, WitSvidRequest request, string tokenId, DateTimeOffset issuedAt, DateTimeOffset expiresAt, byte[] signedPart)
    {
        Issuer = issuer;
        Id = request.Id;
        ProofKey = request.ProofKey;
        KeyHash = request.ProofKey.PublicKey.ComputeSha256();
        TokenId = tokenId;
        IssuedAt = issuedAt;
        ExpiresAt = expiresAt;
        SignedPart = signedPart;
    }

    public SpiffeId Id { get; }

    /// <summary>SHA-256 of the SubjectPublicKeyInfo of the workload's key.</summary>
    public ReadOnlyMemory<byte> KeyHash { get; }

    /// <summary>The <c>jti</c>: 32 hex digits.</summary>
    public string TokenId { get; }

    public string KeyId => Issuer.Authority.KeyId;

    public DateTimeOffset IssuedAt { get; }

    public DateTimeOffset ExpiresAt { get; }

    internal WitSvidIssuer Issuer { get; }

    internal ProofKey ProofKey { get; }

    /// <summary>Header and claims, encoded and joined by a dot.</summary>
    internal byte[] SignedPart { get; }

    /// <summary>True for the first caller only.</summary>
    internal bool TryClaim() => Interlocked.Exchange(ref _isIssued, 1) == 0;
}
