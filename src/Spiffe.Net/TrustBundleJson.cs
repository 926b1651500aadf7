using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The bundle document of SPIFFE Trust Domain and Bundle §4: a JWK Set with a use for each key.</summary>
internal static class TrustBundleJson
{
    private const int MaxLength = 1024 * 1024;
    private const int MaxKeys = 3 * TrustBundle.MaxAuthorities;
    private const string X509Use = "x509-svid";
    private const string JwtUse = "jwt-svid";
    private const string WitUse = "wit-svid";

    public enum Use
    {
        Required,

        /// <summary>One of a Bundle Map: as <see cref="Required"/>, but its refresh hint is neither written nor read (§5.1.1).</summary>
        MapMember,

        /// <summary>Only JWT keys are wanted, and a key without <c>use</c> is one.</summary>
        JwtOnly,

        /// <summary>The same for WIT keys.</summary>
        WitOnly,
    }

    public static bool TryRead(
        TrustDomain trustDomain, ReadOnlyMemory<byte> json, Use use, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        if (json.Length > MaxLength)
        {
            problem = $"the bundle of {trustDomain} has {json.Length} bytes; at most {MaxLength} are allowed";
            return false;
        }

        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = $"the bundle of {trustDomain} is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        using (document)
        {
            return TryRead(trustDomain, document.RootElement, use, out bundle, out problem);
        }
    }

