using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>
/// A proof of possession taken apart and not verified: anybody may have written what it says. It turns into a <see cref="WorkloadProof"/> nowhere but in
/// <see cref="WitSvidVerifier"/>. Not a record: printing one must not print the token.
/// </summary>
[Experimental(Incubating.Wit)]
public sealed class UnverifiedWorkloadProof
{
    private readonly CompactJws _jws;

    private UnverifiedWorkloadProof(JwsAlgorithm algorithm, WorkloadProofClaims claims, CompactJws jws)
    {
        JwsAlgorithm = algorithm;
        Claims = claims;
        _jws = jws;
    }

    /// <summary>The one audience it is said to be made for.</summary>
    public string Audience => Claims.Audience;

    /// <summary>The <c>jti</c>.</summary>
    public string TokenId => Claims.TokenId;

    /// <summary>The <c>exp</c>.</summary>
    public DateTimeOffset ExpiresAt => Claims.ExpiresAt;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal WorkloadProofClaims Claims { get; }

    internal ReadOnlySpan<byte> SigningInput => _jws.SigningInput;

    internal ReadOnlySpan<byte> Signature => _jws.Signature;

    /// <summary>Names the purpose it claims, not the token.</summary>
    public override string ToString() => $"unverified proof of possession for {Quoted.From(Audience)}";

    internal static bool TryParse(string? token, [NotNullWhen(true)] out UnverifiedWorkloadProof? proof, [NotNullWhen(false)] out string? problem)
    {
        proof = null;
        if (!CompactJws.TryRead(token, WorkloadProof.MaxTokenLength, out var jws, out problem)) return false;
        if (!StrictJson.TryParseObject(jws.Header, out var header))
        {
            problem = "the token's header is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        JwsAlgorithm? algorithm;
        using (header)
        {
            if (!WitSvidHeader.TryReadAlgorithm(header.RootElement, WorkloadProof.Type, out algorithm, out problem)) return false;
        }

        if (!WorkloadProofClaims.TryRead(jws.Payload, out var claims, out problem)) return false;
        proof = new UnverifiedWorkloadProof(algorithm, claims, jws);
        return true;
    }
}
