using Identity.V1;

namespace Identity;

/// <summary>
/// A decision about many imports can be long; what is kept of it is its beginning. The agent shortens what it tells, for the server refuses a longer one whole, and
/// the server what it decides itself. Compiled into both.
/// </summary>
internal static class DecisionLimits
{
    /// <summary>Of the message.</summary>
    public const int MaxBytes = 16 << 10;

    private const int MaxText = 1024;

    /// <summary>Cuts texts first, then leaves out the last reasons and warnings, and outcomes of rules in mode shadow, which are counted, only when nothing else is left.</summary>
    public static Decision Shorten(Decision decision)
    {
        if (decision.CalculateSize() <= MaxBytes) return decision;
        var shorter = decision.Clone();
        shorter.Subject = Cut(shorter.Subject, 2 * MaxText);
        shorter.Summary = Cut(shorter.Summary, MaxText);
        foreach (var reason in shorter.Reasons.Concat(shorter.Warnings))
        {
            reason.Capability = Cut(reason.Capability, MaxText);
            reason.Rule = Cut(reason.Rule, MaxText);
            reason.Explanation = Cut(reason.Explanation, MaxText);
            // Half a policy may say something else, or be applied: whole or not at all.
            if (reason.SmallestGrant.Length > MaxText) reason.SmallestGrant = "";
        }

        foreach (var outcome in shorter.Shadow) outcome.Capability = Cut(outcome.Capability, MaxText / 8);
        while (shorter.CalculateSize() > MaxBytes && shorter.Reasons.Count + shorter.Warnings.Count > 0)
        {
            if (shorter.Warnings.Count > shorter.Reasons.Count) shorter.Warnings.RemoveAt(shorter.Warnings.Count - 1);
            else shorter.Reasons.RemoveAt(shorter.Reasons.Count - 1);
        }

        while (shorter.CalculateSize() > MaxBytes && shorter.Shadow.Count > 0) shorter.Shadow.RemoveAt(shorter.Shadow.Count - 1);
        return shorter;
    }

    private static string Cut(string text, int max) => text.Length <= max ? text : text[..max] + "…";
}
