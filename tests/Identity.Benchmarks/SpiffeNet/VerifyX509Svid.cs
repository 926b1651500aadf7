using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Benchmarks.SpiffeNet;

/// <summary>
/// What does verifying a chain of two (leaf and intermediate, the root in the bundle) cost beyond its raw P-256 signature verifications? Floors: both signatures with keys
/// that are imported already; and the same plus one key import, which the first sight of an intermediate cannot do without. The leaf's own key is never imported:
/// path validation needs none, and TLS imports it itself.
/// </summary>
[MemoryDiagnoser]
public class VerifyX509Svid
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");

    // More than a bundle remembers, so that each is new again when its turn comes.
    private const int Intermediates = 40;

    private readonly List<IReadOnlyList<ReadOnlyMemory<byte>>> _chains = [];
    private ReadOnlyMemory<byte> _root;
    private TrustBundleSet _bundles = null!;
    private byte[][] _keys = null!;
    private (ECDsa Key, byte[] Data, byte[] Signature)[] _signatures = null!;
    private int _turn;

    [GlobalSetup]
    public void MakeChain()
    {
        var rootKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var root = X509AuthorityFactory.CreateRoot(Domain, rootKey, Now.AddDays(-1), Now.AddDays(30));
        for (var i = 0; i < Intermediates; i++)
        {
            var authority = X509AuthorityFactory.CreateIssuing(root, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddDays(-1), Now.AddDays(1));
            var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
            var request = new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/ns/default/sa/greeter"), LocalAuthorityKey.Generate(SigningAlgorithm.Es256).PublicKey);
            _chains.Add(issuer.Issue(((X509SvidPreparation.Prepared)issuer.Prepare(request, Now)).Draft).Chain);
        }

        var issuingKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        _root = root.Root;
        _bundles = MakeBundles();
        _keys = [issuingKey.PublicKey.SubjectPublicKeyInfo.ToArray(), rootKey.PublicKey.SubjectPublicKeyInfo.ToArray()];
        _signatures = [MakeSignature(issuingKey), MakeSignature(rootKey)];
        if (Verify() is not X509SvidVerification.Verified) throw new InvalidOperationException("the chain does not verify");
    }

    [Benchmark(Baseline = true, Description = "floor: two raw verifications, keys imported")]
    public bool TwoVerifications() => VerifyRaw(0) & VerifyRaw(1);

    [Benchmark(Description = "floor: two raw verifications, one key import")]
    public bool TwoVerificationsAndAnImport() => Import(0) & VerifyRaw(1);

    [Benchmark(Description = "floor: two raw verifications, two key imports")]
    public bool TwoVerificationsAndTwoImports() => Import(0) & Import(1);

    [Benchmark(Description = "floor: one raw verification, key imported")]
    public bool OneVerification() => VerifyRaw(0);

    [Benchmark(Description = "verify a chain whose intermediate is known")]
    public X509SvidVerification Verify() => X509SvidVerifier.Verify(_chains[0], _bundles, Now);

    [Benchmark(Description = "verify a chain whose intermediate is new")]
    public X509SvidVerification VerifyWithNewIntermediate() => X509SvidVerifier.Verify(_chains[_turn++ % Intermediates], _bundles, Now);

    [Benchmark(Description = "read a new bundle")]
    public TrustBundleSet ReadBundle() => MakeBundles();

    [Benchmark(Description = "read a new bundle and verify its first chain")]
    public X509SvidVerification VerifyWithNewBundle() => X509SvidVerifier.Verify(_chains[0], MakeBundles(), Now);

    // What a workload does with every message of the Workload API that changes no authority.
    [Benchmark(Description = "read the same bundle again and verify a chain")]
    public X509SvidVerification VerifyWithBundleReadAgain() => X509SvidVerifier.Verify(_chains[0], ReadAgain(), Now);

    [Benchmark(Description = "X509Chain over the same bytes, for comparison")]
    public bool BaseLibrary()
    {
        using var chain = new X509Chain();
        using var leaf = X509CertificateLoader.LoadCertificate(_chains[0][0].Span);
        using var intermediate = X509CertificateLoader.LoadCertificate(_chains[0][1].Span);
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_bundles.Bundles.First().X509Authorities.ToArray());
        chain.ChainPolicy.ExtraStore.Add(intermediate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = Now.UtcDateTime;
        return chain.Build(leaf);
    }

    private bool Import(int index)
    {
        var (_, data, signature) = _signatures[index];
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(_keys[index], out _);
        return key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    private bool VerifyRaw(int index)
    {
        var (key, data, signature) = _signatures[index];
        return key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    private TrustBundleSet ReadAgain() =>
        TrustBundle.TryParseX509(Domain, _root, _bundles.Bundles.First(), out var bundle, out var problem) ? new TrustBundleSet(bundle) : throw new InvalidOperationException(problem);

    private TrustBundleSet MakeBundles() =>
        TrustBundle.TryCreate(Domain, [_root], [], null, null, out var bundle, out var problem) ? new TrustBundleSet(bundle) : throw new InvalidOperationException(problem);

    // As many bytes as a leaf's signed part has; what they say does not matter to the clock.
    private static (ECDsa Key, byte[] Data, byte[] Signature) MakeSignature(LocalAuthorityKey key)
    {
        var signer = ECDsa.Create();
        signer.ImportPkcs8PrivateKey(key.ExportPkcs8(), out _);
        var data = new byte[360];
        var verifier = ECDsa.Create();
        verifier.ImportSubjectPublicKeyInfo(signer.ExportSubjectPublicKeyInfo(), out _);
        return (verifier, data, signer.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
    }
}
