using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class X509SvidTests
{
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly ForgedCertificate Issuing = Root.Issue(CertificateRecipe.Authority("issuing"));

    [Fact]
    public void Joins_a_chain_and_its_key()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        Assert.True(X509Svid.TryParse((byte[])[.. leaf.Der, .. Issuing.Der], leaf.PrivateKey, "internal", out var svid, out _));
        using (svid)
        {
            Assert.Equal("spiffe://example.org/hosts/local", svid.Id.ToString());
            Assert.Equal("internal", svid.Hint);
            Assert.True(svid.Leaf.HasPrivateKey);
            Assert.Equal(Issuing.Der, svid.Intermediates.Single().RawData);
            Assert.Equal([.. leaf.Der, .. Issuing.Der], svid.ToChainDer());
            Assert.Equal(CertificateRecipe.Now.AddHours(1), svid.NotAfter);
            using var again = ECDsa.Create();
            again.ImportPkcs8PrivateKey(svid.ExportPkcs8PrivateKey(), out _);
            Assert.Equal(svid.Leaf.PublicKey.ExportSubjectPublicKeyInfo(), again.ExportSubjectPublicKeyInfo());
        }
    }

    [Fact]
    public void Joins_an_RSA_key_too()
    {
        var leaf = Issuing.Issue(new CertificateRecipe { Key = RSA.Create(2048) });
        Assert.True(X509Svid.TryCreate([leaf.Der], leaf.PrivateKey, "", out var svid, out _));
        using (svid) Assert.NotNull(svid.Leaf.GetRSAPrivateKey());
    }

    [Fact]
    public void Refuses_the_key_of_another_certificate()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        AssertRefused("does not belong", [leaf.Der], Issuing.Issue(new CertificateRecipe()).PrivateKey);
        AssertRefused("does not belong", [leaf.Der], RSA.Create(2048).ExportPkcs8PrivateKey());
    }

    [Fact]
    public void Refuses_a_key_that_is_not_PKCS8() => AssertRefused("PKCS#8", [Issuing.Issue(new CertificateRecipe()).Der], [1, 2, 3]);

    [Fact]
    public void Refuses_a_leaf_that_no_peer_would_accept()
    {
        var leaf = Issuing.Issue(new CertificateRecipe { IsAuthority = true });
        AssertRefused("cA=true", [leaf.Der], leaf.PrivateKey);
    }

    [Fact]
    public void Refuses_no_certificate_and_too_many()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        AssertRefused("0 certificates", [], leaf.PrivateKey);
        AssertRefused("9 certificates", [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(leaf.Der, 9)], leaf.PrivateKey);
    }

    [Fact]
    public void Refuses_a_chain_with_something_else_at_its_end()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        Assert.False(X509Svid.TryParse((byte[])[.. leaf.Der, 0x30], leaf.PrivateKey, "", out _, out var problem));
        Assert.Contains("certificate 2 is not DER", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_key_with_bytes_after_its_end()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        AssertRefused("PKCS#8", [leaf.Der], [.. leaf.PrivateKey, 0x00]);
        var rsa = Issuing.Issue(new CertificateRecipe { Key = RSA.Create(2048) });
        AssertRefused("PKCS#8", [rsa.Der], [.. rsa.PrivateKey, 0x00]);
    }

    [Fact]
    public void Refuses_a_chain_that_is_not_in_order()
    {
        var second = Issuing.Issue(CertificateRecipe.Authority("second"));
        var leaf = second.Issue(new CertificateRecipe());
        Assert.True(X509Svid.TryCreate([leaf.Der, second.Der, Issuing.Der, Root.Der], leaf.PrivateKey, "", out var svid, out _));
        svid.Dispose();
        AssertRefused("certificate 2 of the SVID did not sign", [leaf.Der, Issuing.Der, second.Der], leaf.PrivateKey);
        AssertRefused("certificate 2 of the SVID did not sign", [leaf.Der, Root.Der], leaf.PrivateKey);
        AssertRefused("certificate 3 of the SVID did not sign", [leaf.Der, second.Der, second.Der], leaf.PrivateKey);
        AssertRefused("cA=true", [second.Der, Issuing.Der], second.PrivateKey);
    }

    [Fact]
    public void Refuses_an_intermediate_that_only_has_the_name_of_the_issuer()
    {
        var impostor = Root.Issue(CertificateRecipe.Authority("issuing"));
        var leaf = Issuing.Issue(new CertificateRecipe());
        AssertRefused("did not sign the one before it", [leaf.Der, impostor.Der], leaf.PrivateKey);
    }

    [Fact]
    public void Refuses_an_intermediate_that_may_not_sign()
    {
        var weak = Root.Issue(CertificateRecipe.Authority("weak") with { KeyUsage = CertificateRecipe.CrlSign });
        var leaf = weak.Issue(new CertificateRecipe());
        AssertRefused("certificate 2 of the SVID: the signing certificate does not have the key usage keyCertSign", [leaf.Der, weak.Der], leaf.PrivateKey);
    }

    private static void AssertRefused(string reason, IReadOnlyList<ReadOnlyMemory<byte>> chain, byte[] key)
    {
        Assert.False(X509Svid.TryCreate(chain, key, "", out var svid, out var problem));
        Assert.Null(svid);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }
}
