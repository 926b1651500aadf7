using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>How Trust Domain and Bundle §4, X509-SVID §6 and JWT-SVID §6 represent keys in a bundle: what is written, and what is made of foreign ones.</summary>
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
    [Trait(Rule.Trait, "TDB-04")]
    [Trait(Rule.Trait, "TDB-13")]
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
        Rule.Row("TDB-12", """{"use":"jwt-svid","kid":"w"}"""),
        Rule.Row("TDB-09", """{"use":"jwt-svid","kid":"w","kty":"OKP","crv":"Ed25519","x":"AA"}"""),
        Rule.Row("TDB-14", """{"kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("TDB-14", """{"use":"JWT-SVID","kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("TDB-14", """{"use":1,"kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("SID-23", """{"use":"pgp-svid","kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
        Rule.Row("JWT-19", """{"use":"x509-svid","kid":"w","kty":"EC","crv":"P-256","x":"AA","y":"AA"}"""),
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
    [Trait(Rule.Trait, "X509-32")]
    public void What_our_own_authority_puts_into_a_bundle_is_signed_with_its_own_key()
    {
        var root = X509AuthorityFactory.CreateRoot(Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), LeafVector.Now.AddHours(-1), LeafVector.Now.AddDays(1));
        using var document = JsonDocument.Parse(Bundle([root.Root.ToArray()]).ToJson());
        var der = Assert.Single(document.RootElement.GetProperty("keys")[0].GetProperty("x5c").EnumerateArray()).GetBytesFromBase64();
        using var certificate = X509CertificateLoader.LoadCertificate(der);
        Assert.Equal(certificate.SubjectName.RawData, certificate.IssuerName.RawData);
        var whole = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        var signed = whole.ReadEncodedValue();
        whole.ReadSequence();
        using var key = certificate.GetECDsaPublicKey()!;
        Assert.True(key.VerifyData(signed.Span, whole.ReadBitString(out _), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
    }

    // Uses are all that tells the kinds apart in a bundle: three are known, and a key is of one of them.
    [Theory]
    [InlineData("x509-svid", 1, 0, 0)]
    [InlineData("jwt-svid", 0, 1, 0)]
    [InlineData("wit-svid", 0, 0, 1)]
    [InlineData("pgp-svid", 0, 0, 0)]
    [InlineData("svid", 0, 0, 0)]
    [InlineData("X509-SVID", 0, 0, 0)]
    [Trait(Rule.Trait, "SID-23")]
    [Trait(Rule.Trait, "TDB-13")]
    public void A_key_is_for_one_of_three_kinds_of_SVID_or_for_none(string use, int x509, int jwt, int wit)
    {
        var key = Encoding.UTF8.GetString(Bundle([], Signer.Authority).ToJwtJson()).Replace("jwt-svid", use, StringComparison.Ordinal);
        var bundle = Read(key.Replace("}]}", $$""","x5c":["{{Convert.ToBase64String(First.Der)}}"]}]}""", StringComparison.Ordinal));
        Assert.Equal((x509, jwt, wit), (bundle.X509Authorities.Count, bundle.JwtAuthorities.Count, bundle.WitAuthorities.Count));
    }

    [Fact]
    [Trait(Rule.Trait, "TDB-09")]
    public void An_authority_on_a_curve_that_is_not_known_is_left_out_and_the_others_stay()
    {
        using var key = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        var request = new CertificateRequest("CN=other", key, HashAlgorithmName.SHA256);
        using var unknown = request.CreateSelfSigned(LeafVector.Now.AddHours(-1), LeafVector.Now.AddHours(1));
        Assert.Equal(First.Der, Assert.Single(Read($$"""{"keys":[{{X509Key(unknown.RawData)}},{{X509Key(First.Der)}}]}""").X509Authorities).RawData);
        Assert.True(TrustBundle.TryParseX509(Domain, (byte[])[.. unknown.RawData, .. First.Der], out var bundle, out var problem), problem);
        Assert.Equal(First.Der, Assert.Single(bundle.X509Authorities).RawData);
    }

    [Fact]
    [Trait(Rule.Trait, "X509-34")]
    public void Of_several_certificates_in_one_key_the_first_counts() =>
        Assert.Equal(First.Der, Assert.Single(Read($$"""{"keys":[{{X509Key(First.Der, Second.Der)}}]}""").X509Authorities).RawData);

    [Fact]
    [Trait(Rule.Trait, "X509-35")]
    public void A_bundle_without_X509_authorities_makes_no_X509_SVID_genuine()
    {
        ReadOnlyMemory<byte>[] chain = [First.Sign(new LeafVector())];
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(chain, new(Bundle([First.Der])), LeafVector.Now));
        // Its key is there, but for tokens.
        AssertRefused("has no X.509 authority", X509SvidVerifier.Verify(chain, new(Bundle([], First.Tokens.Authority)), LeafVector.Now));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-20")]
    [Trait(Rule.Trait, "WLAPI-15")]
    public void A_bundle_without_JWT_authorities_makes_no_JWT_SVID_genuine()
    {
        // The key that signed is there, but for certificates.
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Bundle([], First.Tokens.Authority), First.Tokens));
        AssertRefused("has no JWT key \"k1\"", Verify(Bundle([First.Der]), First.Tokens));
        AssertRefused("has no JWT key \"k1\"", Verify(Bundle([First.Der])));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-19")]
    public void A_key_for_X509_SVIDs_verifies_no_JWT_SVID_even_with_a_kid()
    {
        var key = Encoding.UTF8.GetString(Bundle([], Signer.Authority).ToJson());
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Read(key)));
        AssertRefused("has no JWT key \"k1\"", Verify(Read(key.Replace("jwt-svid", "x509-svid", StringComparison.Ordinal))));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-18")]
    public void A_bundle_with_a_JWT_key_that_has_no_name_is_refused()
    {
        var json = Encoding.UTF8.GetString(Bundle([], Signer.Authority).ToJson()).Replace($"\"kid\":\"{Jws.KeyId}\",", "", StringComparison.Ordinal);
        Assert.False(TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out _, out var problem));
        Assert.Contains("key ID", problem, StringComparison.Ordinal);
    }

    public static IEnumerable<TheoryDataRow<string, string>> RefusedDocuments =>
    [
        Rule.Row("TDB-04", "[]", "not a JSON object"),
        Rule.Row("TDB-04", """{"keys":[]""", "not a JSON object"),
        Rule.Row("TDB-04", """{"keys":[],"keys":[]}""", "twice"),
        Rule.Row("TDB-08", """{"spiffe_sequence":1}""", "\"keys\" is missing"),
        Rule.Row("TDB-08", """{"keys":{}}""", "\"keys\" is missing"),
        Rule.Row("TDB-06", """{"keys":[],"spiffe_sequence":"1"}""", "spiffe_sequence"),
        Rule.Row("TDB-06", """{"keys":[],"spiffe_sequence":1.5}""", "spiffe_sequence"),
        Rule.Row("TDB-06", """{"keys":[],"spiffe_sequence":18446744073709551616}""", "spiffe_sequence"),
        Rule.Row("TDB-07", """{"keys":[],"spiffe_refresh_hint":1.5}""", "spiffe_refresh_hint"),
        Rule.Row("TDB-07", """{"keys":[],"spiffe_refresh_hint":-1}""", "spiffe_refresh_hint"),
        Rule.Row("TDB-07", """{"keys":[],"spiffe_refresh_hint":"300"}""", "spiffe_refresh_hint"),
    ];

    [Theory]
    [MemberData(nameof(RefusedDocuments))]
    public void A_document_is_refused(string json, string reason)
    {
        Assert.False(TrustBundle.TryParse(Domain, Encoding.UTF8.GetBytes(json), out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    [Trait(Rule.Trait, "TDB-05")]
    [Trait(Rule.Trait, "TDB-06")]
    [Trait(Rule.Trait, "TDB-07")]
    public void Members_that_nobody_specified_are_passed_over_and_the_sequence_has_64_bits()
    {
        var bundle = Read($$"""{"x":{"y":[1]},"spiffe_sequence":18446744073709551615,"spiffe_refresh_hint":300,"keys":[{{X509Key(First.Der)[..^1]}},"z":null}]}""");
        Assert.Equal(ulong.MaxValue, bundle.SequenceNumber);
        Assert.Equal(TimeSpan.FromMinutes(5), bundle.RefreshHint);
        Assert.Single(bundle.X509Authorities);
    }

    [Fact]
    [Trait(Rule.Trait, "TDB-06")]
    [Trait(Rule.Trait, "TDB-07")]
    [Trait(Rule.Trait, "TDB-08")]
    [Trait(Rule.Trait, "TDB-11")]
    [Trait(Rule.Trait, "TDB-12")]
    public void What_is_written_has_the_specified_members_and_no_others()
    {
        Assert.True(TrustBundle.TryCreate(Domain, [First.Der], [Signer.Authority], ulong.MaxValue, TimeSpan.FromMinutes(5), out var bundle, out var problem), problem);
        using var document = JsonDocument.Parse(bundle.ToJson());
        Assert.Equal(["keys", "spiffe_sequence", "spiffe_refresh_hint"], document.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal(ulong.MaxValue, document.RootElement.GetProperty("spiffe_sequence").GetUInt64());
        Assert.Equal(300, document.RootElement.GetProperty("spiffe_refresh_hint").GetInt32());
        var keys = document.RootElement.GetProperty("keys").EnumerateArray().ToArray();
        Assert.All(keys, key => Assert.Equal("EC", key.GetProperty("kty").GetString()));
        Assert.Equal(["crv", "kty", "use", "x", "x5c", "y"], keys[0].EnumerateObject().Select(member => member.Name).Order());
        Assert.Equal(["crv", "kid", "kty", "use", "x", "y"], keys[1].EnumerateObject().Select(member => member.Name).Order());
    }

    [Theory]
    [InlineData("\"kty\":\"EC\"", "\"kty\":\"EC\"", true)]
    [InlineData("\"kty\":\"EC\"", "\"kty\":\"AKP\"", false)]
    [InlineData("\"kty\":\"EC\",", "", false)]
    [InlineData("-svid\"", "-svids\"", false)]
    [InlineData("\"use\":", "\"usage\":", false)]
    [Trait(Rule.Trait, "TDB-10")]
    public void A_bundle_without_usable_keys_makes_nothing_genuine(string usable, string spoilt, bool isUsable)
    {
        var bundle = Read(Encoding.UTF8.GetString(Bundle([First.Der], Signer.Authority).ToJson()).Replace(usable, spoilt, StringComparison.Ordinal));
        var chain = X509SvidVerifier.Verify([First.Sign(new LeafVector())], new(bundle), LeafVector.Now);
        if (isUsable)
        {
            Assert.IsType<X509SvidVerification.Verified>(chain);
            Assert.IsType<JwtSvidVerification.Verified>(Verify(bundle));
            bundle = Read("""{"keys":[]}""");
            chain = X509SvidVerifier.Verify([First.Sign(new LeafVector())], new(bundle), LeafVector.Now);
        }

        AssertRefused("has no X.509 authority", chain);
        AssertRefused("has no JWT key \"k1\"", Verify(bundle));
    }

    [Fact]
    [Trait(Rule.Trait, "TDB-03")]
    [Trait(Rule.Trait, "WLAPI-12")]
    public void The_trust_domain_of_the_SVID_chooses_the_bundle()
    {
        var leaf = First.Sign(new LeafVector());
        var other = TrustDomain.Parse("other");
        Assert.True(TrustBundle.TryCreate(other, [First.Der], [Signer.Authority], null, null, out var same, out var problem), problem);
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify([leaf], new TrustBundleSet(Bundle([First.Der]), same), LeafVector.Now));
        // The right keys under another name, or under the right name the wrong ones: neither is trusted.
        AssertRefused("no trust bundle for the trust domain td", X509SvidVerifier.Verify([leaf], new TrustBundleSet(same), LeafVector.Now));
        AssertRefused("a signature in the chain is wrong", X509SvidVerifier.Verify([leaf], new TrustBundleSet(Bundle([Second.Der]), same), LeafVector.Now));
        AssertRefused("no trust bundle for the trust domain td", Verify(same));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-27")]
    public void A_JWT_bundle_of_the_Workload_API_makes_no_X509_SVID_genuine()
    {
        Assert.True(TrustBundle.TryParseJwt(Domain, Bundle([First.Der], Signer.Authority).ToJson(), out var bundle, out var problem), problem);
        Assert.Empty(bundle.X509Authorities);
        Assert.IsType<JwtSvidVerification.Verified>(Verify(bundle));
        AssertRefused("has no X.509 authority", X509SvidVerifier.Verify([First.Sign(new LeafVector())], new TrustBundleSet(bundle), LeafVector.Now));
    }

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);

    private static void AssertRefused(string reason, JwtSvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);

    private static JwtSvidVerification Verify(TrustBundle bundle, Jws? signer = null)
    {
        var token = (signer ?? Signer).Sign("""{"alg":"ES256","kid":"k1"}""", """{"sub":"spiffe://td/x","aud":["a"],"exp":1772366700}""");
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
