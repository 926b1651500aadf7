using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Xunit;

namespace Identity.Tests.Issuance;

public class CertificateSigningRequestTests
{
    private const string Greeter = "spiffe://example.org/ns/default/sa/greeter";

    // 30 0B 31 09 30 07 06 03 55 04 0A 0C 00: one O attribute holding an empty UTF8String, as Envoy agents send it.
    private static readonly byte[] EmptyOrganization = Convert.FromHexString("300B3109300706035504 0A0C00".Replace(" ", "", StringComparison.Ordinal));

    public static TheoryData<string> Keys => ["P-256", "P-384", "RSA-2048", "RSA-3072"];

    [Theory]
    [MemberData(nameof(Keys))]
    public void Accepts_a_request_signed_by_its_own_key(string key)
    {
        var request = Parse(Create(key));
        Assert.Equal([Greeter], request.UriNames);
        Assert.Equal(["greeter.example"], request.DnsNames);
    }

    [Theory]
    [InlineData("SHA384")]
    [InlineData("SHA512")]
    public void Accepts_a_P256_request_with_a_longer_hash(string hash)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("", key, new HashAlgorithmName(hash)).CreateSigningRequest();
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), Parse(request).PublicKey.SubjectPublicKeyInfo.ToArray());
        request[^1] ^= 0x01;
        AssertRefused("not signed by the key", request);
    }

    [Fact]
    public void Accepts_ztunnels_empty_subject_and_Envoys_empty_organization()
    {
        Assert.Equal([Greeter], Parse(Create("P-256", subject: [0x30, 0x00])).UriNames);
        Assert.Equal([Greeter], Parse(Create("RSA-2048", subject: EmptyOrganization)).UriNames);
    }

    [Fact]
    public void Accepts_a_request_without_names()
    {
        var request = Parse(Create("P-256", uri: null));
        Assert.Empty(request.UriNames);
        Assert.Empty(request.DnsNames);
    }

    [Theory]
    [InlineData("P-521", "P-521")]
    [InlineData("RSA-1024", "2048 to 8192")]
    [InlineData("secp256k1", "P-256, P-384")]
    public void Refuses_other_keys(string key, string reason) => AssertRefused(reason, Create(key));

    [Fact]
    public void Refuses_a_request_with_one_changed_byte_wherever_it_is()
    {
        var genuine = Create("P-256");
        for (var position = 0; position < genuine.Length; position++)
        {
            var changed = (byte[])genuine.Clone();
            changed[position] ^= 0x01;
            Assert.False(CertificateSigningRequest.TryParse(changed, out _, out _), $"byte {position}");
        }
    }

    [Fact]
    public void Refuses_the_signature_of_another_key()
    {
        var mine = Create("P-256");
        var theirs = Create("P-256");
        var offset = mine.AsSpan().IndexOf(KeyOf(mine).Span);
        KeyOf(theirs).Span.CopyTo(mine.AsSpan(offset));
        AssertRefused("not signed by the key", mine);
    }

    [Fact]
    public void Refuses_a_point_that_is_not_on_its_curve()
    {
        var request = Create("P-256");
        var offset = request.AsSpan().IndexOf(KeyOf(request).Span);
        request[offset + KeyOf(request).Length - 1] ^= 0x01;
        AssertRefused("do not form a key", request);
    }

    [Fact]
    public void Refuses_a_signature_with_SHA1()
    {
        // sha256WithRSAEncryption and sha1WithRSAEncryption differ in the last byte of their OID.
        var request = Create("RSA-2048");
        var oid = Convert.FromHexString("2A864886F70D01010B");
        request[request.AsSpan().LastIndexOf(oid) + oid.Length - 1] = 0x05;
        AssertRefused("SHA-2", request);
    }

    [Theory]
    [InlineData("1.3.132.0.33", "P-256, P-384")] // P-224
    [InlineData("1.2.840.10045.3.1.1", "P-256, P-384")] // P-192
    [InlineData("1.3.36.3.3.2.8.1.1.7", "P-256, P-384")] // brainpoolP256r1
    public void Refuses_other_curves(string curve, string reason) =>
        AssertRefused(reason, Assemble(KeyInfo("1.2.840.10045.2.1", writer => writer.WriteObjectIdentifier(curve), [4, .. new byte[64]])));

    [Fact]
    public void Refuses_a_curve_written_out_in_numbers()
    {
        // RFC 5480 §2.1.1: ECParameters is a named curve and nothing else (CVE-2020-0601).
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var inNumbers = ECDsa.Create(key.ExportExplicitParameters(includePrivateParameters: true));
        AssertRefused("P-256, P-384", Assemble(inNumbers.ExportSubjectPublicKeyInfo()));
    }

    [Fact]
    public void Refuses_a_curve_left_to_the_reader() =>
        AssertRefused("P-256, P-384", Assemble(KeyInfo("1.2.840.10045.2.1", writer => writer.WriteNull(), [4, .. new byte[64]])));

    [Fact]
    public void Refuses_a_compressed_point()
    {
        var point = new byte[33];
        point[0] = 0x02;
        AssertRefused("uncompressed", Assemble(KeyInfo("1.2.840.10045.2.1", writer => writer.WriteObjectIdentifier("1.2.840.10045.3.1.7"), point)));
    }

    [Theory]
    [InlineData("1.3.101.112")] // Ed25519
    [InlineData("1.3.101.113")] // Ed448
    [InlineData("1.2.840.10040.4.1")] // DSA
    [InlineData("1.2.840.113549.1.1.10")] // RSASSA-PSS as a key
    [InlineData("1.2.840.10046.2.1")] // X9.42 Diffie-Hellman
    [InlineData("2.16.840.1.101.3.4.3.17")] // ML-DSA-44
    public void Refuses_other_algorithms_of_keys(string oid) => AssertRefused("is not supported", Assemble(KeyInfo(oid, _ => { }, new byte[32])));

    [Theory]
    [InlineData(2048, 1)]
    [InlineData(2048, 3)]
    [InlineData(2048, 17)]
    [InlineData(2048, 65536)]
    [InlineData(2047, 65537)]
    [InlineData(512, 65537)]
    [InlineData(8200, 65537)]
    [InlineData(16384, 65537)]
    public void Refuses_an_RSA_key_that_is_weak_or_dear(int bits, int exponent)
    {
        // SP 800-89 §5.3.3 wants an odd exponent above 2^16. A modulus of 16,384 bits makes each verification sixty times as long.
        var modulus = new byte[(bits + 7) / 8];
        Array.Fill(modulus, (byte)0xFF);
        modulus[0] = (byte)(0xFF >> ((8 - (bits % 8)) % 8));
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteIntegerUnsigned(modulus);
            writer.WriteInteger(exponent);
        }

        AssertRefused("2048 to 8192 bits", Assemble(KeyInfo("1.2.840.113549.1.1.1", parameters => parameters.WriteNull(), writer.Encode()), "1.2.840.113549.1.1.11"));
    }

    [Fact]
    public void Refuses_lengths_that_are_longer_than_they_need_be()
    {
        var genuine = Create("P-256", uri: null);
        Assert.Equal(0x81, genuine[1]);
        AssertRefused("well-formed", [0x30, 0x82, 0x00, genuine[2], .. genuine[3..]]);
        AssertRefused("well-formed", [0x30, 0x80, .. genuine[3..], 0x00, 0x00]);
    }

    [Fact]
    public void Refuses_a_flood_of_attributes_before_it_looks_at_the_signature() =>
        AssertRefused("well-formed", Assemble(AnyKey(), attributes: writer =>
        {
            for (var i = 0; i < 17; i++) WriteAttribute(writer, "1.2.840.113549.1.9.7", value => value.WriteNull());
        }));

    [Fact]
    public void Refuses_a_flood_of_extensions_before_it_looks_at_the_signature() =>
        AssertRefused("well-formed", Assemble(AnyKey(), attributes: writer => WriteAttribute(writer, "1.2.840.113549.1.9.14", value =>
        {
            using (value.PushSequence())
            {
                for (var i = 0; i < 33; i++) WriteExtension(value, $"1.2.3.{i}", [0x05, 0x00]);
            }
        })));

    [Fact]
    public void Refuses_two_alternative_name_extensions() =>
        AssertRefused("well-formed", Assemble(AnyKey(), attributes: writer => WriteAttribute(writer, "1.2.840.113549.1.9.14", value =>
        {
            using (value.PushSequence())
            {
                WriteExtension(value, "2.5.29.17", [0x30, 0x03, 0x82, 0x01, 0x61]);
                WriteExtension(value, "2.5.29.17", [0x30, 0x03, 0x82, 0x01, 0x61]);
            }
        })));

    [Fact]
    public void Refuses_an_alternative_name_extension_without_a_name() =>
        AssertRefused("without a name", Assemble(AnyKey(), attributes: writer => WriteAttribute(writer, "1.2.840.113549.1.9.14", value =>
        {
            using (value.PushSequence()) WriteExtension(value, "2.5.29.17", [0x30, 0x00]);
        })));

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void Refuses_another_version(int version) => AssertRefused("version 1", Assemble(AnyKey(), version: version));

    [Fact]
    public void Refuses_the_signature_algorithm_of_another_kind_of_key() =>
        AssertRefused("does not fit its key", Assemble(AnyKey(), "1.2.840.113549.1.1.11"));

    [Fact]
    public void Refuses_parameters_of_an_algorithm_that_has_none() =>
        AssertRefused("well-formed", Assemble(AnyKey(), parameters: writer => writer.WriteNull()));

    [Fact]
    public void Does_not_read_the_key_again_from_the_callers_buffer()
    {
        var der = Create("P-256");
        var request = Parse(der);
        var before = request.PublicKey.SubjectPublicKeyInfo.ToArray();
        Array.Clear(der);
        Assert.Equal(before, request.PublicKey.SubjectPublicKeyInfo.ToArray());
    }

    [Theory]
    [InlineData("3003010101")] // a subject of a boolean that is neither 00 nor FF
    [InlineData("30020C05")] // a length that leads beyond the subject
    public void Refuses_what_is_not_DER_where_nobody_reads(string subject) => AssertRefused("well-formed", Create("P-256", subject: Convert.FromHexString(subject)));

    [Fact]
    public void Refuses_bytes_after_the_end() => AssertRefused("well-formed", [.. Create("P-256"), 0x00]);

    [Fact]
    public void Refuses_a_request_beyond_its_bound() => AssertRefused("expected 1 to 16384", new byte[16385]);

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("3000")]
    [InlineData("3080")]
    [InlineData("05 00")]
    public void Refuses_what_is_no_request(string hex) =>
        Assert.False(CertificateSigningRequest.TryParse(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), out _, out _));

    [Fact]
    public void Refuses_a_certificate_in_place_of_a_request() =>
        Assert.False(CertificateSigningRequest.TryParse(TestAuthority.CreateRoot().Root, out _, out _));

    private static CertificateSigningRequest Parse(byte[] der) =>
        CertificateSigningRequest.TryParse(der, out var request, out var problem) ? request : throw new FormatException(problem);

    private static ReadOnlyMemory<byte> KeyOf(byte[] request) => Parse(request).PublicKey.SubjectPublicKeyInfo;

    private static void AssertRefused(string reason, byte[] der)
    {
        Assert.False(CertificateSigningRequest.TryParse(der, out var request, out var problem));
        Assert.Null(request);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    private static byte[] AnyKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportSubjectPublicKeyInfo();
    }

    private static byte[] KeyInfo(string oid, Action<AsnWriter> parameters, byte[] bits)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(oid);
                parameters(writer);
            }

            writer.WriteBitString(bits);
        }

        return writer.Encode();
    }

    /// <summary>A request whose signature is no signature: what it shows is refused before, or the reason is not the one expected.</summary>
    private static byte[] Assemble(
        byte[] keyInfo, string algorithm = "1.2.840.10045.4.3.2", int version = 0, Action<AsnWriter>? attributes = null, Action<AsnWriter>? parameters = null)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteInteger(version);
                using (writer.PushSequence())
                {
                }

                writer.WriteEncodedValue(keyInfo);
                using (writer.PushSetOf(new Asn1Tag(TagClass.ContextSpecific, 0))) attributes?.Invoke(writer);
            }

            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(algorithm);
                parameters?.Invoke(writer);
            }

            writer.WriteBitString(new byte[64]);
        }

        return writer.Encode();
    }

    private static void WriteAttribute(AsnWriter writer, string oid, Action<AsnWriter> value)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            using (writer.PushSetOf()) value(writer);
        }
    }

    private static void WriteExtension(AsnWriter writer, string oid, byte[] value)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            writer.WriteOctetString(value);
        }
    }

    private static byte[] Create(string key, byte[]? subject = null, string? uri = Greeter)
    {
        var name = new X500DistinguishedName(subject ?? new X500DistinguishedName("CN=ignored").RawData);
        CertificateRequest request = key switch
        {
            "P-256" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256),
            "P-384" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP384), HashAlgorithmName.SHA384),
            "P-521" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP521), HashAlgorithmName.SHA512),
            "secp256k1" => new(name, ECDsa.Create(ECCurve.CreateFromFriendlyName("secp256k1")), HashAlgorithmName.SHA256),
            _ => new(name, RSA.Create(int.Parse(key.AsSpan(4), System.Globalization.CultureInfo.InvariantCulture)), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        };
        if (uri is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new Uri(uri));
            names.AddDnsName("greeter.example");
            request.CertificateExtensions.Add(names.Build(critical: true));
        }

        return request.CreateSigningRequest();
    }
}
