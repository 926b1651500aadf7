using System.Globalization;
using System.Text;

namespace Identity.Server.Registration;

/// <summary>A caller's text made fit for the message that refuses it: short, printable, visibly a quotation.</summary>
internal static class Quote
{
    private const int MaxShown = 96;

    public static string From(ReadOnlySpan<char> text)
    {
        var shown = new StringBuilder("'");
        foreach (var character in text[..Math.Min(text.Length, MaxShown)])
        {
            if (character is >= ' ' and <= '~') shown.Append(character);
            else shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        }

        return shown.Append(text.Length > MaxShown ? "…'" : "'").ToString();
    }
}
