using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>An attested fact as <c>type:value</c>. The type has no colon, so the text splits in one way only.</summary>
internal static partial class SelectorText
{
    public const int MaxTypeLength = 64;
    public const int MaxValueLength = 1024;

    /// <summary>The fact that an agent has this SPIFFE ID; it makes an entry below the agent or the server a node alias.</summary>
    public const string SpiffeIdType = "spiffe_id";

    public static string From(Selector selector) => $"{selector.Type}:{selector.Value}";

    /// <summary>Whether it has the form of a type; whether anybody gives such selectors see <see cref="SelectorTypes"/>.</summary>
    public static bool IsType(string text) => text.Length is > 0 and <= MaxTypeLength && TypePattern().IsMatch(text);

    public static Selector ToWire(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return new Selector { Type = text[..colon], Value = text[(colon + 1)..] };
    }

    public static bool TryParse(Selector wire, [NotNullWhen(true)] out string? text, [NotNullWhen(false)] out string? problem)
    {
        text = null;
        problem = FindProblem(wire);
        if (problem is not null) return false;
        text = From(wire);
        return true;
    }

    private static string? FindProblem(Selector wire)
    {
        if (!IsType(wire.Type))
        {
            return $"the selector type {Quote.From(wire.Type)} is not 1 to {MaxTypeLength} of a-z, A-Z, 0-9, '_' and '-'; expected type and value, such as unix and uid:1000";
        }

        if (wire.Value.Length is 0 or > MaxValueLength)
        {
            return $"the value of a {wire.Type} selector has {wire.Value.Length} characters; expected 1 to {MaxValueLength}";
        }

        if (wire.Value.Any(char.IsControl))
        {
            return $"the value {Quote.From(wire.Value)} of a {wire.Type} selector contains a control character";
        }

        // Selectors of ours that could never match would leave a component without identity and without a reason.
        if (wire.Type == "wasm" && !WasmPattern().IsMatch(wire.Value))
        {
            return $"the selector wasm:{Quote.From(wire.Value)} can never match; expected wasm:digest:sha256:<64 lower-case hexadecimal digits> or wasm:name:<a-z, 0-9 and '-'>";
        }

        return Identity.Policy.KnownSelectors.WhyNeverMatches(From(wire));
    }

    [GeneratedRegex(@"\A[a-zA-Z0-9_-]+\z", RegexOptions.CultureInvariant)]
    private static partial Regex TypePattern();

    [GeneratedRegex(@"\A(digest:sha256:[0-9a-f]{64}|name:[a-z0-9-]{1,128})\z", RegexOptions.CultureInvariant)]
    private static partial Regex WasmPattern();
}
