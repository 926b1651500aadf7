using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Fuzzing;

/// <summary>
/// A chain as a peer sends it. Random bytes never carry a right signature, so the target signs: the first byte of the input says what the rest is.
/// <c>l</c> the TBSCertificate of a leaf, <c>i</c> that of an issuing certificate above a good leaf, anything else a leaf as it is.
/// </summary>
internal static class CertificateTarget
{
    private static readonly byte[] LeafBelowIssuing = FuzzMaterial.SignCertificate(ToBeSigned(Leaf(new("CN=issuing"))), FuzzMaterial.IssuingKey);

    public static bool Run(byte[] input)
    {
        if (input.Length == 0) return false;
        var rest = input.AsSpan(1);
        byte[][] chain = input[0] switch
        {
            (byte)'l' => [FuzzMaterial.SignCertificate(rest, FuzzMaterial.RootKey)],
            (byte)'i' => [LeafBelowIssuing, FuzzMaterial.SignCertificate(rest, FuzzMaterial.RootKey)],
            _ => [rest.ToArray()],
        };
        if (X509SvidVerifier.Verify([.. chain.Select(der => (ReadOnlyMemory<byte>)der)], FuzzMaterial.Bundles, FuzzMaterial.Now) is not X509SvidVerification.Verified verified)
            return false;

        using var leaf = X509CertificateLoader.LoadCertificate(chain[0]);
        CheckLeaf(leaf, verified.Id);
        if (chain.Length == 1) return true;
        using var issuing = X509CertificateLoader.LoadCertificate(chain[1]);
        CheckIssuing(issuing);
        return true;
    }

    /// <summary>X509-SVID §§2-4, read with the base library.</summary>
    private static void CheckLeaf(X509Certificate2 leaf, SpiffeId id)
    {
        CheckDates(leaf);
        var uris = UriNames(leaf);
        Invariant.Holds(uris is [var uri] && uri == id.ToString() && SpiffeIdTarget.IsSpiffeId(uri), "a leaf has one URI name and it is the ID");
        Invariant.Holds(id.HasPath && id.TrustDomain == FuzzMaterial.Domain, "the ID has a path and is of the bundle's trust domain");
        Invariant.Holds(leaf.Extensions.OfType<X509BasicConstraintsExtension>().All(constraints => !constraints.CertificateAuthority), "a leaf is no authority");
        Invariant.Holds(leaf.Extensions.OfType<X509KeyUsageExtension>().ToArray() is [var usage] && usage.Critical
            && usage.KeyUsages.HasFlag(X509KeyUsageFlags.DigitalSignature)
            && (usage.KeyUsages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) == 0, "a leaf has a critical key usage and signs only for itself");
        var purposes = leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(extension => extension.EnhancedKeyUsages.Cast<Oid>()).Select(oid => oid.Value).ToArray();
        Invariant.Holds(purposes.Length == 0 || (purposes.Contains("1.3.6.1.5.5.7.3.1") && purposes.Contains("1.3.6.1.5.5.7.3.2")), "a leaf is good for both purposes or names none");
    }

