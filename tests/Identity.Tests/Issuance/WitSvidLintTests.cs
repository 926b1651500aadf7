using System.Security.Cryptography;
using System.Text;
using Identity.Issuance;
using Identity.Tests.SpiffeNet;
using Spiffe.Net;

namespace Identity.Tests.Issuance;

/// <summary>What the lint of a WIT-SVID sees of a draft that is not what was decided.</summary>
public class WitSvidLintTests
{
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly WitSigningAuthority Authority = WitSvidIssuerTests.Create(LocalAuthorityKey.Generate(SigningAlgorithm.Es256));
    private static readonly WitSvidIssuer Issuer = new(Authority, IssuanceProfile.Default);
    private static readonly ProofKey Key = WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256));
    private static readonly WitSvidDraft Draft = Prepare(Key);

    [Fact]
    public void Notices_every_changed_bit()
    {
        var part = Draft.SignedPart.ToArray();
        Assert.Null(WitSvidLint.FindProblem(part, Draft, Authority));
        for (var bit = 0; bit < part.Length * 8; bit++)
        {
            part[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.True(WitSvidLint.FindProblem(part, Draft, Authority) is not null, $"bit {bit % 8} of byte {bit / 8}");
            part[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Notices_what_is_cut_off_or_added()
    {
        var part = Draft.SignedPart;
        for (var length = 0; length < part.Length; length++) Assert.NotNull(WitSvidLint.FindProblem(part.AsSpan(0, length), Draft, Authority));
        foreach (var more in new[] { "A", "AA", "=", ".", ".AAAA", " " })
        {
            Assert.NotNull(WitSvidLint.FindProblem([.. part, .. Encoding.ASCII.GetBytes(more)], Draft, Authority));
        }
    }

    public static TheoryData<string, string, string> ChangedHeaders => new()
    {
        { "\"ES256\"", "\"ES384\"", "algorithm" },
        { "\"wit+jwt\"", "\"JWT\"", "type" },
        { "\"wit+jwt\"}", "\"wit+jwt\",\"jwk\":{}}", "more members" },
    };

    [Theory]
    [MemberData(nameof(ChangedHeaders))]
    public void Holds_the_header_to_what_was_decided(string old, string by, string reason) =>
        AssertProblem(reason, TokenPieces.Replaced(TokenPieces.Header(Draft.SignedPart), old, by), TokenPieces.Claims(Draft.SignedPart));

    public static TheoryData<string, string, string> ChangedClaims => new()
    {
        { "/hosts/local", "/hosts/other", "SPIFFE ID" },
        { "\"P-256\"", "\"P-384\"", "another key" },
        { "\"x\":\"", "\"x\":\"A", "another key" },
        { "\"jwk\":{", "\"jwk\":{\"d\":\"AAAA\",", "another key" },
        { "\"cnf\":{", "\"cnf\":{\"kid\":\"x\",", "another key" },
        { "\"alg\":\"ES256\"", "\"alg\":\"ES384\"", "another algorithm" },
        { "\"alg\":\"ES256\"", "\"alg\":\"ES256\",\"d\":\"AAAA\"", "more members" },
        { "\"ES256\"}}", "\"ES256\"},\"jkt\":\"x\"}", "more members" },
        { "\"iat\"", "\"aud\":[\"x\"],\"iat\"", "lifetime" },
        { "\"exp\":", "\"exp\":1", "lifetime" },
        { "\"jti\":\"", "\"jti\":\"0", "token ID" },
    };

    [Theory]
    [MemberData(nameof(ChangedClaims))]
    public void Holds_the_claims_to_what_was_decided(string old, string by, string reason) =>
        AssertProblem(reason, TokenPieces.Header(Draft.SignedPart), TokenPieces.Replaced(TokenPieces.Claims(Draft.SignedPart), old, by));

    [Fact]
    public void Notices_a_claim_more() =>
        AssertProblem("more claims", TokenPieces.Header(Draft.SignedPart), TokenPieces.Claims(Draft.SignedPart)[..^1] + ",\"admin\":true}");

    [Fact]
    public void Holds_the_key_to_the_one_that_was_proven()
    {
        var other = Prepare(WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256)));
        Assert.Contains("another", WitSvidLint.FindProblem(other.SignedPart, Draft, Authority)!, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_kind_of_key_passes_the_lint_and_the_verifiers_reading_alike()
    {
        using var rsa = RSA.Create(2048);
        using var p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var p521 = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        foreach (var key in new[] { Key, WitForge.KeyOf(p384), WitForge.KeyOf(p521), WitForge.KeyOf(rsa), WitForge.KeyOf(rsa, "PS256") })
        {
            var draft = Prepare(key);
            Assert.Null(WitSvidLint.FindProblem(draft.SignedPart, draft, Authority));
            Assert.True(WitSvid.TryParseUnverified(Issuer.Issue(draft).Token, out var read, out _));
            Assert.True(read.ProofKey.HasSameContent(key));
            Assert.Equal((Host, Authority.KeyId, draft.TokenId), (read.Id, read.KeyId, read.TokenId));
        }
    }

    private static void AssertProblem(string reason, string header, string claims) =>
        Assert.Contains(reason, WitSvidLint.FindProblem(TokenPieces.Join(header, claims), Draft, Authority), StringComparison.Ordinal);

    private static WitSvidDraft Prepare(ProofKey key) =>
        Assert.IsType<WitSvidPreparation.Prepared>(Issuer.Prepare(new WitSvidRequest(Host, key), TestAuthority.Now)).Draft;
}
