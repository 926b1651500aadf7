using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A signed token, worth nothing without the key it is bound to. Not a record: printing one must not print the token.</summary>
public sealed class IssuedWitSvid
{
    internal IssuedWitSvid(WitSvidDraft draft, string token)
    {
        Id = draft.Id;
        Token = token;
        TokenId = draft.TokenId;
        IssuedAt = draft.IssuedAt;
        ExpiresAt = draft.ExpiresAt;
    }

    public SpiffeId Id { get; }

    /// <summary>The compact form.</summary>
    public string Token { get; }

    public string TokenId { get; }

    public DateTimeOffset IssuedAt { get; }

    public DateTimeOffset ExpiresAt { get; }

    public override string ToString() => $"WIT-SVID {TokenId} of {Id}";
}
