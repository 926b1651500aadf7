using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Benchmarks.Issuance;

/// <summary>How many X.509-SVIDs does one core mint, and what do they cost beyond the signature?</summary>
[MemoryDiagnoser]
public class MintX509Svid
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly byte[] _signature = new byte[72];
    private ECDsa _key = null!;
    private byte[] _signedPart = null!;
    private X509SvidIssuer _issuer = null!;
    private X509SvidRequest _request = null!;

    [GlobalSetup]
    public void MakeAuthority()
    {
        var domain = TrustDomain.Parse("example.org");
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var root = X509AuthorityFactory.CreateRoot(domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddDays(-1), Now.AddDays(30));
        _issuer = new X509SvidIssuer(X509AuthorityFactory.CreateIssuing(root, key, Now.AddDays(-1), Now.AddDays(1)), IssuanceProfile.Default);
        _request = new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/ns/default/sa/greeter"), LocalAuthorityKey.Generate(SigningAlgorithm.Es256).PublicKey);
        _signedPart = Prepare().SignedPart;
        _key = ECDsa.Create();
        _key.ImportPkcs8PrivateKey(key.ExportPkcs8(), out _);
    }

    /// <summary>The cheapest there is: what a certificate carries is a dozen bytes more, and the base library's own way to them is dearer.</summary>
    [Benchmark(Baseline = true, Description = "floor: raw P-256 signature, P1363")]
    public int RawSignature() => _key.SignData(_signedPart, _signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    [Benchmark(Description = "the base library's signature in DER")]
    public int SignatureInDer() => _key.SignData(_signedPart, _signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    [Benchmark(Description = "prepare, lint and issue")]
    public IssuedX509Svid Mint() => _issuer.Issue(Prepare());

    private X509SvidDraft Prepare() => ((X509SvidPreparation.Prepared)_issuer.Prepare(_request, Now)).Draft;
}
