using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Identity.Agent.ControlPlane;
using Spiffe.Net;

namespace Identity.Agent.SvidCache;

/// <summary>A fresh P-256 key that a WIT-SVID is to be bound to. The request names nobody: the server issues from what it knows.</summary>
internal sealed class WitSvidRequest : IDisposable
{
    // The agent proves the key to itself: nobody else ever sees such a proof.
    private static readonly WorkloadProofTarget Ourselves = new("identity-agent");

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ProofKey _public;

    public WitSvidRequest()
    {
        if (!SubjectPublicKey.TryParse(_key.ExportSubjectPublicKeyInfo(), out var key, out var problem) || !ProofKey.TryCreate(key, "ES256", out var proof, out problem))
            throw new CryptographicException(problem);
        _public = proof;
        Jwk = UnsafeByteOperations.UnsafeWrap(proof.ToJwk());
    }

    /// <summary>The public half, as JSON.</summary>
    public ByteString Jwk { get; }

    /// <summary>Joins the answer with the key, after checking that it is what was asked for, and verifying it as whoever receives it will.</summary>
    public bool TryComplete(
        string? token, AuthorizedEntry entry, TrustBundle bundle, DateTimeOffset now, [NotNullWhen(true)] out HeldWitSvid? svid, [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (!WitSvid.TryParseUnverified(token, out var parsed, out problem)) return false;
        problem = parsed.Id != entry.SpiffeId ? $"it is of {parsed.Id}"
            : !parsed.ProofKey.HasSameContent(_public) ? "it is bound to another key"
            : parsed.ExpiresAt <= now ? "it has expired"
            : FindProblem(parsed, bundle, now);
        if (problem is not null) return false;
        svid = new HeldWitSvid(parsed.Token, PrivateJwk(), parsed.ExpiresAt, BackOff.HalfLife(now, parsed.ExpiresAt));
        return true;
    }

    public void Dispose() => _key.Dispose();

    // There is no asking without a proof of possession, so one is made.
    private string? FindProblem(UnverifiedWitSvid svid, TrustBundle bundle, DateTimeOffset now) =>
        WitSvidVerifier.Verify(svid.Token, WorkloadProof.Create(svid, _key, Ourselves, now), Ourselves, new TrustBundleSet(bundle), now) switch
        {
            WitSvidVerification.Verified => null,
            WitSvidVerification.Refused refused => refused.Reason,
            _ => "no verdict",
        };

    private string PrivateJwk()
    {
        var jwk = PrivateJsonWebKey.Write(_key);
        try
        {
            return Encoding.UTF8.GetString(jwk);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(jwk);
        }
    }
}

/// <summary>A WIT-SVID and the key it is bound to. A class, not a record: printing one must not print the key.</summary>
internal sealed class HeldWitSvid(string token, string privateJwk, DateTimeOffset expiresAt, DateTimeOffset refreshAt)
{
    public string Token => token;

    public string PrivateJwk => privateJwk;

    public DateTimeOffset ExpiresAt => expiresAt;

    public DateTimeOffset RefreshAt => refreshAt;
}
