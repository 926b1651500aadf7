using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Benchmarks.Issuance;

/// <summary>
/// What does an X.509-SVID cost whose key must first be proven? Two floors: a signature and a verification with a key that is ready, and the
/// same with the base library's import of a key that nobody has seen before.
/// </summary>
[MemoryDiagnoser]
public class MintX509SvidFromCsr
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly SpiffeId Id = SpiffeId.Parse("spiffe://example.org/ns/default/sa/greeter");

    private readonly byte[] _signature = new byte[72];
    private ECDsa _authorityKey = null!;
    private ECDsa _workloadKey = null!;
    private byte[] _publicKey = null!;
    private byte[] _data = null!;
    private byte[] _proof = null!;
    private byte[] _request = null!;
    private X509SvidIssuer _issuer = null!;

    [GlobalSetup]
    public void MakeAuthority()
    {
        var domain = TrustDomain.Parse("example.org");
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var root = X509AuthorityFactory.CreateRoot(domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddDays(-1), Now.AddDays(30));
        _issuer = new X509SvidIssuer(X509AuthorityFactory.CreateIssuing(root, key, Now.AddDays(-1), Now.AddDays(1)), IssuanceProfile.Default);
        _authorityKey = ECDsa.Create();
        _authorityKey.ImportPkcs8PrivateKey(key.ExportPkcs8(), out _);
        _workloadKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _publicKey = _workloadKey.ExportSubjectPublicKeyInfo();
        _data = new byte[360];
        _proof = _workloadKey.SignData(_data, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        _request = new CertificateRequest("", _workloadKey, HashAlgorithmName.SHA256).CreateSigningRequest();
    }

    [Benchmark(Baseline = true, Description = "floor: sign + verify, keys imported")]
    public bool Floor() => Sign() > 0 && _workloadKey.VerifyData(_data, _proof, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    [Benchmark(Description = "floor: sign + import + verify")]
    public bool FloorWithImport()
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(_publicKey, out _);
        return Sign() > 0 && key.VerifyData(_data, _proof, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    [Benchmark(Description = "CSR: check proof, prepare, lint, issue")]
    public IssuedX509Svid Mint()
    {
        if (!CertificateSigningRequest.TryParse(_request, out var request, out var problem)) throw new InvalidOperationException(problem);
        return _issuer.Issue(((X509SvidPreparation.Prepared)_issuer.Prepare(new X509SvidRequest(Id, request.PublicKey), Now)).Draft);
    }

    // The cheapest there is; see MintX509Svid.
    private int Sign() => _authorityKey.SignData(_data, _signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
}
