using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;

namespace Identity.Fuzzing;

/// <summary>A certificate signing request. Nothing is signed here: a request that is accepted carries its own proof.</summary>
internal static class CsrTarget
{
    public static bool Run(byte[] input)
    {
        if (!CertificateSigningRequest.TryParse(input, out var request, out var problem))
        {
            Invariant.Holds(problem is { Length: > 0 and <= 4096 }, "a refusal is bounded");
            return false;
        }

        var second = CertificateRequest.LoadSigningRequest(
            input, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions, RSASignaturePadding.Pkcs1);
        Invariant.Holds(second.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(request.PublicKey.SubjectPublicKeyInfo.Span), "the key is the one that the base library reads, with its proof");
        return true;
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        yield return ("plain", new CertificateRequest("", FuzzMaterial.LeafKey, HashAlgorithmName.SHA256).CreateSigningRequest());
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("spiffe://td/x"));
        names.AddDnsName("x.example");
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        var request = new CertificateRequest("O=x", FuzzMaterial.LeafKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        var signed = request.CreateSigningRequest();
        yield return ("names", signed);
        signed[^1] ^= 1;
        yield return ("wrong-proof", signed);
        using var rsa = RSA.Create(2048);
        yield return ("rsa", new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest());
    }
}
