using System.Text;
using Identity.Policy;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What all policies share: numbers and bytes of documents, and what is made of them (<see cref="PolicyUsage"/>). Whoever is no administrator fills nine tenths of
/// each, so that the narrowest role cannot keep out the forbid that an administrator has to write.
/// </summary>
internal static class PolicyUse
{
    /// <summary>Of ten.</summary>
    public const int Share = 9;

    /// <summary>Of numbers and bytes alone; asked through <see cref="PolicyEffect.Excess"/>, which remembers.</summary>
    public static string? WhyTooMuch(ControlPlaneState state, PolicyEdit edit)
    {
        var (documents, bytes) = After(state, edit);
        var roles = state.Governance.Roles.Count + edit.RoleSet.Count(set => state.Governance.Roles.Find(set.Name) is null) - edit.RoleDeleted.Count;
        if (documents > PolicyRegistry.MaxDocuments || roles > PolicyRegistry.MaxDocuments)
            return $"there would be {documents} policies and {roles} roles; at most {PolicyRegistry.MaxDocuments} of each are allowed";
        return bytes > PolicyRegistry.MaxTotalBytes ? $"all policies together would have {bytes} bytes; at most {PolicyRegistry.MaxTotalBytes} are allowed" : null;
    }

    /// <summary>Asked through <see cref="PolicyEffect.WhyBeyondShare"/>, which remembers. What uses no more than before is in nobody's way.</summary>
    public static string? WhyBeyondShare(ControlPlaneState state, PolicyEdit edit, CapabilityPolicy after)
    {
        var (documents, bytes) = After(state, edit);
        var (used, made) = (state.Policy.Usage, after.Usage);
        return Why("policies", state.Policies.Count, documents, PolicyRegistry.MaxDocuments)
            ?? Why("bytes of policies", Bytes(state), bytes, PolicyRegistry.MaxTotalBytes)
            ?? Why("combinations of rules, subjects, capabilities and labels", used.Combinations, made.Combinations, PolicyUsage.MaxCombinations)
            ?? Why("comparisons of labels", used.LabelSteps, made.LabelSteps, PolicyUsage.MaxLabelSteps)
            ?? Why("keys of signers", used.SignerKeys, made.SignerKeys, CapabilityPolicy.MaxSignerKeys);
    }

    private static string? Why(string what, long before, long after, long limit) => after > limit * Share / 10 && after > before
        ? $"there would be {after} {what}, of all policies together; of the {limit} there may be, administrators alone write beyond {limit * Share / 10}"
        : null;

    private static (int Documents, long Bytes) After(ControlPlaneState state, PolicyEdit edit)
    {
        var (documents, bytes) = (state.Policies.Count, Bytes(state));
        foreach (var name in edit.Deleted) Replace(name, null);
        foreach (var set in edit.Set) Replace(set.Name, set.Text);
        return (documents, bytes);

        void Replace(string name, string? text)
        {
            if (state.Policies.TryGetValue(name, out var known)) (documents, bytes) = (documents - 1, bytes - Encoding.UTF8.GetByteCount(known.Text));
            if (text is not null) (documents, bytes) = (documents + 1, bytes + Encoding.UTF8.GetByteCount(text));
        }
    }

    private static long Bytes(ControlPlaneState state) => state.Policies.Values.Sum(policy => (long)Encoding.UTF8.GetByteCount(policy.Text));
}
