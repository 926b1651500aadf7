using System.Buffers;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>The only code that signs JWT-SVIDs: <see cref="Prepare"/> decides what it would sign, <see cref="Issue"/> signs exactly that, once.</summary>
public sealed class JwtSvidIssuer(JwtSigningAuthority authority, IssuanceProfile profile)
{
    private const int MaxAudiences = 16;

    /// <summary>Characters of one audience.</summary>
    public const int MaxAudienceLength = 1024;

    private readonly byte[] _encodedHeader = CompactJwsWriter.EncodeHeader(authority.Key, authority.KeyId, "JWT");
    private readonly SerialNumber _tokenIds = new();

    public JwtSigningAuthority Authority => authority;

    public JwtSvidPreparation Prepare(JwtSvidRequest request, DateTimeOffset now)
    {
        if (FindProblem(request) is { } problem) return new JwtSvidPreparation.Refused(problem, IsAboutRequest: true);

        // Whole seconds, rounded down: a validator's clock never sees the token issued in its future for the sake of a fraction.
        var lifetime = request.Lifetime ?? profile.DefaultJwtLifetime;
        if (lifetime < IssuanceProfile.ShortestLifetime)
            return new JwtSvidPreparation.Refused($"a lifetime of {lifetime} was asked for; the shortest is {IssuanceProfile.ShortestLifetime}", IsAboutRequest: true);
        if (lifetime > profile.MaxJwtLifetime) lifetime = profile.MaxJwtLifetime;
        var issuedAt = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds());
        var end = now + lifetime < authority.NotAfter ? now + lifetime : authority.NotAfter;
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds(end.ToUnixTimeSeconds());
        if (now < authority.NotBefore || expiresAt <= now)
            return Refuse($"the JWT authority of {authority.TrustDomain} is valid from {authority.NotBefore:O} to {authority.NotAfter:O}, not at {now:O}");

        var tokenId = Convert.ToHexStringLower(_tokenIds.Next());
        var signedPart = CompactJwsWriter.Join(_encodedHeader, WriteClaims(request, issuedAt, expiresAt, tokenId));
        // What is asked for makes it long, and would at any time.
        if (TokenLint.FindLengthProblem(signedPart, JwtSvid.MaxTokenLength, authority.Key) is { } tooLong) return new JwtSvidPreparation.Refused(tooLong, IsAboutRequest: true);
        var draft = new JwtSvidDraft(this, request, tokenId, issuedAt, expiresAt, signedPart);
        return JwtSvidLint.FindProblem(signedPart, draft, authority) is { } flaw ? Refuse(flaw) : new JwtSvidPreparation.Prepared(draft);
    }

    /// <summary>Signs a draft of this issuer. A second time, or a draft of another issuer, is a bug and throws.</summary>
    public IssuedJwtSvid Issue(JwtSvidDraft draft)
    {
        if (draft.Issuer != this) throw new InvalidOperationException("the draft was prepared by another issuer");
        if (!draft.TryClaim()) throw new InvalidOperationException($"the draft with token ID {draft.TokenId} was issued before");
        return new IssuedJwtSvid(draft, CompactJwsWriter.Sign(authority.Signer, draft.SignedPart));
    }

    /// <summary>Whether a token may be made out for it: 1 to <see cref="MaxAudienceLength"/> printable characters.</summary>
    public static bool IsAudience(string text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c) || char.IsSurrogate(c)) return false;
        }

        return text.Length is > 0 and <= MaxAudienceLength;
    }

    private string? FindProblem(JwtSvidRequest request)
    {
        if (!request.Id.IsMemberOf(authority.TrustDomain)) return $"{request.Id} is not in the trust domain {authority.TrustDomain}, which this authority signs for";
        if (!request.Id.HasPath) return $"{request.Id} has no path; it names a trust domain, not a workload";
        if (request.Audience.Count is 0 or > MaxAudiences) return $"{request.Audience.Count} audiences were asked for; expected 1 to {MaxAudiences}";
        for (var i = 0; i < request.Audience.Count; i++)
        {
            if (!IsAudience(request.Audience[i])) return $"the audience {Quoted.From(request.Audience[i])} is not 1 to {MaxAudienceLength} printable characters";
        }

        return null;
    }

    private static byte[] WriteClaims(JwtSvidRequest request, DateTimeOffset issuedAt, DateTimeOffset expiresAt, string tokenId)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("sub", request.Id.ToString());

            // An array even of one: the specification's schema says string, practice and RFC 7519 say array; every validator takes both.
            json.WriteStartArray("aud");
            foreach (var audience in request.Audience) json.WriteStringValue(audience);
            json.WriteEndArray();
            json.WriteNumber("iat", issuedAt.ToUnixTimeSeconds());
            json.WriteNumber("exp", expiresAt.ToUnixTimeSeconds());
            json.WriteString("jti", tokenId);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static JwtSvidPreparation.Refused Refuse(string reason) => new(reason, IsAboutRequest: false);
}
