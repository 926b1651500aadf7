using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>
/// A WIMSE Workload Proof Token (draft-ietf-wimse-wpt-02): shows that whoever presents a WIT-SVID holds the key it is bound to. Goes into
/// <c>Authorization: WPT …</c> beside the field <c>Workload-Identity-Token</c>. Not a record: printing one must not print the token.
/// </summary>
[Experimental(Incubating.Wit)]
public sealed class WorkloadProof
{
    /// <summary>Characters of the compact form; a real one has about 400.</summary>
    public const int MaxTokenLength = 4 * 1024;

    /// <summary>A proof that is good for longer is refused, and cannot be made (WIT-SVID §7.2).</summary>
    public static readonly TimeSpan MaxLifetime = TimeSpan.FromMinutes(5);

    /// <summary>Long enough for a slow network and clocks that differ a little.</summary>
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromSeconds(30);

    internal const string Type = "wpt+jwt";

    private readonly CompactJws _jws;

    private WorkloadProof(JwsAlgorithm algorithm, WorkloadProofClaims claims, CompactJws jws)
    {
        JwsAlgorithm = algorithm;
        Claims = claims;
        _jws = jws;
    }

    /// <summary>The one audience it was made for.</summary>
    public string Audience => Claims.Audience;

    /// <summary>The <c>jti</c>: whoever wants each proof used once remembers it until <see cref="ExpiresAt"/> and the leeway have passed.</summary>
    public string TokenId => Claims.TokenId;

    /// <summary>The <c>exp</c>.</summary>
    public DateTimeOffset ExpiresAt => Claims.ExpiresAt;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal WorkloadProofClaims Claims { get; }

    internal ReadOnlySpan<byte> SigningInput => _jws.SigningInput;

    internal ReadOnlySpan<byte> Signature => _jws.Signature;

    /// <summary>Takes a proof apart without checking signature, audience, time or what it is bound to. For diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out WorkloadProof? proof, [NotNullWhen(false)] out string? problem)
    {
        proof = null;
        if (!CompactJws.TryRead(token, MaxTokenLength, out var jws, out problem)) return false;
        if (!StrictJson.TryParseObject(jws.Header, out var header))
        {
            problem = "the token's header is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        JwsAlgorithm? algorithm;
        using (header)
        {
            if (!WitSvidHeader.TryReadAlgorithm(header.RootElement, Type, out algorithm, out problem)) return false;
        }

        if (!WorkloadProofClaims.TryRead(jws.Payload, out var claims, out problem)) return false;
        proof = new WorkloadProof(algorithm, claims, jws);
        return true;
    }

    /// <summary>Makes a proof for one request.</summary>
    /// <param name="svid">The token of our own, which nobody has verified and nobody needs to.</param>
    /// <param name="key">The private half of <see cref="UnverifiedWitSvid.ProofKey"/>: an <see cref="ECDsa"/> or an <see cref="RSA"/>.</param>
    /// <param name="lifetime">Null means <see cref="DefaultLifetime"/>; at least a second and at most <see cref="MaxLifetime"/>. Never longer than the WIT-SVID's.</param>
    /// <exception cref="ArgumentException">The key is not the one the WIT-SVID is bound to, or target or lifetime cannot be meant.</exception>
    /// <exception cref="InvalidOperationException">The WIT-SVID has expired, and its key is not to be used any more.</exception>
    public static string Create(UnverifiedWitSvid svid, AsymmetricAlgorithm key, WorkloadProofTarget target, DateTimeOffset now, TimeSpan? lifetime = null)
    {
        var validFor = lifetime ?? DefaultLifetime;
        ArgumentOutOfRangeException.ThrowIfLessThan(validFor, TimeSpan.FromSeconds(1), nameof(lifetime));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(validFor, MaxLifetime, nameof(lifetime));
        ArgumentException.ThrowIfNullOrEmpty(target.Audience, nameof(target));
        if (!key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(svid.ProofKey.PublicKey.SubjectPublicKeyInfo.Span))
            throw new ArgumentException($"the key is not the one that the WIT-SVID of {svid.Id} is bound to", nameof(key));
        if (now >= svid.ExpiresAt) throw new InvalidOperationException($"the WIT-SVID of {svid.Id} expired at {svid.ExpiresAt:O}");

        var end = now + validFor < svid.ExpiresAt ? now + validFor : svid.ExpiresAt;
        var signed = $"{Base64Url.EncodeToString(WriteHeader(svid.ProofKey))}.{Base64Url.EncodeToString(WorkloadProofClaims.Write(svid, target, end))}";
        var signature = svid.ProofKey.JwsAlgorithm.Sign(key, Encoding.ASCII.GetBytes(signed));
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>Names the purpose, not the token.</summary>
    public override string ToString() => $"proof of possession for {Quoted.From(Audience)}";

    private static ReadOnlySpan<byte> WriteHeader(ProofKey key)
    {
        var buffer = new ArrayBufferWriter<byte>(64);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("alg", key.Algorithm);
            json.WriteString("typ", StrictJson.Plainly(Type));
            json.WriteEndObject();
        }

        return buffer.WrittenSpan;
    }
}
