using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class WorkloadProofTests
{
    private static readonly DateTimeOffset Now = WitForge.Now;
    private static readonly WitForge Forge = new();
    private static readonly WorkloadProofTarget Target = new("https://workload.example.org/path");

    private static UnverifiedWitSvid Svid(string? claims = null) =>
        WitSvid.TryParseUnverified(Forge.Sign(claims: claims), out var svid, out var problem) ? svid : throw new InvalidOperationException(problem);

    [Fact]
    public void What_a_proof_is_for_does_not_print_the_transaction_token()
    {
        var printed = (Target with { TransactionToken = "a-credential" }).ToString();
        Assert.Equal($"a proof for \"{Target.Audience}\", bound to a transaction token", printed);
    }

    [Fact]
    [Trait("rule", "WIT-20")]
    public void Holds_what_the_draft_asks_for()
    {
        var svid = Svid();
        var parts = WorkloadProof.Create(svid, Forge.Key, Target, Now).Split('.');
        using var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0]));
        Assert.Equal("""{"alg":"ES256","typ":"wpt+jwt"}""", header.RootElement.GetRawText());
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        Assert.Equal(["aud", "exp", "jti", "wth"], claims.RootElement.EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(Target.Audience, claims.RootElement.GetProperty("aud").GetString());
        Assert.Equal(16, Base64Url.DecodeFromChars(claims.RootElement.GetProperty("jti").GetString()).Length);
        Assert.Equal(Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(svid.Token))), claims.RootElement.GetProperty("wth").GetString());
    }

    [Fact]
    [Trait("rule", "WIT-24")]
    public void Lives_for_half_a_minute_unless_told_and_never_longer_than_five_minutes_or_its_token()
    {
        Assert.Equal(Now.AddSeconds(30), Expiry(Svid(), null));
        Assert.Equal(Now.AddMinutes(5), Expiry(Svid(), TimeSpan.FromMinutes(5)));
        Assert.Equal(Now.AddSeconds(20), Expiry(Svid(Forge.Claims(exp: JwtForge.Seconds(Now.AddSeconds(20)))), TimeSpan.FromMinutes(5)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Expiry(Svid(), TimeSpan.FromSeconds(301)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Expiry(Svid(), TimeSpan.Zero));
    }

    [Fact]
    [Trait("rule", "WIT-24")]
    public void No_two_are_alike() =>
        Assert.NotEqual(WorkloadProof.Create(Svid(), Forge.Key, Target, Now), WorkloadProof.Create(Svid(), Forge.Key, Target, Now));

    [Fact]
    public void Is_not_made_with_another_key_or_for_an_expired_token()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Throws<ArgumentException>(() => WorkloadProof.Create(Svid(), other, Target, Now));
        Assert.Throws<ArgumentException>(() => WorkloadProof.Create(Svid(), Forge.Key, new WorkloadProofTarget(""), Now));
        Assert.Throws<InvalidOperationException>(() => WorkloadProof.Create(Svid(), Forge.Key, Target, Now.AddHours(1)));
    }

    [Theory]
    [InlineData("nistP256", "ES256")]
    [InlineData("nistP384", "ES384")]
    [InlineData("nistP521", "ES512")]
    public void A_private_key_survives_being_written_and_read(string curve, string algorithm)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        var jwk = PrivateJsonWebKey.Write(key);
        Assert.True(PrivateJsonWebKey.TryRead(jwk, out var read, out var problem), problem);
        using (read)
        {
            Assert.Equal(key.ExportSubjectPublicKeyInfo(), read.ExportSubjectPublicKeyInfo());
            Assert.True(key.VerifyData("x"u8, Assert.IsAssignableFrom<ECDsa>(read).SignData("x"u8.ToArray(), HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
        }

        Assert.Contains($"\"alg\":\"{algorithm}\"", Encoding.UTF8.GetString(jwk), StringComparison.Ordinal);
        Assert.False(ProofKey.TryParse(jwk, out _, out var refusal));
        Assert.Contains("private member", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_decoded_of_a_private_ec_key_is_zeroed_after_use() => AssertZeroed("""{"kty":"EC","crv":"P-256"}""", JwkOfNewKey(), 1);

    [Fact]
    public void What_is_decoded_of_a_private_rsa_key_is_zeroed_after_use()
    {
        using var rsa = RSA.Create(2048);
        var key = rsa.ExportParameters(true);
        (string Name, byte[]? Number)[] members =
        [
            ("n", key.Modulus), ("e", key.Exponent), ("d", key.D), ("p", key.P), ("q", key.Q), ("dp", key.DP), ("dq", key.DQ), ("qi", key.InverseQ),
        ];
        var jwk = $$"""{"kty":"RSA",{{string.Join(',', members.Select(member => $"\"{member.Name}\":\"{Base64Url.EncodeToString(member.Number)}\""))}}}""";
        AssertZeroed("""{"kty":"RSA"}""", Encoding.UTF8.GetBytes(jwk), 6);
    }

    [Fact]
    public void A_private_number_in_escapes_is_refused()
    {
        var jwk = Encoding.UTF8.GetString(JwkOfNewKey());
        var at = jwk.IndexOf("\"d\":\"", StringComparison.Ordinal) + 5;
        Assert.False(PrivateJsonWebKey.TryRead(Encoding.UTF8.GetBytes($"{jwk[..at]}\\u{(int)jwk[at]:x4}{jwk[(at + 1)..]}"), out _, out _));
    }

    [Fact]
    public void A_private_key_that_is_not_its_public_half_is_refused()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var d = JsonDocument.Parse(PrivateJsonWebKey.Write(other)).RootElement.GetProperty("d").GetString();
        var mixed = Forge.Jwk[..^1] + $",\"d\":\"{d}\"}}";
        Assert.False(PrivateJsonWebKey.TryRead(Encoding.UTF8.GetBytes(mixed), out _, out var problem));
        Assert.Contains("its own", problem, StringComparison.Ordinal);
        Assert.DoesNotContain(d!, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"kty":"RSA"}""")]
    [InlineData("""{"kty":"RSA","n":"AA","e":"AQAB","d":"AA","p":"AA","q":"AA","dp":"AA","dq":"AA","qi":"AA"}""")]
    [InlineData("""{"kty":"EC","kty":"RSA"}""")]
    [InlineData("""{"kty":"EC","crv":"P-256"}""")]
    [InlineData("""{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","d":"AA"}""")]
    public void What_is_no_private_key_is_refused(string jwk) => Assert.False(PrivateJsonWebKey.TryRead(Encoding.UTF8.GetBytes(jwk), out _, out _));

    private static byte[] JwkOfNewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return PrivateJsonWebKey.Write(key);
    }

    private static void AssertZeroed(string without, byte[] jwk, int numbers)
    {
        var secrets = new SecretNumbers();
        using var document = JsonDocument.Parse(jwk);
        Assert.True(JsonWebKey.TryReadPrivateKey(document.RootElement, secrets, out var key));
        key.Dispose();
        Assert.Equal(numbers, secrets.Held.Count);
        Assert.All(secrets.Held, number => Assert.Contains(number, b => b != 0));
        secrets.Dispose();
        Assert.All(secrets.Held, number => Assert.All(number, b => Assert.Equal(0, b)));

        // What is refused holds nothing back either.
        using var incomplete = JsonDocument.Parse(without);
        using var none = new SecretNumbers();
        Assert.False(JsonWebKey.TryReadPrivateKey(incomplete.RootElement, none, out _));
    }

    private static DateTimeOffset Expiry(UnverifiedWitSvid svid, TimeSpan? lifetime) =>
        WorkloadProof.TryParseUnverified(WorkloadProof.Create(svid, Forge.Key, Target, Now, lifetime), out var proof, out var problem)
            ? proof.ExpiresAt
            : throw new InvalidOperationException(problem);
}
