using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>How X509-SVID §6 and JWT-SVID §6 represent keys in a bundle: what is written, and what is made of foreign ones.</summary>
public sealed class TrustBundleRules
{
    private static readonly TrustDomain Domain = TrustDomain.Parse("td");
    private static readonly Authority First = Authority.Root();
    private static readonly Authority Second = Authority.Root();
    private static readonly Jws Signer = new(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    [Fact]
    [Trait(Rule.Trait, "X509-29")]
    [Trait(Rule.Trait, "X509-30")]
    [Trait(Rule.Trait, "X509-31")]
    [Trait(Rule.Trait, "X509-32")]
    [Trait(Rule.Trait, "JWT-17")]
    [Trait(Rule.Trait, "JWT-18")]
    public void Each_authority_is_written_as_one_key_with_its_use()
    {
        using var document = JsonDocument.Parse(Bundle([First.Der, Second.Der], Signer.Authority).ToJson());
        var keys = document.RootElement.GetProperty("keys").EnumerateArray().ToArray();
        Assert.Equal(["x509-svid", "x509-svid", "jwt-svid"], keys.Select(key => key.GetProperty("use").GetString()));
        foreach (var (key, der) in keys.Zip([First.Der, Second.Der]))
        {
            Assert.False(key.TryGetProperty("kid", out _));
            Assert.Equal(der, Assert.Single(key.GetProperty("x5c").EnumerateArray()).GetBytesFromBase64());
        }

        Assert.Equal(Jws.KeyId, keys[2].GetProperty("kid").GetString());
        Assert.False(keys[2].TryGetProperty("x5c", out _));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-26")]
    public void The_JWT_bundle_of_the_Workload_API_holds_no_key_of_another_use()
    {
        using var document = JsonDocument.Parse(Bundle([First.Der], Signer.Authority).ToJwtJson());
        var key = Assert.Single(document.RootElement.GetProperty("keys").EnumerateArray());
        Assert.Equal("jwt-svid", key.GetProperty("use").GetString());
    }

    public static IEnumerable<TheoryDataRow<string>> Ignored =>
    [
        Rule.Row("X509-33", """{"use":"x509-svid","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("X509-33", """{"use":"x509-svid","kty":"EC","crv":"P-256","x":"AA","y":"AA","x5c":[]}"""),
        Rule.Row("TDB-12", """{"use":"x509-svid","kty":"AKP","x5c":["AA=="]}"""),
        Rule.Row("JWT-19", """{"use":"wit-svid","kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("JWT-19", """{"kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
    ];

    [Theory]
    [MemberData(nameof(Ignored))]
    public void A_key_is_left_out_and_the_others_stay(string key)
    {
        var bundle = Read($$"""{"keys":[{{key}},{{X509Key(First.Der)}}]}""");
        Assert.Equal(First.Der, Assert.Single(bundle.X509Authorities).RawData);
        Assert.Empty(bundle.JwtAuthorities);
    }

    [Fact]
    [Trait(Rule.Trait, "X509-34")]
    public void Of_several_certificates_in_one_key_the_first_counts() =>
        Assert.Equal(First.Der, Assert.Single(Read($$"""{"keys":[{{X509Key(First.Der, Second.Der)}}]}""").X509Authorities).RawData);

    [Fact]
    [Trait(Rule.Trait, "X509-35")]
    public void A_bundle_without_X509_authorities_makes_no_X509_SVID_genuine()
    {
        var bundles = new TrustBundleSet(Bundle([], Signer.Authority));
        Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify([First.Sign(new LeafVector())], bundles, LeafVector.Now));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-20")]
    [Trait(Rule.Trait, "WLAPI-15")]
    public void A_bundle_without_JWT_authorities_makes_no_JWT_SVID_genuine() => Assert.IsType<JwtSvidVerification.Refused>(Verify(Bundle([First.Der])));

    [Fact]
    [Trait(Rule.Trait, "JWT-19")]
    public void A_key_for_X509_SVIDs_verifies_no_JWT_SVID_even_with_a_kid()
    {
        var key = Encoding.UTF8.GetString(Bundle([], Signer.Authority).ToJson());
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Read(key)));
        Assert.IsType<JwtSvidVerification.Refused>(Verify(Read(key.Replace("jwt-svid", "x509-svid", StringComparison.Ordinal))));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-18")]
    public void A_bundle_with_a_JWT_key_that_has_no_name_is_refused()
    {
        var json = Encoding.UTF8.GetString(Bundle([], Signer.Authority).ToJson()).Replace($"\"kid\":\"{Jws.KeyId}\",", "", StringComparison.Ordinal);
        Assert.False(TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out _, out var problem));
        Assert.Contains("key ID", problem, StringComparison.Ordinal);
    }

    private static JwtSvidVerification Verify(TrustBundle bundle)
    {
        var token = Signer.Sign("""{"alg":"ES256","kid":"k1"}""", """{"sub":"spiffe://td/x","aud":["a"],"exp":1772366700}""");
        return JwtSvidVerifier.Verify(token, "a", new TrustBundleSet(bundle), LeafVector.Now);
    }

    private static string X509Key(params byte[][] certificates) =>
        $$"""{"use":"x509-svid","kty":"EC","crv":"P-256","x":"AA","y":"AA","x5c":[{{string.Join(',', certificates.Select(der => $"\"{Convert.ToBase64String(der)}\""))}}]}""";

    private static TrustBundle Bundle(byte[][] roots, params JwtAuthority[] keys) =>
        TrustBundle.TryCreate(Domain, [.. roots.Select(der => (ReadOnlyMemory<byte>)der)], keys, null, null, out var bundle, out var problem)
            ? bundle
            : throw new InvalidOperationException(problem);

    private static TrustBundle Read(string json) =>
        TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out var bundle, out var problem) ? bundle : throw new InvalidOperationException(problem);
}
