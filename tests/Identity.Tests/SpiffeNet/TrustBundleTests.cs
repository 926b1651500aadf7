using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class TrustBundleTests
{
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly string RootBase64 = Convert.ToBase64String(Root.Der);

    private const string P256Numbers = "\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"";
    private const string JwtKey = "{\"kty\":\"EC\",\"use\":\"jwt-svid\",\"kid\":\"a\"," + P256Numbers + "}";

    [Fact]
    [Trait("rule", "TDB-04")]
    [Trait("rule", "TDB-06")]
    [Trait("rule", "TDB-07")]
    public void Survives_being_written_and_read()
    {
        var rsa = new JwtForge(RSA.Create(2048), "r").Authority;
        var p384 = new JwtForge(ECDsa.Create(ECCurve.NamedCurves.nistP384), "e").Authority;
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [rsa, p384], 42, TimeSpan.FromMinutes(5), out var bundle, out _));
        var read = Parse(Encoding.UTF8.GetString(bundle.ToJson()));
        Assert.True(read.HasSameAuthorities(bundle));
        Assert.Equal(42ul, read.SequenceNumber);
        Assert.Equal(TimeSpan.FromMinutes(5), read.RefreshHint);
    }

    [Fact]
    [Trait("rule", "TDB-06")]
    [Trait("rule", "TDB-07")]
    [Trait("rule", "TDB-08")]
    [Trait("rule", "TDB-11")]
    [Trait("rule", "TDB-12")]
    [Trait("rule", "TDB-13")]
    [Trait("rule", "JWT-17")]
    [Trait("rule", "JWT-18")]
    public void Writes_what_the_specification_asks_for()
    {
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [JwtForge.Es256("k").Authority], 7, TimeSpan.FromSeconds(300), out var bundle, out _));
        var json = Encoding.UTF8.GetString(bundle.ToJson());
        Assert.Contains("\"use\":\"x509-svid\",\"kty\":\"EC\",\"crv\":\"P-256\"", json, StringComparison.Ordinal);
        Assert.Contains("\"use\":\"jwt-svid\",\"kid\":\"k\"", json, StringComparison.Ordinal);
        Assert.Contains("\"spiffe_sequence\":7,\"spiffe_refresh_hint\":300", json, StringComparison.Ordinal);
        Assert.Single(json.Split("\"kid\"")[1..]);
    }

    [Fact]
    public void Writes_JWT_keys_alone_for_those_who_ask_for_them()
    {
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [JwtForge.Es256("k").Authority], 7, null, out var bundle, out _));
        var json = Encoding.UTF8.GetString(bundle.ToJwtJson());
        Assert.DoesNotContain("x5c", json, StringComparison.Ordinal);
        Assert.DoesNotContain("spiffe_sequence", json, StringComparison.Ordinal);
        Assert.True(TrustBundle.TryParseJwt(Domain, bundle.ToJwtJson(), out var read, out _));
        Assert.Empty(read.X509Authorities);
        Assert.True(read.JwtAuthorities.Single().HasSameContent(bundle.JwtAuthorities.Single()));
    }

    [Fact]
    public void Lays_X509_authorities_end_to_end()
    {
        var second = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("second"));
        Assert.True(TrustBundle.TryParseX509(Domain, (byte[])[.. Root.Der, .. second.Der], out var bundle, out _));
        Assert.Equal(2, bundle.X509Authorities.Count);
        Assert.Equal([.. Root.Der, .. second.Der], bundle.ToX509Der());
        Assert.True(TrustBundle.TryParsePem(Domain, bundle.ToPem(), out var fromPem, out _));
        Assert.True(fromPem.HasSameAuthorities(bundle));
    }

    public static TheoryData<string> Ignored =>
    [
        """{"kty":"AKP","use":"jwt-svid","kid":"z","pub":"AAAA"}""",
        """{"kty":"oct","use":"jwt-svid","kid":"z","k":"AAAA"}""",
        """{"use":"jwt-svid","kid":"z"}""",
        """{"kty":7,"use":"jwt-svid","kid":"z"}""",
        """{"kty":"EC","use":"wit-svid","kid":"z","crv":"P-256","x":"AA","y":"AA"}""",
        """{"kty":"EC","use":"JWT-SVID","kid":"z","crv":"P-256","x":"AA","y":"AA"}""",
        """{"kty":"EC","use":"sig","kid":"z","crv":"P-256","x":"AA","y":"AA"}""",
        """{"kty":"EC","kid":"z","crv":"P-256","x":"AA","y":"AA"}""",
        """{"kty":"EC","use":"jwt-svid","kid":"z","crv":"secp256k1","x":"AA","y":"AA"}""",
        """{"kty":"EC","use":"x509-svid"}""",
        """{"kty":"EC","use":"x509-svid","x5c":[]}""",
        """{"kty":"EC","use":"x509-svid","x5c":"AAAA"}""",
    ];

    [Theory]
    [MemberData(nameof(Ignored))]
    [Trait("rule", "TDB-09")]
    [Trait("rule", "TDB-12")]
    [Trait("rule", "TDB-14")]
    public void Leaves_out_a_key_of_unknown_kind_and_keeps_the_others(string key)
    {
        var bundle = Parse("{\"keys\":[" + key + "," + JwtKey + "]}");
        Assert.Equal("a", Assert.Single(bundle.JwtAuthorities).KeyId);
        Assert.Empty(bundle.X509Authorities);
    }

    [Fact]
    [Trait("rule", "TDB-05")]
    public void Ignores_members_it_does_not_know() =>
        Assert.Single(Parse("{\"keys\":[" + JwtKey + "],\"spiffe_crl\":1,\"x\":{\"y\":[]}}").JwtAuthorities);

    [Fact]
    public void Takes_the_first_of_several_x5c_values()
    {
        var bundle = Parse("{\"keys\":[{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"" + RootBase64 + "\",\"AAAA\"]}]}");
        Assert.Equal(Root.Der, bundle.X509Authorities.Single().RawData);
    }

    [Fact]
    public void Takes_a_key_without_use_only_where_nothing_but_JWT_keys_is_expected()
    {
        var json = Encoding.UTF8.GetBytes("{\"keys\":[{\"kty\":\"EC\",\"kid\":\"a\"," + P256Numbers + "}]}");
        Assert.True(TrustBundle.TryParseJwt(Domain, json, out var jwt, out _));
        Assert.Single(jwt.JwtAuthorities);
        Assert.True(TrustBundle.TryParse(Domain, json, out var whole, out _));
        Assert.Empty(whole.JwtAuthorities);
    }

    [Theory]
    [InlineData("18446744073709551615", true)]
    [InlineData("9223372036854775808", true)]
    [InlineData("18446744073709551616", false)]
    [InlineData("1.0", false)]
    [InlineData("1e3", false)]
    [InlineData("null", false)]
    [Trait("rule", "TDB-06")]
    public void Reads_a_sequence_number_with_64_bits(string number, bool isGood)
    {
        var json = Encoding.UTF8.GetBytes("{\"keys\":[],\"spiffe_sequence\":" + number + "}");
        Assert.Equal(isGood, TrustBundle.TryParse(Domain, json, out var bundle, out _));
        if (isGood) Assert.Equal(ulong.Parse(number, System.Globalization.CultureInfo.InvariantCulture), bundle!.SequenceNumber);
    }

    [Theory]
    [InlineData("no key")]
    [InlineData("keys without a use")]
    [InlineData("keys of a use in another spelling")]
    [InlineData("keys of an unknown type")]
    [Trait("rule", "TDB-10")]
    [Trait("rule", "TDB-14")]
    [Trait("rule", "JWT-20")]
    public void With_no_usable_key_nothing_of_the_trust_domain_is_genuine(string what)
    {
        // The very authorities that signed: they are good for both until it is the bundle that says otherwise.
        var forge = JwtForge.Es256();
        var token = forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        ReadOnlyMemory<byte>[] chain = [Root.Issue(new CertificateRecipe()).Der];
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [forge.Authority], null, null, out var whole, out _));
        var usable = Encoding.UTF8.GetString(whole.ToJson());
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, "spiffe://example.org/nats", new(Parse(usable)), JwtForge.Now));
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(chain, new(Parse(usable)), JwtForge.Now));

        var bundles = new TrustBundleSet(Parse(what switch
        {
            "no key" => "{\"keys\":[]}",
            "keys without a use" => usable.Replace("\"use\":\"jwt-svid\",", "", StringComparison.Ordinal).Replace("\"use\":\"x509-svid\",", "", StringComparison.Ordinal),
            "keys of a use in another spelling" => usable.Replace("-svid\"", "-SVID\"", StringComparison.Ordinal),
            _ => usable.Replace("\"kty\":\"EC\"", "\"kty\":\"AKP\"", StringComparison.Ordinal),
        }));
        var refusedToken = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(token, "spiffe://example.org/nats", bundles, JwtForge.Now));
        Assert.Contains("has no JWT key \"k1\"", refusedToken.Reason, StringComparison.Ordinal);
        var refusedChain = Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify(chain, bundles, JwtForge.Now));
        Assert.Contains("has no X.509 authority", refusedChain.Reason, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WIT-21")]
    [Trait("rule", "TDB-13")]
    public void Writes_and_reads_keys_for_WIT_SVIDs_apart_from_the_others()
    {
        var wit = new WitForge().Authority;
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [JwtForge.Es256("k").Authority], [wit], 7, null, out var bundle, out _));
        Assert.Contains("\"use\":\"wit-svid\",\"kid\":\"w1\"", Encoding.UTF8.GetString(bundle.ToJson()), StringComparison.Ordinal);
        Assert.True(Parse(Encoding.UTF8.GetString(bundle.ToJson())).HasSameAuthorities(bundle));
        Assert.DoesNotContain("wit-svid", Encoding.UTF8.GetString(bundle.ToJwtJson()), StringComparison.Ordinal);
        Assert.DoesNotContain("jwt-svid", Encoding.UTF8.GetString(bundle.ToWitJson()), StringComparison.Ordinal);
        Assert.True(TrustBundle.TryParseWit(Domain, bundle.ToWitJson(), out var read, out _));
        Assert.True(Assert.Single(read.WitAuthorities).HasSameContent(wit));
        Assert.True(TrustBundle.TryParseWit(Domain, bundle.ToJson(), out var fromWhole, out _));
        Assert.Empty(fromWhole.JwtAuthorities);
        Assert.Empty(fromWhole.X509Authorities);
    }

    [Fact]
    [Trait("rule", "WIT-22")]
    public void A_key_ID_is_not_used_for_a_JWT_and_a_WIT_key_at_once()
    {
        Assert.False(TrustBundle.TryCreate(Domain, [], [JwtForge.Es256("w1").Authority], [new WitForge().Authority], null, null, out _, out var problem));
        Assert.Contains("two JWT or WIT keys", problem, StringComparison.Ordinal);
        Assert.False(WitAuthority.TryCreate("", new WitForge().Authority.SubjectPublicKeyInfo, out _, out var noName));
        Assert.Contains("key ID", noName, StringComparison.Ordinal);
    }

    [Fact]
    public void The_number_of_keys_is_bounded_before_any_is_looked_at()
    {
        var json = "{\"keys\":[" + string.Join(',', Enumerable.Repeat("{}", 769)) + "]}";
        Assert.False(TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out _, out var problem));
        Assert.Contains("769 keys", problem, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "", "not a JSON object" },
        { "[]", "not a JSON object" },
        { "{}", "\"keys\" is missing" },
        { """{"keys":{}}""", "\"keys\" is missing" },
        { """{"keys":[7]}""", "key 1: it is not an object" },
        { """{"keys":[],"keys":[]}""", "twice" },
        { """{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}""", "twice" },
        { """{"keys":[{"kty":"EC","kty":"RSA"}]}""", "twice" },
        { """{"keys":[],"spiffe_sequence":"1"}""", "spiffe_sequence" },
        { """{"keys":[],"spiffe_sequence":1.5}""", "spiffe_sequence" },
        { """{"keys":[],"spiffe_sequence":-1}""", "spiffe_sequence" },
        { """{"keys":[],"spiffe_refresh_hint":"300"}""", "spiffe_refresh_hint" },
        { """{"keys":[],"spiffe_refresh_hint":-1}""", "spiffe_refresh_hint" },
        { "{\"keys\":[" + JwtKey + "," + JwtKey + "]}", "two JWT or WIT keys with the key ID \"a\"" },
        { "{\"keys\":[{\"kty\":\"EC\",\"use\":\"jwt-svid\"," + P256Numbers + "}]}", "key 1: a JWT authority needs a key ID" },
        { """{"keys":[{"kty":"EC","use":"jwt-svid","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}""", "x and y" },
        { """{"keys":[{"kty":"EC","use":"jwt-svid","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}""", "do not form a key" },
        { """{"keys":[{"kty":"RSA","use":"jwt-svid","kid":"a","n":"%%","e":"AQAB"}]}""", "base64url" },
        { """{"keys":[{"kty":"EC","use":"x509-svid","x5c":["%%"]}]}""", "key 1: its x5c is not base64" },
        { """{"keys":[{"kty":"EC","use":"x509-svid","x5c":["AAAA"]}]}""", "X.509 authority 1" },
        { "{\"keys\":[{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"" + Convert.ToBase64String([.. Root.Der, 0]) + "\"]}]}", "after its end" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    [Trait("rule", "TDB-04")]
    [Trait("rule", "TDB-08")]
    public void Refuses_a_malformed_bundle_as_a_whole(string json, string reason)
    {
        Assert.False(TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out var bundle, out var problem));
        Assert.Null(bundle);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_weak_RSA_key()
    {
        using var rsa = RSA.Create(1024);
        Assert.False(JwtAuthority.TryCreate("weak", rsa.ExportSubjectPublicKeyInfo(), out _, out var problem));
        Assert.Contains("2048", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_bundle_beyond_its_bounds()
    {
        Assert.False(TrustBundle.TryParse(Domain, new byte[(1024 * 1024) + 1], out _, out var tooLong));
        Assert.Contains("at most 1048576", tooLong, StringComparison.Ordinal);
        Assert.False(TrustBundle.TryCreate(Domain, [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(Root.Der, 257)], [], null, null, out _, out var tooMany));
        Assert.Contains("more than 256", tooMany, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "expected CERTIFICATE")]
    [InlineData("", "no PEM certificate")]
    [InlineData("{\"keys\":[]}", "no PEM certificate")]
    public void Refuses_PEM_that_holds_no_certificates(string pem, string reason)
    {
        Assert.False(TrustBundle.TryParsePem(Domain, pem, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Notices_a_changed_key_but_not_a_changed_sequence_number()
    {
        var key = JwtForge.Es256("k").Authority;
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [key], 1, null, out var first, out _));
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [key], 2, null, out var second, out _));
        Assert.True(TrustBundle.TryCreate(Domain, [Root.Der], [JwtForge.Es256("k").Authority], 1, null, out var third, out _));
        Assert.True(first.HasSameAuthorities(second));
        Assert.False(first.HasSameAuthorities(third));
    }

    [Fact]
    public void A_set_replaces_adds_and_removes_by_trust_domain()
    {
        var set = new TrustBundleSet(Root.AsBundle());
        var other = set.With(Root.AsBundle("other.org"));
        Assert.True(other.TryGet(TrustDomain.Parse("other.org"), out _));
        Assert.False(set.TryGet(TrustDomain.Parse("other.org"), out _));
        Assert.Equal(2, other.With(Root.AsBundle()).Bundles.Count);
        Assert.False(other.Without(Domain).TryGet(Domain, out _));
    }

    private static TrustBundle Parse(string json) =>
        TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out var bundle, out var problem) ? bundle : throw new FormatException(problem);
}
