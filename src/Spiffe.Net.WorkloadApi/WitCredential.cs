using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// A WIT-SVID of our own with the key it is bound to (SPIFFE Workload API §7.2.1). The token is worthless without proofs that the key makes.
/// Dispose it to let go of the key.
/// </summary>
[Experimental(Incubating.Wit)]
public sealed class WitCredential : IDisposable
{
    private readonly UnverifiedWitSvid _svid;
    private readonly AsymmetricAlgorithm _key;

    internal WitCredential(UnverifiedWitSvid svid, AsymmetricAlgorithm key, string hint)
    {
        Hint = hint;
        _svid = svid;
        _key = key;
    }

    /// <summary>The compact form. Goes into the HTTP field <c>Workload-Identity-Token</c>, never into <c>Authorization</c>.</summary>
    public string Token => _svid.Token;

    /// <summary>Which identity of this process it speaks for, in the endpoint's words and the token's, which agree. Nobody has verified it: it is our own.</summary>
    public SpiffeId Id => _svid.Id;

    /// <summary>The public half of the key, as the token names it (WIT-SVID §3.2).</summary>
    public ProofKey ProofKey => _svid.ProofKey;

    /// <summary>From this moment on nobody accepts it.</summary>
    public DateTimeOffset ExpiresAt => _svid.ExpiresAt;

    /// <summary>What the operator calls this identity; empty when there is only one.</summary>
    public string Hint { get; }

    /// <summary>A proof of possession for one request: goes into <c>Authorization: WPT …</c>, beside the token in <c>Workload-Identity-Token</c> (<see cref="WorkloadProof"/>).</summary>
    /// <param name="target">Whom the request goes to; the receiver expects the same.</param>
    /// <param name="now">The moment it is made.</param>
    /// <param name="lifetime">Null means <see cref="WorkloadProof.DefaultLifetime"/>; at least a second and at most <see cref="WorkloadProof.MaxLifetime"/>. Never longer than the token's.</param>
    /// <exception cref="ArgumentException">The target names no audience, or the lifetime cannot be meant.</exception>
    /// <exception cref="InvalidOperationException">The token has expired.</exception>
    /// <exception cref="ObjectDisposedException">The key is gone.</exception>
    public string CreateProof(WorkloadProofTarget target, DateTimeOffset now, TimeSpan? lifetime = null) => WorkloadProof.Create(_svid, _key, target, now, lifetime);

    /// <summary>A JWS signature (RFC 7515) by the key the token is bound to, with the algorithm its <c>cnf</c> names (WIT-SVID §3.2).</summary>
    /// <exception cref="ObjectDisposedException">The key is gone.</exception>
    public byte[] Sign(ReadOnlySpan<byte> data)
    {
        var algorithm = ProofKey.Algorithm;
        var hash = algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            _ => HashAlgorithmName.SHA512,
        };
        return _key switch
        {
            ECDsa ec => ec.SignData(data.ToArray(), hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
            RSA rsa => rsa.SignData(data.ToArray(), hash, algorithm.StartsWith('P') ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
            _ => throw new InvalidOperationException("the key is of a kind that signs nothing"),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();

    /// <summary>Names the workload, neither token nor key.</summary>
    public override string ToString() => $"WIT-SVID credential of {Id}";
}
