using System.Globalization;
using Identity.Policy.Documents;

namespace Identity.Policy;

/// <summary>The selectors that this system's agents give. Other attestors may give others; one of a type of ours that nobody gives is a slip of the pen.</summary>
public static class KnownSelectors
{
    // Those of this system, and of the attestors that come with SPIRE (docs of v1.15, "Built-in plugins").
    private static readonly string[] Types =
    [
        "unix", "systemd", "wasm", "spiffe_id", "join_token", "x509pop", "k8s", "docker", "windows", "k8s_psat", "k8s_sat", "aws_iid", "azure_imds", "azure_msi", "gcp_iit",
        "http_challenge", "sshpop", "tpm_devid",
    ];

    private static readonly string[] Unix = ["uid", "gid", "user", "group", "supplementary_gid", "supplementary_group", "path", "sha256"];
    private static readonly string[] Systemd = ["id", "fragment_path"];

    /// <summary>Why nobody is known to give selectors of this type, or null when somebody is.</summary>
    /// <param name="selector">As <c>type:value</c>.</param>
    /// <param name="also">Types that attestors of one's own give.</param>
    public static string? WhyUnknownType(string selector, IEnumerable<string> also)
    {
        var colon = selector.IndexOf(':', StringComparison.Ordinal);
        var type = colon < 0 ? selector : selector[..colon];
        string[] known = [.. Types, .. also];
        if (known.Contains(type, StringComparer.Ordinal)) return null;
        var meant = NearestWord.Of(type, known) is { } near ? $"; did you mean {near}?" : "";
        return $"no attestor known here gives selectors of the type {Quoted.From(type)}, such as {Quoted.From(selector)}{meant}";
    }

    /// <summary>Why no process can have the selector, or null when one may, or when its type is somebody else's.</summary>
    /// <param name="selector">As <c>type:value</c>.</param>
    public static string? WhyNeverMatches(string selector)
    {
        if (selector.Split(':', 3) is not [var type, var key, .. var rest]) return null;
        var keys = type switch { "unix" => Unix, "systemd" => Systemd, _ => null };
        if (keys is null) return null;
        if (!keys.Contains(key, StringComparer.Ordinal))
        {
            var meant = NearestWord.Of(key, keys) is { } near ? $"; did you mean {type}:{near}?" : $"; expected one of {string.Join(", ", keys.Select(known => $"{type}:{known}"))}";
            return $"the selector {Quoted.From(selector)} can never match: there is no {Quoted.From($"{type}:{key}")}{meant}";
        }

        var expected = WhatIsExpected(key, rest is [var value] ? value : "");
        return expected is null ? null : $"the selector {Quoted.From(selector)} can never match: {type}:{key} takes {expected}";
    }

    private static string? WhatIsExpected(string key, string value) => key switch
    {
        "uid" or "gid" or "supplementary_gid" => uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number.ToString(CultureInfo.InvariantCulture) == value
            ? null : "a number, such as 1000",
        "path" or "fragment_path" => value.StartsWith('/') ? null : "an absolute path",
        "sha256" => value.Length == 64 && value.All(char.IsAsciiHexDigitLower) ? null : "64 lower-case hexadecimal digits",
        _ => value.Length > 0 ? null : "a name",
    };
}
