using System.Security.Cryptography;
using Google.Protobuf;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Ledger;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>Documents to put into force and to take out, together or not at all.</summary>
internal sealed record PolicyEdit(
    IReadOnlyList<PolicyRecord> Set, IReadOnlyList<string> Deleted, IReadOnlyList<PolicyRecord> RoleSet, IReadOnlyList<string> RoleDeleted)
{
    public bool IsEmpty => Set.Count + Deleted.Count + RoleSet.Count + RoleDeleted.Count == 0;

    public bool TouchesRoles => RoleSet.Count + RoleDeleted.Count > 0;

    /// <summary>Names of the policies it sets or deletes.</summary>
    public IEnumerable<string> Names => Set.Select(set => set.Name).Concat(Deleted);

    public static PolicyEdit Of(PolicyProposal proposal) => new(proposal.Set, proposal.Deleted, proposal.RoleSet, proposal.RoleDeleted);

    public static PolicyEdit Of(PolicyStage stage) => new(stage.Set, stage.Deleted, [], []);

    /// <summary>Without what is in force already.</summary>
    public PolicyEdit Against(ControlPlaneState state) => new(
        [.. Set.Where(set => state.Policies.GetValueOrDefault(set.Name)?.Text != set.Text)],
        [.. Deleted.Where(state.Policies.ContainsKey)],
        [.. RoleSet.Where(set => state.Governance.Roles.Find(set.Name)?.Text != set.Text)],
        [.. RoleDeleted.Where(name => state.Governance.Roles.Find(name) is not null)]);

    /// <summary>The policy it makes of the state's.</summary>
    public CapabilityPolicy ApplyTo(ControlPlaneState state)
    {
        var after = state.Policies.ToBuilder();
        foreach (var set in Set) after[set.Name] = new Ledger.AppliedPolicy(new StoredPolicy(set.Name, set.Text), 0, default, "");
        after.RemoveRange(Deleted);
        return Ledger.AppliedPolicy.Compile(after.Values, (ulong)state.Policy.Revision);
    }

    /// <summary>The roles it makes of the state's.</summary>
    public RoleBook RolesAfter(ControlPlaneState state)
    {
        var roles = RoleDeleted.Aggregate(state.Governance.Roles, (book, name) => book.Remove(name));
        return RoleSet.Aggregate(roles, (book, set) => book.Set(new Ledger.AppliedPolicy(new StoredPolicy(set.Name, set.Text), 0, default, "")));
    }

    /// <param name="author">Whose text it is, when the transaction is somebody else's; empty otherwise.</param>
    public IEnumerable<Change> Changes(string author = "") =>
    [
        .. Set.Select(set => new Change { PolicySet = By(set, author) }),
        .. Deleted.Select(name => new Change { PolicyDeleted = name }),
        .. RoleSet.Select(set => new Change { PolicyRoleSet = By(set, author) }),
        .. RoleDeleted.Select(name => new Change { PolicyRoleDeleted = name }),
    ];

    /// <summary>One line a document, the unchanged ones included.</summary>
    public IEnumerable<PolicyChange> Answers(ControlPlaneState state) =>
    [
        .. Set.Select(set => new PolicyChange { Name = set.Name, Kind = KindOf(set, state.Policies.GetValueOrDefault(set.Name)) }),
        .. Deleted.Select(name => new PolicyChange { Name = name, Kind = PolicyChange.Types.Kind.Deleted }),
        .. RoleSet.Select(set => new PolicyChange { Name = set.Name, Role = true, Kind = KindOf(set, state.Governance.Roles.Find(set.Name)) }),
        .. RoleDeleted.Select(name => new PolicyChange { Name = name, Role = true, Kind = PolicyChange.Types.Kind.Deleted }),
    ];

    /// <summary>What an approver says yes to: who asks for which bytes, of which policies it was thought, and how it is tried.</summary>
    /// <param name="plan">Null when it is put into force at once.</param>
    public byte[] Hash(PolicyPerson person, ulong baseRevision, string reason, PolicyStagePlan? plan)
    {
        var whole = new PolicyProposal { Person = person.Text, BaseRevision = baseRevision, Reason = reason, Stage = plan };
        whole.Set.AddRange(Set);
        whole.Deleted.AddRange(Deleted);
        whole.RoleSet.AddRange(RoleSet);
        whole.RoleDeleted.AddRange(RoleDeleted);
        // Length-prefixed fields in the order of their numbers and no map among them: one message has one serialization.
        return SHA256.HashData(whole.ToByteArray());
    }

    private static PolicyRecord By(PolicyRecord set, string author) => new() { Name = set.Name, Text = set.Text, Author = author };

    private static PolicyChange.Types.Kind KindOf(PolicyRecord set, Ledger.AppliedPolicy? known) =>
        known is null ? PolicyChange.Types.Kind.Created
        : known.Text == set.Text ? PolicyChange.Types.Kind.Unchanged
        : PolicyChange.Types.Kind.Updated;
}
