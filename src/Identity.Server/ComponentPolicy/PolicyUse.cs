using System.Text;
using Identity.Policy;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What all policies share: numbers and bytes of documents, and what is made of them (<see cref="PolicyUsage"/>). Those who are no administrators fill nine tenths
/// of each together, so that the narrowest role cannot keep out the forbid that an administrator has to write. Half of that is divided equally among whom roles
/// name: what one of them leaves of their part nobody else fills, so that however many of them cannot keep out what another has to write.
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
    public static string? WhyBeyondShare(ControlPlaneState state, PolicyEdit edit, CapabilityPolicy after, PolicyPerson author)
    {
        var (documents, bytes) = After(state, edit);
        var (used, made) = (state.Policy.Usage, after.Usage);
        var others = new UseOfOthers(state, edit, after, author);
        return Why("policies", state.Policies.Count, documents, PolicyRegistry.MaxDocuments, others.Documents)
            ?? Why("bytes of policies", Bytes(state), bytes, PolicyRegistry.MaxTotalBytes, others.Bytes)
            ?? Why("combinations of rules, subjects, capabilities and labels", used.Combinations, made.Combinations, PolicyUsage.MaxCombinations, others.Combinations)
            ?? Why("comparisons of labels", used.LabelSteps, made.LabelSteps, PolicyUsage.MaxLabelSteps, others.LabelSteps)
            ?? Why("keys of signers", used.SignerKeys, made.SignerKeys, CapabilityPolicy.MaxSignerKeys, others.SignerKeys);
    }

    /// <param name="others">How much each other person uses whom a role names; asked only when it matters.</param>
    private static string? Why(string what, long before, long after, long limit, Func<IEnumerable<long>> others)
    {
        var share = limit * Share / 10;
        // More than that is never kept for others.
        if (after <= share - share / 2 || after <= before) return null;
        var used = others().ToList();
        var sure = share / 2 / (used.Count + 1);
        var kept = used.Sum(use => Math.Max(0, sure - use));
        return after <= share - kept ? null
            : $"there would be {after} {what}, of all policies together; of the {limit} there may be, administrators alone write beyond {share}"
                + (kept == 0 ? "" : $", and {kept} are kept for others whom roles name ({used.Count(use => use < sure)}), each of whom is sure of {sure}");
    }

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
