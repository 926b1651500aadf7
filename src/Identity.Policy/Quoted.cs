using System.Text;

namespace Identity.Policy;

/// <summary>Foreign text made fit for a message: quoted, shortened, without control characters.</summary>
internal static class Quoted
{
    private const int MaxShown = 80;

    public static string From(ReadOnlySpan<char> text)
    {
        var shown = new StringBuilder("'");
        foreach (var character in text[..Math.Min(text.Length, MaxShown)])
        {
            // Only printable ASCII: direction overrides and look-alikes in a message mislead the person who reads it.
            if (character is >= ' ' and <= '~') shown.Append(character);
            else shown.Append($"\\u{(int)character:x4}");
        }

        return shown.Append(text.Length > MaxShown ? "…'" : "'").ToString();
    }
}
