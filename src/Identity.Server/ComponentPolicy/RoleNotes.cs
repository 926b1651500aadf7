using Identity.Policy;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>What a change of roles, or one that leaves them alone, means for people: a sentence each, for whoever made it.</summary>
internal static class RoleNotes
{
    private const int MaxNotes = 20;
    private const int MaxNamed = 10;

    /// <summary>Who must agree to whose changes once this is in force, and who need not any more.</summary>
    public static IEnumerable<string> Of(PolicyEffect effect)
    {
        if (!effect.Edit.TouchesRoles) return [];
        var after = effect.Edit.RolesAfter(effect.State);
        var notes = effect.Edit.RoleSet.Select(set => set.Name).Concat(effect.Edit.RoleDeleted)
            .Select(name => Of(effect.State.Governance.Roles.Read(name), after.Read(name), after)).OfType<string>().ToList();
        return notes.Count <= MaxNotes ? notes : [.. notes.Take(MaxNotes), $"so it is with {notes.Count - MaxNotes} more roles"];
    }

    /// <summary>What a rollback to a revision leaves as it is.</summary>
    public static IEnumerable<string> LeftAlone(ControlPlaneState state, ulong to)
    {
        var changed = state.Governance.RoleHistory.ChangedBetween(to, state.Revision).ToList();
        if (changed.Count > 0)
            yield return $"roles stay as they are; {(changed.Count == 1 ? "one is" : $"{changed.Count} are")} not as at revision {to}: {Some(changed)} (`identity policy roles --at {to}`; `identity apply` changes roles)";
    }

    private static string? Of(PolicyRole? before, PolicyRole? after, RoleBook roles)
    {
        if (after is { Approvals: > 0 }) return Bound(after);
        if (before is not { Approvals: > 0 }) return null;
        var still = before.Members.Any(member => roles.Of(member).Any(role => role.Approvals > 0));
        return $"role {before.Name}: changes by {Some(before.Members)} wait for nobody any more by this role{(still ? "; by another one they do" : "")}";
    }

    private static string Bound(PolicyRole role)
    {
        var administrators = AdminSocket.Administrators.Select(PolicyPerson.Of).ToList();
        var note = $"role {role.Name}: from now on a change by {Some(role.Members)} that lets anybody do more by a policy {Some(role.Policies, "or")}, or takes a forbid away there, waits until "
            + $"{(role.Approvals == 1 ? "another person agrees" : $"{role.Approvals} other people agree")}: {(role.Members.Length > 1 ? "of this role, " : "")}"
            + $"whoever else may make the change by a role, or an administrator ({Some(administrators, "or")})";
        var bound = administrators.Where(role.Members.Contains).ToList();
        return bound.Count == 0 ? note : $"{note}; a change of roles by {Some(bound, "or")} waits likewise, for others of this role or another administrator";
    }

    private static string Some<T>(IReadOnlyList<T> all, string last = "and") => all.Count switch
    {
        1 => $"{all[0]}",
        > MaxNamed => $"{string.Join(", ", all.Take(MaxNamed))} {last} {all.Count - MaxNamed} more",
        _ => $"{string.Join(", ", all.Take(all.Count - 1))} {last} {all[^1]}",
    };
}
