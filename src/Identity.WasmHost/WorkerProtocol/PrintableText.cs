using System.Text;

namespace Identity.WasmHost.WorkerProtocol;

/// <summary>Makes text of a stranger fit for a terminal and a log line: one line, no control characters, bounded.</summary>
internal static class PrintableText
{
    public static string Of(string text, int maxLength)
    {
        var printable = new StringBuilder(Math.Min(text.Length, maxLength) + 1);
        foreach (var rune in text.EnumerateRunes())
        {
            if (printable.Length >= maxLength) return printable.Append('…').ToString();
            // Format characters can reorder what a reader sees (U+202E); line separators break "one fact, one line".
            var category = Rune.GetUnicodeCategory(rune);
            var hidden = category is System.Globalization.UnicodeCategory.Control or System.Globalization.UnicodeCategory.Format
                or System.Globalization.UnicodeCategory.LineSeparator or System.Globalization.UnicodeCategory.ParagraphSeparator
                or System.Globalization.UnicodeCategory.Surrogate or System.Globalization.UnicodeCategory.PrivateUse;
            printable.Append(hidden ? " " : rune.ToString());
        }

        return printable.ToString();
    }
}
