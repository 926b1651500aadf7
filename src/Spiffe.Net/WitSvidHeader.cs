using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The JOSE header of a WIT-SVID (WIT-SVID §2). Members besides these are ignored, keys in it above all (§2.4).</summary>
internal sealed record WitSvidHeader(JwsAlgorithm Algorithm, string KeyId)
{
    public const string Type = "wit+jwt";

    public static bool TryRead(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out WitSvidHeader? header, [NotNullWhen(false)] out string? problem)
    {
        header = null;
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the token's header is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        using (document)
        {
            if (!TryReadAlgorithm(document.RootElement, Type, out var algorithm, out problem)) return false;
            var keyId = StrictJson.GetString(document.RootElement, "kid");
            if (string.IsNullOrEmpty(keyId) || keyId.Length > JwtAuthority.MaxKeyIdLength)
            {
                problem = "the token's header has no usable kid, so nobody can tell which key signed it";
                return false;
            }

            header = new WitSvidHeader(algorithm, keyId);
            return true;
        }
    }

    /// <summary>What the headers of a WIT-SVID and of its proof have in common: a listed algorithm, an explicit type, nothing critical.</summary>
    public static bool TryReadAlgorithm(
        JsonElement header, string type, [NotNullWhen(true)] out JwsAlgorithm? algorithm, [NotNullWhen(false)] out string? problem)
    {
        // WIT-SVID §2.3: the algorithm is looked at before anything else.
        var name = StrictJson.GetString(header, "alg");
        algorithm = JwsAlgorithm.Find(name);
        if (algorithm is null)
        {
            problem = $"the token's algorithm {Quoted.From(name)} is not allowed; expected one of {JwsAlgorithm.Names}";
            return false;
        }

        // RFC 8725 §3.11: the type keeps tokens of one kind from being taken for another.
        var found = StrictJson.GetString(header, "typ");
        if (found != type)
        {
            problem = $"the token's typ is {Quoted.From(found)}; expected \"{type}\"";
            return false;
        }

        // RFC 7515 §4.1.11: whoever does not understand an extension named there must refuse the token; we understand none.
        problem = header.TryGetProperty("crit", out _) ? "the token's header has a crit member, and no extension is understood here" : null;
        return problem is null;
    }
}
