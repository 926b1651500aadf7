using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>
/// A WIT-SVID (Incubating) that <see cref="WitSvidVerifier"/> found genuine and shown by whoever holds <see cref="ProofKey"/>; nobody else makes one. It is never a
/// bearer token (§5). Not a record: printing one must not print the token.
/// </summary>
[Experimental(Incubating.Wit)]
public sealed class WitSvid
{
    /// <summary>Characters of the compact form; a real token has about 600.</summary>
    public const int MaxTokenLength = 8 * 1024;

    private readonly UnverifiedWitSvid _verified;

    /// <param name="verified">Whose signature, times and proof of possession were found good a moment ago.</param>
    internal WitSvid(UnverifiedWitSvid verified) => _verified = verified;

    /// <summary>The compact form. Goes into the HTTP field <c>Workload-Identity-Token</c>, never into <c>Authorization</c>.</summary>
    public string Token => _verified.Token;

    /// <summary>The <c>sub</c> (§3.1).</summary>
    public SpiffeId Id => _verified.Id;

    /// <summary>The key whose possession has to be proven (<c>cnf.jwk</c>, §3.2).</summary>
    public ProofKey ProofKey => _verified.ProofKey;

    /// <summary>The <c>exp</c> (§3.4).</summary>
    public DateTimeOffset ExpiresAt => _verified.ExpiresAt;

    /// <summary>The <c>nbf</c> (§3.5); null when the issuer gave none.</summary>
    public DateTimeOffset? NotBefore => _verified.NotBefore;

    /// <summary>The <c>iat</c>, for display: it bounds nothing (§3.6).</summary>
    public DateTimeOffset? IssuedAt => _verified.IssuedAt;

    /// <summary>The <c>jti</c>, for the record: one node may hand one token to two instances, so it says nothing about replay (§3.3).</summary>
    public string? TokenId => _verified.TokenId;

    /// <summary>The <c>iss</c> (§3.7); null when the issuer gave none. Nothing is looked up by it.</summary>
    public string? Issuer => _verified.Issuer;

    /// <summary>The <c>kid</c> of the key that signed it (§2.1).</summary>
    public string KeyId => _verified.KeyId;

    /// <summary>The JWS name of the algorithm it is signed with.</summary>
    public string Algorithm => _verified.Algorithm;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _verified.ClaimsJson;

    /// <summary>Takes a token apart without checking its signature, its time or that it is the presenter's. For diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out UnverifiedWitSvid? svid, [NotNullWhen(false)] out string? problem) =>
        UnverifiedWitSvid.TryParse(token, out svid, out problem);

    /// <summary>Names the workload, not the token.</summary>
    public override string ToString() => $"WIT-SVID of {Id}";
}
