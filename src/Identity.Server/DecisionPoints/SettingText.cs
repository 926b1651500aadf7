using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Identity.Server.DecisionPoints;

/// <summary>Texts in settings.</summary>
internal static class SettingText
{
    /// <summary>An address and a port, an IPv6 address in brackets. Neither the library's own way to read an end point nor that to read an address insists on both.</summary>
    public static bool TryReadEndPoint(string text, [NotNullWhen(true)] out IPEndPoint? endPoint)
    {
        endPoint = null;
        var colon = text.LastIndexOf(':');
        var hasPort = colon > 0 && (text[0] == '[' ? text[colon - 1] == ']' : text.IndexOf(':', StringComparison.Ordinal) == colon);
        return hasPort && IPEndPoint.TryParse(text, out endPoint);
    }

    /// <summary>A NATS subject without wildcards; of nats-server's own (<c>$…</c>) none.</summary>
    public static string? ReadSubject(IConfiguration settings, string key, string? byDefault, List<string> problems)
    {
        var text = settings[key] ?? byDefault;
        if (text is null || (text.Length <= 255 && text.Split('.').All(IsToken))) return text;
        problems.Add($"{key}: \"{text}\" is not a NATS subject such as wasmcloud.policy, without wildcards");
        return byDefault;
    }

    public static bool IsBelow(string subject, string prefix) => subject == prefix || subject.StartsWith(prefix + ".", StringComparison.Ordinal);

    private static bool IsToken(string token) => token.Length > 0 && token.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_');
}
