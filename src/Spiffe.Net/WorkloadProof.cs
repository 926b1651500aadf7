using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>
/// A WIMSE Workload Proof Token (draft-ietf-wimse-wpt-02) that <see cref="WitSvidVerifier"/> found to be made with the key the WIT-SVID beside it is bound to; nobody
/// else makes one. Travels in <c>Authorization: WPT …</c> beside the field <c>Workload-Identity-Token</c>.
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

    private readonly UnverifiedWorkloadProof _verified;

    /// <param name="verified">Whose signature, times, audience and binding were found good a moment ago.</param>
    internal WorkloadProof(UnverifiedWorkloadProof verified) => _verified = verified;

    /// <summary>The one audience it was made for.</summary>
    public string Audience => _verified.Audience;

    /// <summary>The <c>jti</c>: whoever wants each proof used once remembers it until <see cref="ExpiresAt"/> and the leeway have passed.</summary>
    public string TokenId => _verified.TokenId;

    /// <summary>The <c>exp</c>.</summary>
    public DateTimeOffset ExpiresAt => _verified.ExpiresAt;

    /// <summary>Takes a proof apart without checking signature, audience, time or what it is bound to. For diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out UnverifiedWorkloadProof? proof, [NotNullWhen(false)] out string? problem) =>
        UnverifiedWorkloadProof.TryParse(token, out proof, out problem);

    /// <summary>Makes a proof for one request, in its compact form.</summary>
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
