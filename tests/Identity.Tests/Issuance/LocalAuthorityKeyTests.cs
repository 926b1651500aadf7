using System.Security.Cryptography;
using Identity.Issuance;
using Xunit;

namespace Identity.Tests.Issuance;

public class LocalAuthorityKeyTests
{
    public static TheoryData<string> Algorithms => ["ES256", "ES384", "RS256"];

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Is_the_same_key_after_export_and_import(string name)
    {
        using var key = LocalAuthorityKey.Generate(name switch { "ES384" => SigningAlgorithm.Es384, "RS256" => SigningAlgorithm.Rs256, _ => SigningAlgorithm.Es256 });
        Assert.True(LocalAuthorityKey.TryImportPkcs8(key.ExportPkcs8(), out var again, out _));
        using (again)
        {
            Assert.Equal(name, again.Algorithm.JwsName);
            Assert.Equal(key.PublicKey.SubjectPublicKeyInfo.ToArray(), again.PublicKey.SubjectPublicKeyInfo.ToArray());
            var signature = new byte[again.Algorithm.MaxSignatureLength];
            var length = again.Sign("data"u8, signature, SignatureEncoding.Jws);
            Assert.True(key.Algorithm.Verify(key.PublicKey, "data"u8, signature.AsSpan(0, length), SignatureEncoding.Jws));
            Assert.False(key.Algorithm.Verify(key.PublicKey, "date"u8, signature.AsSpan(0, length), SignatureEncoding.Jws));
        }
    }

    public static TheoryData<byte[], string> NotKeys => new()
    {
        { [], "PKCS#8" },
        { [1, 2, 3], "PKCS#8" },
        { [.. ECDsa.Create(ECCurve.NamedCurves.nistP256).ExportPkcs8PrivateKey(), 0], "PKCS#8" },
        { ECDsa.Create(ECCurve.NamedCurves.nistP256).ExportSubjectPublicKeyInfo(), "PKCS#8" },
        { ECDsa.Create(ECCurve.NamedCurves.nistP521).ExportPkcs8PrivateKey(), "EcP521" },
        { RSA.Create(1024).ExportPkcs8PrivateKey(), "2048 to 8192" },
    };

    [Theory]
    [MemberData(nameof(NotKeys), DisableDiscoveryEnumeration = true)]
    public void Refuses_what_an_authority_must_not_sign_with(byte[] pkcs8, string reason)
    {
        Assert.False(LocalAuthorityKey.TryImportPkcs8(pkcs8, out var key, out var problem));
        Assert.Null(key);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Signs_nothing_once_disposed()
    {
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Sign("data"u8, new byte[72], SignatureEncoding.X509));
    }
}
