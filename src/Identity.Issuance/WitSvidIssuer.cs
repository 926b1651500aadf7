using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>The only code that signs WIT-SVIDs: <see cref="Prepare"/> decides what it would sign, <see cref="Issue"/> signs exactly that, once.</summary>
/// <remarks>A WIT-SVID is bound to a key, as an X509-SVID is, and lives as long: its lifetimes are the profile's for X.509.</remarks>
public sealed class WitSvidIssuer(WitSigningAuthority authority, IssuanceProfile profile)
{
    private readonly byte[] _encodedHeader = CompactJwsWriter.EncodeHeader(authority.Key, authority.KeyId, WitSvidHeader.Type);

    public WitSigningAuthority Authority => authority;

    /// <summary>Refuses an ID of another trust domain or without path, the authority's own key as the workload's, and a time at which the authority does not sign.</summary>
    public WitSvidPreparation Prepare(WitSvidRequest request, DateTimeOffset now)
    {
        if (FindProblem(request) is { } problem) return Refuse(problem);

        // Whole seconds, rounded down: a validator's clock never sees the token issued in its future for the sake of a fraction.
        var lifetime = request.Lifetime ?? profile.DefaultX509Lifetime;
        if (lifetime < IssuanceProfile.ShortestLifetime) return Refuse($"a lifetime of {lifetime} was asked for; the shortest is {IssuanceProfile.ShortestLifetime}");
        if (lifetime > profile.MaxX509Lifetime) lifetime = profile.MaxX509Lifetime;
        var issuedAt = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds());
        var end = now + lifetime < authority.NotAfter ? now + lifetime : authority.NotAfter;
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds(end.ToUnixTimeSeconds());
        if (now < authority.NotBefore || expiresAt <= now)
            return Refuse($"the WIT authority of {authority.TrustDomain} is valid from {authority.NotBefore:O} to {authority.NotAfter:O}, not at {now:O}");

        var tokenId = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var signedPart = CompactJwsWriter.Join(_encodedHeader, WriteClaims(request, issuedAt, expiresAt, tokenId));
        var draft = new WitSvidDraft(this, request, tokenId, issuedAt, expiresAt, signedPart);
        return WitSvidLint.FindProblem(signedPart, draft, authority) is { } flaw ? Refuse(flaw) : new WitSvidPreparation.Prepared(draft);
    }

    /// <summary>Signs a draft of this issuer. A second time, or a draft of another issuer, is a bug and throws.</summary>
    public IssuedWitSvid Issue(WitSvidDraft draft)
    {
        if (draft.Issuer != this) throw new InvalidOperationException("the draft was prepared by another issuer");
        if (!draft.TryClaim()) throw new InvalidOperationException($"the draft with token ID {draft.TokenId} was issued before");
        return new IssuedWitSvid(draft, CompactJwsWriter.Sign(authority.Signer, draft.SignedPart));
    }

    private string? FindProblem(WitSvidRequest request)
    {
        if (!request.Id.IsMemberOf(authority.TrustDomain)) return $"{request.Id} is not in the trust domain {authority.TrustDomain}, which this authority signs for";
        if (!request.Id.HasPath) return $"{request.Id} has no path; it names a trust domain, not a workload";
        return request.ProofKey.PublicKey.SubjectPublicKeyInfo.Span.SequenceEqual(authority.Public.SubjectPublicKeyInfo.Span)
            ? "the key to bind the token to is the authority's own"
            : null;
    }

    // §3.8: no aud. §3.7 iss and §3.5 nbf are optional and left out: nothing here is resolved by an issuer, and the token is valid at once.
    private static byte[] WriteClaims(WitSvidRequest request, DateTimeOffset issuedAt, DateTimeOffset expiresAt, string tokenId)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("sub", request.Id.ToString());
            json.WriteStartObject("cnf");
            json.WritePropertyName("jwk");
            request.ProofKey.Write(json);
            json.WriteEndObject();
            json.WriteNumber("iat", issuedAt.ToUnixTimeSeconds());
            json.WriteNumber("exp", expiresAt.ToUnixTimeSeconds());
            json.WriteString("jti", tokenId);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static WitSvidPreparation.Refused Refuse(string reason) => new(reason);
}
