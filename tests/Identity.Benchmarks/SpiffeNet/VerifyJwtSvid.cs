using System.Security.Cryptography;
using System.Text;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Benchmarks.SpiffeNet;

/// <summary>How many JWT-SVIDs does one core verify, and what does it cost beyond the signature?</summary>
[MemoryDiagnoser]
public class VerifyJwtSvid
{
    private const string Audience = "spiffe://example.org/nats";

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private ECDsa _key = null!;
    private byte[] _signedPart = null!;
    private byte[] _signature = null!;
    private string _token = null!;
    private TrustBundleSet _bundles = null!;

    [GlobalSetup]
    public void Sign()
    {
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var trustDomain = TrustDomain.Parse("example.org");
        if (!JwtSigningAuthority.TryCreate(trustDomain, key, Now.AddDays(-1), Now.AddDays(1), out var authority, out var problem)
            || !TrustBundle.TryCreate(trustDomain, [], [authority.Public], null, null, out var bundle, out problem))
            throw new InvalidOperationException(problem);
        _bundles = new TrustBundleSet(bundle);
        var issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        var request = new JwtSvidRequest(SpiffeId.Parse("spiffe://example.org/components/greeter"), [Audience]);
        _token = issuer.Issue(((JwtSvidPreparation.Prepared)issuer.Prepare(request, Now)).Draft).Token;
        var end = _token.LastIndexOf('.');
        _signedPart = Encoding.ASCII.GetBytes(_token[..end]);
        _signature = System.Buffers.Text.Base64Url.DecodeFromChars(_token.AsSpan(end + 1));
        _key = ECDsa.Create();
        _key.ImportSubjectPublicKeyInfo(key.PublicKey.SubjectPublicKeyInfo.Span, out _);
        if (Verify() is not JwtSvidVerification.Verified) throw new InvalidOperationException("the token is not accepted");
    }

    [Benchmark(Baseline = true, Description = "floor: raw P-256 verification")]
    public bool RawVerification() => _key.VerifyData(_signedPart, _signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    [Benchmark(Description = "parse, check and verify")]
    public JwtSvidVerification Verify() => JwtSvidVerifier.Verify(_token, Audience, _bundles, Now);
}
