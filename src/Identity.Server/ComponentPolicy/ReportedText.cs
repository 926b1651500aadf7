using System.Globalization;
using System.Text;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// An agent's words, made fit for the terminal of whoever asks why: nothing in them moves a cursor, hides or turns text around, or begins a line that looks like
/// one of ours. Only a grant has lines.
/// </summary>
internal static class ReportedText
{
    /// <returns>A copy; no longer than what came.</returns>
    public static Decision Printable(Decision decision)
    {
        var printable = decision.Clone();
        printable.Subject = Line(printable.Subject);
        printable.Summary = Line(printable.Summary);
        printable.ComponentDigest = Line(printable.ComponentDigest);
        printable.Door = Line(printable.Door);
        printable.AskedBy = Line(printable.AskedBy);
        foreach (var reason in printable.Reasons.Concat(printable.Warnings))
        {
            reason.Capability = Line(reason.Capability);
            reason.Rule = Line(reason.Rule);
            reason.Explanation = Line(reason.Explanation);
            reason.Principal = Line(reason.Principal);
            reason.SmallestGrant = Clean(reason.SmallestGrant, mayHaveLines: true);
        }

        foreach (var outcome in printable.Shadow)
        {
            outcome.Rule = Line(outcome.Rule);
            outcome.Capability = Line(outcome.Capability);
            outcome.Principal = Line(outcome.Principal);
        }

        return printable;
    }

    private static string Line(string text) => Clean(text, mayHaveLines: false);

    private static string Clean(string text, bool mayHaveLines)
    {
        if (text.EnumerateRunes().All(rune => IsPrintable(rune, mayHaveLines))) return text;
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) clean.Append(IsPrintable(rune, mayHaveLines) ? rune.ToString() : "?");
        return clean.ToString();
    }

    private static bool IsPrintable(Rune rune, bool mayHaveLines) =>
        (mayHaveLines && rune.Value == '\n')
        || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
