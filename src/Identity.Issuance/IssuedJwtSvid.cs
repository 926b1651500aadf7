using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A signed token. Not a record: printing one must not print the token.</summary>
public sealed class IssuedJwtSvid
{
    internal IssuedJwtSvid(JwtSvidDraft draft, string token)
    {
        Id = draft.Id;
        Token = token;
        TokenId = draft.TokenId;
        IssuedAt = draft.IssuedAt;
        ExpiresAt = draft.ExpiresAt;
    }

    public SpiffeId Id { get; }

    /// <summary>The compact form: a bearer secret until it expires.</summary>
    public string Token { get; }

    public string TokenId { get; }

    public DateTimeOffset IssuedAt { get; }

    public DateTimeOffset ExpiresAt { get; }

    public override string ToString() => $"JWT-SVID {TokenId} of {Id}";
}
