using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Spire.Api.Types;

namespace Identity.Tests.Server.Bundles;

/// <summary>Bundles of other trust domains, as an operator would hand them in.</summary>
internal static class TestBundles
{
    public static Bundle Of(string trustDomain, ulong sequence = 1)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new Bundle
        {
            TrustDomain = trustDomain,
            SequenceNumber = sequence,
            RefreshHint = 300,
            X509Authorities = { new Spire.Api.Types.X509Certificate { Asn1 = ByteString.CopyFrom(Root(key)) } },
            JwtAuthorities = { new JWTKey { KeyId = "k1", PublicKey = ByteString.CopyFrom(key.ExportSubjectPublicKeyInfo()), ExpiresAt = 4_000_000_000 } },
        };
    }

    private static byte[] Root(ECDsa key)
    {
        var request = new CertificateRequest("CN=other", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var root = request.CreateSelfSigned(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2036, 1, 1, 0, 0, 0, TimeSpan.Zero));
        return root.RawData;
    }
}
