using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;

namespace Identity.Tests.SpiffeNet;

/// <summary>WIT-SVIDs of whatever header and claims, signed by one key and bound to another.</summary>
internal sealed class WitForge
{
    public const string GoodHeader = """{"alg":"ES256","kid":"w1","typ":"wit+jwt"}""";

    public static readonly DateTimeOffset Now = JwtForge.Now;

    private readonly JwtForge _forge;

    public WitForge(AsymmetricAlgorithm? key = null)
    {
        key ??= ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _forge = new JwtForge(key, "w1");
        Authority = WitAuthority.TryCreate("w1", _forge.Authority.SubjectPublicKeyInfo, out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);
    }

    public WitAuthority Authority { get; }

    /// <summary>The workload's key.</summary>
    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Jwk => Encoding.UTF8.GetString(KeyOf(Key).ToJwk());

    public static ProofKey KeyOf(AsymmetricAlgorithm key, string? algorithm = null) =>
        SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem)
        && ProofKey.TryCreate(publicKey, algorithm, out var proofKey, out problem)
            ? proofKey
            : throw new InvalidOperationException(problem);

    public string Claims(string? sub = "\"spiffe://example.org/hosts/local\"", string? cnf = null, string? exp = null, string? more = null)
    {
        exp ??= JwtForge.Seconds(Now.AddHours(1));
        cnf ??= $$"""{"jwk":{{Jwk}}}""";
        var members = new[] { ("sub", sub), ("cnf", cnf), ("exp", exp) }.Where(m => m.Item2 is not (null or "")).Select(m => $"\"{m.Item1}\":{m.Item2}");
        return "{" + string.Join(',', more is null ? members : members.Append(more)) + "}";
    }

    public string Sign(string? header = null, string? claims = null) => _forge.Sign(header ?? GoodHeader, claims ?? Claims());

    public TrustBundleSet Bundles(string trustDomain = "example.org") =>
        TrustBundle.TryCreate(TrustDomain.Parse(trustDomain), [], [], [Authority], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);
}
