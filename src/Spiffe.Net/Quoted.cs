using System.Globalization;
using System.Text;

namespace Spiffe.Net;

/// <summary>Foreign text made fit for an error message: short, printable, and visibly a quotation.</summary>
internal static class Quoted
{
    private const int MaxCharacters = 96;

    public static string From(ReadOnlySpan<char> text)
    {
        var quoted = new StringBuilder(Math.Min(text.Length, MaxCharacters) + 8).Append('"');
        foreach (var character in text)
        {
            // Of what is shown, not of what was given: an escape is six characters long.
            if (quoted.Length > MaxCharacters) return quoted.Append("…\"").ToString();
            // Only printable ASCII survives: anything else could forge a log line or hide in a terminal.
            if (character is >= ' ' and <= '~' and not '"' and not '\\') quoted.Append(character);
            else quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        }

        return quoted.Append('"').ToString();
    }

    public static string From(char character) => From(new ReadOnlySpan<char>(in character));
}
