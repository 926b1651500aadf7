using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>A root, and servers' certificates under it as PEM files.</summary>
internal sealed class TestX509 : IDisposable
{
    private readonly LocalAuthorityKey _rootKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
    private readonly LocalAuthorityKey _issuingKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);

    private TestX509(TrustDomain trustDomain, DateTimeOffset now)
    {
        var root = X509AuthorityFactory.CreateRoot(trustDomain, _rootKey, now.AddHours(-1), now.AddDays(2));
        Authority = X509AuthorityFactory.CreateIssuing(root, _issuingKey, now.AddHours(-1), now.AddDays(1));
        Issuer = new X509SvidIssuer(Authority, IssuanceProfile.Default);
        Root = X509CertificateLoader.LoadCertificate(Authority.Root.Span);
    }

    public X509Authority Authority { get; }

    public X509SvidIssuer Issuer { get; }

    public X509Certificate2 Root { get; }

    public static TestX509 Create(TrustDomain trustDomain, DateTimeOffset now) => new(trustDomain, now);

    /// <summary>Paths of a certificate chain and its key.</summary>
    public (string Certificate, string Key) WriteServer(string folder, SpiffeId id, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.True(SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem), problem);
        var request = new X509SvidRequest(id, publicKey) { DnsNames = ["localhost"], IpAddresses = [System.Net.IPAddress.Loopback] };
        var prepared = Assert.IsType<X509SvidPreparation.Prepared>(Issuer.Prepare(request, now));
        var svid = Issuer.Issue(prepared.Draft);
        var certificate = Path.Combine(folder, "server.pem");
        var keyFile = Path.Combine(folder, "server.key");
        File.WriteAllText(certificate, string.Concat(svid.Chain.Select(der => PemEncoding.WriteString("CERTIFICATE", der.Span) + "\n")));
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (certificate, keyFile);
    }

    public void Dispose()
    {
        Root.Dispose();
        _rootKey.Dispose();
        _issuingKey.Dispose();
    }
}
