using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>
/// A WIT-SVID taken apart and not verified: anybody may have written what it says. It turns into a <see cref="WitSvid"/> nowhere but in <see cref="WitSvidVerifier"/>.
/// Not a record: printing one must not print the token.
/// </summary>
[Experimental(Incubating.Wit)]
public sealed class UnverifiedWitSvid
{
    private readonly CompactJws _jws;

    private UnverifiedWitSvid(string token, WitSvidHeader header, WitSvidClaims claims, CompactJws jws)
    {
        Token = token;
        KeyId = header.KeyId;
        JwsAlgorithm = header.Algorithm;
        Id = claims.Subject;
        ProofKey = claims.ProofKey;
        ExpiresAt = claims.ExpiresAt;
        NotBefore = claims.NotBefore;
        IssuedAt = claims.IssuedAt;
        TokenId = claims.TokenId;
        Issuer = claims.Issuer;
        _jws = jws;
    }

    /// <summary>The compact form. Goes into the HTTP field <c>Workload-Identity-Token</c>, never into <c>Authorization</c>.</summary>
    public string Token { get; }

    /// <summary>The <c>sub</c> it claims (§3.1).</summary>
    public SpiffeId Id { get; }

    /// <summary>The key whose possession has to be proven (<c>cnf.jwk</c>, §3.2).</summary>
    public ProofKey ProofKey { get; }

    /// <summary>The <c>exp</c> (§3.4).</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>The <c>nbf</c> (§3.5); null when the issuer gave none.</summary>
    public DateTimeOffset? NotBefore { get; }

    /// <summary>The <c>iat</c>, for display: it bounds nothing (§3.6).</summary>
    public DateTimeOffset? IssuedAt { get; }

    /// <summary>The <c>jti</c>, for the record: one node may hand one token to two instances, so it says nothing about replay (§3.3).</summary>
    public string? TokenId { get; }

    /// <summary>The <c>iss</c> (§3.7); null when the issuer gave none. Nothing is looked up by it.</summary>
    public string? Issuer { get; }

    /// <summary>The <c>kid</c> of the key that is said to have signed it (§2.1).</summary>
    public string KeyId { get; }

    /// <summary>The JWS name of the algorithm it is signed with.</summary>
    public string Algorithm => JwsAlgorithm.Name;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _jws.Payload;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal ReadOnlySpan<byte> SigningInput => _jws.SigningInput;

    internal ReadOnlySpan<byte> Signature => _jws.Signature;

    /// <summary>Names the workload it claims to be of, not the token.</summary>
    public override string ToString() => $"unverified WIT-SVID of {Id}";

    internal static bool TryParse(string? token, [NotNullWhen(true)] out UnverifiedWitSvid? svid, [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (!CompactJws.TryRead(token, WitSvid.MaxTokenLength, out var jws, out problem)) return false;
        if (!WitSvidHeader.TryRead(jws.Header, out var header, out problem)) return false;
        if (!WitSvidClaims.TryRead(jws.Payload, out var claims, out problem)) return false;
        svid = new UnverifiedWitSvid(token!, header, claims, jws);
        return true;
    }
}
