using Identity.Policy;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;

namespace Identity.Server.ComponentPolicy;

/// <summary>May this person change policy so, and who else must agree?</summary>
internal abstract record PolicyGateAnswer
{
    private PolicyGateAnswer() { }

    public sealed record Free : PolicyGateAnswer;

    /// <param name="Approvals">How many other people must say yes.</param>
    public sealed record NeedsApproval(int Approvals) : PolicyGateAnswer;

    /// <param name="Reason">For the person; what would have to be otherwise.</param>
    public sealed record Refused(string Reason) : PolicyGateAnswer;
}

/// <summary>
/// The roles applied to one change. Administrators (the server's own user and root) may change anything, the roles too; everyone else only what
/// some role of theirs covers whole, both what is replaced or deleted and what comes instead. Of all roles that name a person and a policy the
/// strictest demand for approval counts, for administrators too; a policy whose forbid is lifted counts as changed, wherever that is done.
/// </summary>
internal static class PolicyGate
{
    public static PolicyGateAnswer Judge(PolicyEffect effect, PolicyPerson person)
    {
        if (WhyRefused(effect, person) is { } problem) return new PolicyGateAnswer.Refused(problem);
        var approvals = effect.State.Governance.Roles.Unreadable is null ? Demand(effect, person) : 0;
        return approvals > 0
            ? new PolicyGateAnswer.NeedsApproval(approvals)
            : new PolicyGateAnswer.Free();
    }

    /// <summary>Why this person may not change policy so, whatever it would do; null when they may. Nothing is compiled or compared for it.</summary>
    public static string? WhyRefused(PolicyEffect effect, PolicyPerson person)
    {
        if (effect.State.Governance.Roles.Unreadable is not { } unreadable) return effect.WhyUncovered(person);
        var edit = effect.Edit;
        return IsAdmin(person) && edit is { Set.Count: 0, Deleted.Count: 0 } && edit.RoleSet.Select(set => set.Name).Concat(edit.RoleDeleted).All(name => name == unreadable)
            ? null
            : $"the role {Quote.From(unreadable)} cannot be read, so nobody knows whom it binds; an administrator must replace or delete it first";
    }

    /// <summary>
    /// Whether this person's word counts for somebody else's change: they could make it themselves, or it is about roles and a role that has the proposer ask
    /// others names them too.
    /// </summary>
    public static string? WhyNoApprover(PolicyEffect effect, PolicyPerson proposer, PolicyPerson approver)
    {
        if (proposer == approver) return "nobody approves their own proposal";
        var (state, edit) = (effect.State, effect.Edit);
        return edit.TouchesRoles && Others(state.Governance.Roles, proposer).Contains(approver)
            ? FindProblem(state, edit with { RoleSet = [], RoleDeleted = [] }, approver)
            : effect.WhyUncovered(approver);
    }

    /// <summary>Why nobody could ever change a role again once this is in force; null when an administrator could, alone or with others' approval.</summary>
    public static string? WhyLockedOut(PolicyEffect effect)
    {
        if (!effect.Edit.TouchesRoles) return null;
        var roles = effect.Edit.RolesAfter(effect.State);
        var administrators = AdminSocket.Administrators.Select(PolicyPerson.Of).ToList();
        var asked = administrators.Select(person => (Person: person, Needed: Demand(roles.Of(person)), Others: administrators.Concat(Others(roles, person)).Distinct().Count(other => other != person))).ToList();
        return asked.All(one => one.Needed > one.Others)
            ? $"nobody could ever change or remove a role again: {string.Join("; ", asked.Select(one => $"{one.Person} would need {one.Needed} to agree, and {one.Others} could"))}. "
                + "Name more members in the role, ask for fewer approvals, or leave one of them unbound"
            : null;
    }

    private static IEnumerable<PolicyPerson> Others(RoleBook roles, PolicyPerson person) =>
        roles.Of(person).Where(role => role.Approvals > 0).SelectMany(role => role.Members).Where(other => other != person);

    private static int Demand(PolicyEffect effect, PolicyPerson person)
    {
        var (edit, demanding) = (effect.Edit, effect.State.Governance.Roles.Of(person).Where(role => role.Approvals > 0).ToList());
        // A role is the lock on everything it names, so whoever it binds anywhere is bound when changing roles.
        if (demanding.Count == 0 || edit.TouchesRoles) return Demand(demanding);
        var difference = effect.Difference;
        // A forbid that only a policy under a weaker lock says any more could be taken from there next.
        var isWider = difference.Widens || difference.LiftsForbids || difference.Moved.Any(moved => DemandOf(moved.From) > moved.StillIn.Select(DemandOf).DefaultIfEmpty(0).Max());
        return isWider ? edit.Names.Concat(difference.LiftedFrom).Select(DemandOf).DefaultIfEmpty(0).Max() : 0;

        int DemandOf(string policy) => Demand(demanding.Where(role => role.CoversName(policy)));
    }

    private static int Demand(IEnumerable<PolicyRole> roles) => roles.Select(role => role.Approvals).DefaultIfEmpty(0).Max();

    /// <summary>Of the roles alone; asked through <see cref="PolicyEffect.WhyUncovered"/>, which remembers.</summary>
    public static string? FindProblem(ControlPlaneState state, PolicyEdit edit, PolicyPerson person)
    {
        if (IsAdmin(person)) return null;
        if (edit.TouchesRoles) return "roles are changed by administrators only: the server's own user and root";
        var own = state.Governance.Roles.Of(person).ToList();
        if (own.Count == 0) return $"no role names {person}";
        var after = edit.Set.ToDictionary(set => set.Name, set => set.Text, StringComparer.Ordinal);
        foreach (var name in edit.Names)
        {
            // However many roles there are, a text is read once.
            var before = new Lazy<Written>(() => Written.Of(state.Policies.GetValueOrDefault(name)?.Text));
            var written = new Lazy<Written>(() => Written.Of(after.GetValueOrDefault(name)));
            string? nearest = null;
            if (!own.Any(role => Covers(role, name, before, ref nearest) && Covers(role, name, written, ref nearest)))
                return $"{person} may not change the policy {Quote.From(name)}: {nearest}";
        }

        return null;
    }

    private static bool Covers(PolicyRole role, string name, Lazy<Written> text, ref string? nearest)
    {
        string? problem = null;
        var covers = role.CoversName(name) && (text.Value.IsNothing || (text.Value.Document is { } document && role.Covers(document, out problem)));
        if (!covers && (problem is not null || nearest is null)) nearest = problem ?? $"the role {role.Name} is not about policies of this name";
        return covers;
    }

    public static bool IsAdmin(PolicyPerson person) => person.Uid is { } uid && AdminSocket.IsAdmin(uid);

    /// <summary>A policy as it stands, or would stand; neither a document nor nothing when it cannot be read.</summary>
    private sealed record Written(bool IsNothing, PolicyDocument? Document)
    {
        public static Written Of(string? text) => new(text is null, text is not null && PolicyParser.TryParse(text, out var document, out _, isStored: true) ? document : null);
    }
}
