using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A JWT-SVID complete but for its signature, so that the intent can be recorded before it exists. Issued at most once.</summary>
public sealed class JwtSvidDraft
{
    private int _isIssued;

    internal JwtSvidDraft(
        JwtSvidIssuer issuer, JwtSvidRequest request, string tokenId, DateTimeOffset issuedAt, DateTimeOffset expiresAt, byte[] signedPart)
    {
        Issuer = issuer;
        Id = request.Id;
        Audience = request.Audience;
        TokenId = tokenId;
        IssuedAt = issuedAt;
        ExpiresAt = expiresAt;
        SignedPart = signedPart;
    }

    public SpiffeId Id { get; }

    public IReadOnlyList<string> Audience { get; }

    /// <summary>The <c>jti</c>: 32 hex digits.</summary>
    public string TokenId { get; }

    public string KeyId => Issuer.Authority.KeyId;

    public DateTimeOffset IssuedAt { get; }

    public DateTimeOffset ExpiresAt { get; }

    internal JwtSvidIssuer Issuer { get; }

    /// <summary>Header and claims, encoded and joined by a dot.</summary>
    internal byte[] SignedPart { get; }

    /// <summary>True for the first caller only.</summary>
    internal bool TryClaim() => Interlocked.Exchange(ref _isIssued, 1) == 0;
}
