using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The JOSE header of a JWT-SVID: <c>alg</c>, <c>kid</c>, <c>typ</c> and nothing else (JWT-SVID §2).</summary>
internal sealed record JwtSvidHeader(JwsAlgorithm Algorithm, string KeyId)
{
    public static bool TryRead(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JwtSvidHeader? header, [NotNullWhen(false)] out string? problem)
    {
        header = null;
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the token's header is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        using (document)
        {
            // JWT-SVID §2.1: the algorithm is looked at before anything else.
            var name = StrictJson.GetString(document.RootElement, "alg");
            if (JwsAlgorithm.Find(name) is not { } algorithm)
            {
                problem = $"the token's algorithm {Quoted.From(name)} is not allowed; expected one of {JwsAlgorithm.Names}";
                return false;
            }

            foreach (var member in document.RootElement.EnumerateObject())
            {
                if (member.Name is "alg" or "kid" or "typ") continue;
                problem = $"the token's header has the member {Quoted.From(member.Name)}; only alg, kid and typ are allowed";
                return false;
            }

            var keyId = StrictJson.GetString(document.RootElement, "kid");
            if (string.IsNullOrEmpty(keyId) || keyId.Length > JwtAuthority.MaxKeyIdLength)
            {
                problem = "the token's header has no usable kid, so nobody can tell which key signed it";
                return false;
            }

            if (document.RootElement.TryGetProperty("typ", out _) && StrictJson.GetString(document.RootElement, "typ") is not ("JWT" or "JOSE"))
            {
                problem = "the token's typ is neither JWT nor JOSE";
                return false;
            }

            header = new JwtSvidHeader(algorithm, keyId);
            problem = null;
            return true;
        }
    }
}
