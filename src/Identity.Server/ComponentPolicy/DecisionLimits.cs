using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>A decision about many imports can be long; what is kept of it is its beginning.</summary>
internal static class DecisionLimits
{
    private const int MaxText = 1024;

    public static Decision Shorten(Decision decision, int maxBytes)
    {
        if (decision.CalculateSize() <= maxBytes) return decision;
        var shorter = decision.Clone();
        shorter.Subject = Cut(shorter.Subject, 2 * MaxText);
        shorter.Summary = Cut(shorter.Summary, MaxText);
        foreach (var reason in shorter.Reasons)
        {
            reason.Capability = Cut(reason.Capability, MaxText);
            reason.Rule = Cut(reason.Rule, MaxText);
            reason.Explanation = Cut(reason.Explanation, MaxText);
            // Half a policy may say something else, or be applied: whole or not at all.
            if (reason.SmallestGrant.Length > MaxText) reason.SmallestGrant = "";
        }

        while (shorter.CalculateSize() > maxBytes && shorter.Reasons.Count + shorter.Shadow.Count + shorter.Warnings.Count > 0)
        {
            var most = Math.Max(shorter.Reasons.Count, Math.Max(shorter.Shadow.Count, shorter.Warnings.Count));
            if (shorter.Shadow.Count == most) shorter.Shadow.RemoveAt(most - 1);
            else if (shorter.Warnings.Count == most) shorter.Warnings.RemoveAt(most - 1);
            else shorter.Reasons.RemoveAt(most - 1);
        }

        return shorter;
    }

    private static string Cut(string text, int max) => text.Length <= max ? text : text[..max] + "…";
}