    public static byte[] Write(TrustBundle bundle, Use use)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) Write(json, bundle, use);
        return buffer.WrittenSpan.ToArray();
    }

    public static void Write(Utf8JsonWriter json, TrustBundle bundle, Use use)
    {
        var isWhole = use is Use.Required or Use.MapMember;
        json.WriteStartObject();
        json.WriteStartArray("keys");
        if (isWhole)
        {
            foreach (var authority in bundle.X509Authorities) WriteX509(json, authority);
        }

        if (isWhole || use is Use.JwtOnly)
        {
            foreach (var authority in bundle.JwtAuthorities) WriteNamed(json, JwtUse, authority.KeyId, authority.WriteJwk);
        }

        if (isWhole || use is Use.WitOnly)
        {
            foreach (var authority in bundle.WitAuthorities) WriteNamed(json, WitUse, authority.KeyId, authority.WriteJwk);
        }

        json.WriteEndArray();
        if (isWhole && bundle.SequenceNumber is { } sequence) json.WriteNumber("spiffe_sequence", sequence);
        if (use is Use.Required && bundle.RefreshHint is { } hint) json.WriteNumber("spiffe_refresh_hint", (long)hint.TotalSeconds);
        json.WriteEndObject();
    }

    public static bool TryRead(
        TrustDomain trustDomain, JsonElement root, Use use, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        ulong? sequence = null;
        TimeSpan? refreshHint = null;
        if (root.TryGetProperty("spiffe_sequence", out var number))
        {
            if (number.ValueKind is not JsonValueKind.Number || !number.TryGetUInt64(out var value)) return Refuse(out problem, "spiffe_sequence is not a whole number");
            sequence = value;
        }

        if (use is not Use.MapMember && root.TryGetProperty("spiffe_refresh_hint", out number))
        {
            // However it is written (300.0) and however large: to ask again so late is to ask by one's own rhythm, and no reason to trust nobody.
            if (number.ValueKind is not JsonValueKind.Number || !number.TryGetDouble(out var seconds) || !(seconds >= 0) || Math.Floor(seconds) != seconds)
                return Refuse(out problem, "spiffe_refresh_hint is not a whole number of seconds");
            refreshHint = TimeSpan.FromSeconds((long)Math.Min(seconds, int.MaxValue));
        }

        if (!root.TryGetProperty("keys", out var keys) || keys.ValueKind is not JsonValueKind.Array) return Refuse(out problem, "the array \"keys\" is missing");

        // Before any of them is looked at: importing a key costs more than reading it.
        if (keys.GetArrayLength() > MaxKeys) return Refuse(out problem, $"it has {keys.GetArrayLength()} keys; at most {MaxKeys} are allowed");
        List<ReadOnlyMemory<byte>> x509 = [];
        List<JwtAuthority> jwt = [];
        List<WitAuthority> wit = [];
        var position = 0;
        foreach (var key in keys.EnumerateArray())
        {
            position++;
            if (FindKeyProblem(key, use, x509, jwt, wit) is { } flaw) return Refuse(out problem, $"key {position}: {flaw}");
        }

        // §4.1.3: keys of which none can be used make a bundle that trusts nobody, and no mistake.
        return TrustBundle.TryCreate(
            trustDomain, x509, jwt, wit, sequence, refreshHint, earlier: null, mayUseNone: true, out bundle, out problem);

        bool Refuse(out string because, string flaw)
        {
            because = $"the bundle of {trustDomain} is not valid: {flaw}";
            return false;
        }
    }

    /// <summary>Adds the key to its list, or leaves it out when its type or use is unknown (§4.2.1, §4.2.2).</summary>
    private static string? FindKeyProblem(JsonElement key, Use use, List<ReadOnlyMemory<byte>> x509, List<JwtAuthority> jwt, List<WitAuthority> wit)
    {
        if (key.ValueKind is not JsonValueKind.Object) return "it is not an object";
        if (StrictJson.GetString(key, "kty") is not ("EC" or "RSA")) return null;
        var named = key.TryGetProperty("use", out _) ? StrictJson.GetString(key, "use") : use switch { Use.JwtOnly => JwtUse, Use.WitOnly => WitUse, _ => null };
        switch (named)
        {
            case X509Use when use is Use.Required or Use.MapMember:
                // X509-SVID §6.2: without x5c the entry is ignored, of several values the first counts.
                if (!key.TryGetProperty("x5c", out var x5c) || x5c.ValueKind is not JsonValueKind.Array || x5c.GetArrayLength() == 0) return null;
                if (x5c[0].ValueKind is not JsonValueKind.String || !x5c[0].TryGetBytesFromBase64(out var der)) return "its x5c is not base64";
                x509.Add(der);
                return null;
            case JwtUse when use is not Use.WitOnly:
                if (!JsonWebKey.TryReadPublicKey(key, out var info, out var problem)) return problem;
                if (info is null) return null;
                if (!JwtAuthority.TryCreate(StrictJson.GetString(key, "kid") ?? "", info, out var authority, out problem)) return problem;
                jwt.Add(authority);
                return null;
            case WitUse when use is not Use.JwtOnly:
                // Incubating: a key of this profile that cannot be read is left out, so that it costs nobody the keys of the other profiles.
                if (!JsonWebKey.TryReadPublicKey(key, out info, out _) || info is null) return null;
                if (WitAuthority.TryCreate(StrictJson.GetString(key, "kid") ?? "", info, out var witAuthority, out _)) wit.Add(witAuthority);
                return null;
            default:
                return null;
        }
    }

    private static void WriteX509(Utf8JsonWriter json, X509Certificate2 authority)
    {
        json.WriteStartObject();
        json.WriteString("use", X509Use);
        using (var ec = authority.GetECDsaPublicKey())
        using (var rsa = authority.GetRSAPublicKey())
        {
            if (ec is not null) JsonWebKey.Write(json, KindOf(authority), ec.ExportParameters(false));
            else if (rsa is not null) JsonWebKey.Write(json, rsa.ExportParameters(false));
        }

        json.WriteStartArray("x5c");
        json.WriteBase64StringValue(authority.RawDataMemory.Span);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static PublicKeyKind KindOf(X509Certificate2 authority) =>
        SubjectPublicKey.FindAnnouncedKind(authority.PublicKey.ExportSubjectPublicKeyInfo()) ?? PublicKeyKind.Unsupported;

    private static void WriteNamed(Utf8JsonWriter json, string use, string keyId, Action<Utf8JsonWriter> writeKey)
    {
        json.WriteStartObject();
        json.WriteString("use", use);
        json.WriteString("kid", keyId);
        writeKey(json);
        json.WriteEndObject();
    }
}
