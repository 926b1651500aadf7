using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Spiffe.Net;

namespace Identity.Fuzzing;

/// <summary>Keys and a root that are the same in every run, so that an input found today still means the same tomorrow. They protect nothing.</summary>
internal static class FuzzMaterial
{
    public const string KeyId = "k1";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly TrustDomain Domain = TrustDomain.Parse("td");

    public static readonly ECDsa RootKey = Key("root");
    public static readonly ECDsa IssuingKey = Key("issuing");
    public static readonly ECDsa LeafKey = Key("leaf");
    public static readonly ECDsa TokenKey = Key("token");

    public static readonly X500DistinguishedName RootName = new("CN=root");

    public static readonly TrustBundleSet Bundles = new(Bundle());

    private static TrustBundle Bundle()
    {
        var request = new CertificateRequest(RootName, RootKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        using var root = request.Create(RootName, X509SignatureGenerator.CreateForECDsa(RootKey), Now.AddYears(-1), Now.AddYears(1), [0x01]);
        Invariant.Holds(JwtAuthority.TryCreate(KeyId, TokenKey.ExportSubjectPublicKeyInfo(), out var authority, out var problem), problem ?? "");
        Invariant.Holds(TrustBundle.TryCreate(Domain, [root.RawData], [authority], null, null, out var bundle, out problem), problem ?? "");
        return bundle;
    }

    /// <summary>RFC 5280 §4.1: a certificate around a TBSCertificate that is used as it is, well-formed or not.</summary>
    public static byte[] SignCertificate(ReadOnlySpan<byte> toBeSigned, ECDsa key)
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        var signature = key.SignData(toBeSigned, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var rest = new AsnWriter(AsnEncodingRules.DER);
        using (rest.PushSequence()) rest.WriteObjectIdentifier("1.2.840.10045.4.3.2");
        rest.WriteBitString(signature);
        // Not through the writer: it would refuse a TBSCertificate that is not well-formed.
        byte[] content = [.. toBeSigned, .. rest.Encode()];
        writer.WriteOctetString(content);
        var certificate = writer.Encode();
        certificate[0] = 0x30;
        return certificate;
    }

    private static ECDsa Key(string name) => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        D = SHA256.HashData(Encoding.UTF8.GetBytes($"identity fuzzing {name}")),
    });
}
