using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Spiffe.Net;

/// <summary>
/// Decides whether a WIT-SVID is genuine and the presenter's own (WIT-SVID §4). There is no way to ask without a proof of possession.
/// </summary>
/// <remarks>
/// A captured token and proof can be replayed to the same audience until the proof expires. Who wants each proof used once remembers
/// <see cref="WorkloadProof.TokenId"/> until <see cref="WorkloadProof.ExpiresAt"/> plus the leeway; the token's own <c>jti</c> is no good for that (§3.3).
/// </remarks>
[Experimental(Incubating.Wit)]
public static class WitSvidVerifier
{
    /// <summary>Parses both, then asks for times, the bundle of the token's own trust domain, its signature, and whether the proof is of its key and for the target (WIT-SVID §4).</summary>
    /// <param name="token">From the HTTP field <c>Workload-Identity-Token</c>; null or empty when there was none.</param>
    /// <param name="proof">From the credentials of the HTTP authentication scheme <c>WPT</c>; null or empty when there was none, and then the token is refused.</param>
    /// <param name="target">What the proof must have been made for.</param>
    /// <param name="leeway">
    /// How far our clock and the others' may differ, for <c>exp</c> and <c>nbf</c>; null means <see cref="JwtSvidVerifier.DefaultLeeway"/>, at most
    /// <see cref="JwtSvidVerifier.MaxLeeway"/>.
    /// </param>
    /// <exception cref="ArgumentException">The leeway is negative or too long, or the target names no audience.</exception>
    public static WitSvidVerification Verify(
        string? token, string? proof, WorkloadProofTarget target, TrustBundleSet bundles, DateTimeOffset now, TimeSpan? leeway = null)
    {
        var tolerance = leeway ?? JwtSvidVerifier.DefaultLeeway;
        ArgumentOutOfRangeException.ThrowIfLessThan(tolerance, TimeSpan.Zero, nameof(leeway));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tolerance, JwtSvidVerifier.MaxLeeway, nameof(leeway));
        ArgumentException.ThrowIfNullOrEmpty(target.Audience, nameof(target));

        // Both are taken apart first: no signature is checked for a request that lacks one half.
        if (!UnverifiedWitSvid.TryParse(token, out var svid, out var problem)) return Refused(problem);
        if (string.IsNullOrEmpty(proof)) return Refused("there is no proof of possession; a WIT-SVID alone is not believed");
        if (!UnverifiedWorkloadProof.TryParse(proof, out var parsed, out problem)) return Refused($"proof of possession: {problem}");
        return (FindProblem(svid, bundles, now, tolerance) ?? FindProblem(parsed, svid, target, now, tolerance)) is { } flaw
            ? Refused(flaw)
            : new WitSvidVerification.Verified(new WitSvid(svid), new WorkloadProof(parsed));
    }

    // §3.6: iat is not looked at; it says nothing about validity.
    private static string? FindProblem(UnverifiedWitSvid svid, TrustBundleSet bundles, DateTimeOffset now, TimeSpan tolerance)
    {
        // What is added is added to our own time: the token's may be the last there is.
        if (now - tolerance >= svid.ExpiresAt) return $"the token of {svid.Id} expired at {svid.ExpiresAt:O}";
        if (svid.NotBefore is { } notBefore && now + tolerance < notBefore) return $"the token of {svid.Id} is not valid before {notBefore:O}";
        if (!bundles.TryGet(svid.Id.TrustDomain, out var bundle)) return $"there is no trust bundle for the trust domain {svid.Id.TrustDomain}";
        if (bundle.FindWitAuthority(svid.KeyId) is not { } authority) return $"the trust bundle of {svid.Id.TrustDomain} has no WIT key {Quoted.From(svid.KeyId)}";
        if (authority.Kind != svid.JwsAlgorithm.Kind) return $"the token's algorithm {svid.Algorithm} does not fit its key, which is {authority.Kind}";
        return authority.Verify(svid.JwsAlgorithm, svid.SigningInput, svid.Signature) ? null : $"the signature of the token of {svid.Id} is wrong";
    }

    private static string? FindProblem(UnverifiedWorkloadProof proof, UnverifiedWitSvid svid, WorkloadProofTarget target, DateTimeOffset now, TimeSpan tolerance)
    {
        var claims = proof.Claims;

        // The token says which algorithm its key is for; the proof may not choose another.
        if (proof.JwsAlgorithm != svid.ProofKey.JwsAlgorithm)
            return $"proof of possession: its algorithm is {proof.JwsAlgorithm.Name}; the token's key is for {svid.ProofKey.Algorithm}";
        if (!string.Equals(claims.Audience, target.Audience, StringComparison.Ordinal)) return $"proof of possession: it is not meant for {Quoted.From(target.Audience)}";
        if (now - tolerance >= claims.ExpiresAt) return $"proof of possession: it expired at {claims.ExpiresAt:O}";
        if (claims.ExpiresAt > now + WorkloadProof.MaxLifetime + tolerance)
            return $"proof of possession: it is good until {claims.ExpiresAt:O}; at most {WorkloadProof.MaxLifetime} are accepted";
        if (claims.NotBefore is { } notBefore && now + tolerance < notBefore) return $"proof of possession: it is not valid before {notBefore:O}";
        if (!IsHashOf(claims.WitHash, svid.Token)) return "proof of possession: it was made for another token";
        if (target.TransactionToken is null && claims.TransactionTokenHash is not null)
            return "proof of possession: it is bound to a transaction token, and there is none";
        if (target.TransactionToken is { } transactionToken && (claims.TransactionTokenHash is not { } hash || !IsHashOf(hash, transactionToken)))
            return "proof of possession: it is not bound to the transaction token beside it";
        return svid.ProofKey.Verify(proof.SigningInput, proof.Signature)
            ? null
            : "proof of possession: its signature is not by the key that the token is bound to";
    }

    private static bool IsHashOf(string hash, string token) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(hash), Encoding.UTF8.GetBytes(WorkloadProofClaims.HashOf(token)));

    private static WitSvidVerification.Refused Refused(string reason) => new(reason);
}
