using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Benchmarks.Issuance;

/// <summary>How many JWT-SVIDs does one core mint, and what do they cost beyond the signature?</summary>
[MemoryDiagnoser]
public class MintJwtSvid
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly byte[] _signature = new byte[72];
    private ECDsa _key = null!;
    private byte[] _signedPart = null!;
    private JwtSvidIssuer _issuer = null!;
    private JwtSvidRequest _request = null!;

    [GlobalSetup]
    public void MakeAuthority()
    {
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        if (!JwtSigningAuthority.TryCreate(TrustDomain.Parse("example.org"), key, Now.AddDays(-1), Now.AddDays(1), out var authority, out var problem))
            throw new InvalidOperationException(problem);
        _issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        _request = new JwtSvidRequest(SpiffeId.Parse("spiffe://example.org/components/greeter"), ["spiffe://example.org/nats"]);
        _signedPart = Prepare().SignedPart;
        _key = ECDsa.Create();
        _key.ImportPkcs8PrivateKey(key.ExportPkcs8(), out _);
    }

    [Benchmark(Baseline = true, Description = "floor: raw P-256 signature")]
    public int RawSignature() => _key.SignData(_signedPart, _signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    [Benchmark(Description = "prepare, lint and issue")]
    public IssuedJwtSvid Mint() => _issuer.Issue(Prepare());

    private JwtSvidDraft Prepare() => ((JwtSvidPreparation.Prepared)_issuer.Prepare(_request, Now)).Draft;
}