    private static void CheckIssuing(X509Certificate2 issuing)
    {
        CheckDates(issuing);
        Invariant.Holds(issuing.Extensions.OfType<X509BasicConstraintsExtension>().ToArray() is [{ CertificateAuthority: true }], "what signs is an authority");
        Invariant.Holds(issuing.Extensions.OfType<X509KeyUsageExtension>().ToArray() is [var usage] && usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign), "what signs may sign");
    }

    private static void CheckDates(X509Certificate2 certificate) => Invariant.Holds(
        certificate.NotBefore.ToUniversalTime() <= FuzzMaterial.Now.UtcDateTime && FuzzMaterial.Now.UtcDateTime <= certificate.NotAfter.ToUniversalTime(), "what is accepted is valid now");

    private static List<string> UriNames(X509Certificate2 certificate)
    {
        var extensions = certificate.Extensions.Where(extension => extension.Oid?.Value == "2.5.29.17").ToArray();
        Invariant.Holds(extensions.Length == 1, "there is one extension with names");
        var names = new AsnReader(extensions[0].RawData, AsnEncodingRules.DER).ReadSequence();
        var uris = new List<string>();
        while (names.HasData)
        {
            var tag = names.PeekTag();
            if (tag.HasSameClassAndValue(new Asn1Tag(TagClass.ContextSpecific, 6))) uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, tag));
            else names.ReadEncodedValue();
        }

        return uris;
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        var root = FuzzMaterial.RootName;
        yield return ("leaf", [(byte)'l', .. ToBeSigned(Leaf(root))]);
        yield return ("leaf-with-subject", [(byte)'l', .. ToBeSigned(Leaf(root, subject: "CN=x,O=y"))]);
        yield return ("leaf-with-more-names", [(byte)'l', .. ToBeSigned(Leaf(root, names: [(6, "spiffe://td/x"), (2, "x.example")]))]);
        yield return ("leaf-with-two-ids", [(byte)'l', .. ToBeSigned(Leaf(root, names: [(6, "spiffe://td/x"), (6, "spiffe://td/y")]))]);
        yield return ("leaf-that-signs", [(byte)'l', .. ToBeSigned(Leaf(root, usage: X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign))]);
        yield return ("leaf-that-expired", [(byte)'l', .. ToBeSigned(Leaf(root, notAfter: FuzzMaterial.Now.AddSeconds(-1)))]);
        yield return ("issuing", [(byte)'i', .. ToBeSigned(Issuing(null))]);
        yield return ("issuing-with-path-length", [(byte)'i', .. ToBeSigned(Issuing(0))]);
        yield return ("issuing-with-constraints", [(byte)'i', .. ToBeSigned(Issuing(1, permitted: "td"))]);
        yield return ("signed", [(byte)'r', .. FuzzMaterial.SignCertificate(ToBeSigned(Leaf(root)), FuzzMaterial.RootKey)]);
    }

    private static byte[] Leaf(
        X500DistinguishedName issuer, string? subject = null, (int Tag, string Name)[]? names = null, X509KeyUsageFlags usage = X509KeyUsageFlags.DigitalSignature, DateTimeOffset? notAfter = null)
    {
        var request = new CertificateRequest(subject is null ? new X500DistinguishedName([0x30, 0x00]) : new(subject), FuzzMaterial.LeafKey, HashAlgorithmName.SHA256);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var (tag, name) in names ?? [(6, "spiffe://td/x")]) writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, tag));
        }

        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        request.CertificateExtensions.Add(new X509Extension("2.5.29.17", writer.Encode(), subject is null));
        return Sign(request, issuer, notAfter);
    }

    private static byte[] Issuing(int? pathLength, string? permitted = null)
    {
        var request = new CertificateRequest("CN=issuing", FuzzMaterial.IssuingKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, pathLength is not null, pathLength ?? 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        if (permitted is not null)
        {
            var writer = new AsnWriter(AsnEncodingRules.DER);
            using (writer.PushSequence())
            using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
            using (writer.PushSequence())
            {
                writer.WriteCharacterString(UniversalTagNumber.IA5String, permitted, new Asn1Tag(TagClass.ContextSpecific, 6));
            }

            request.CertificateExtensions.Add(new X509Extension("2.5.29.30", writer.Encode(), true));
        }

        return Sign(request, FuzzMaterial.RootName, null);
    }

    private static byte[] Sign(CertificateRequest request, X500DistinguishedName issuer, DateTimeOffset? notAfter)
    {
        using var certificate = request.Create(
            issuer, X509SignatureGenerator.CreateForECDsa(FuzzMaterial.RootKey), FuzzMaterial.Now.AddHours(-1), notAfter ?? FuzzMaterial.Now.AddHours(1), [0x40, 0x01]);
        return certificate.RawData;
    }

    private static byte[] ToBeSigned(byte[] certificate) => new AsnReader(certificate, AsnEncodingRules.DER).ReadSequence().ReadEncodedValue().ToArray();
}
