using System.Collections.Immutable;
using Identity.Ledger.V1;

namespace Identity.Server.Ledger;

/// <summary>Who may change policy, what waits for approval or is being tried, and what was in force when. Immutable.</summary>
/// <param name="Proposals">Open ones by id.</param>
/// <param name="Stages">Staged changes by id; of those that are over only the newest are kept.</param>
/// <param name="History">Of policies.</param>
/// <param name="RoleHistory">Of roles, which may be called as policies are.</param>
/// <param name="RoleRevision">The last revision at which a role changed.</param>
internal sealed record PolicyGovernance(
    RoleBook Roles,
    ImmutableSortedDictionary<string, OpenProposal> Proposals,
    ImmutableSortedDictionary<string, PolicyStage> Stages,
    PolicyHistory History,
    PolicyHistory RoleHistory,
    ulong RoleRevision)
{
    private const int StagesKept = 100;

    public static PolicyGovernance Empty { get; } = new(
        RoleBook.Empty,
        ImmutableSortedDictionary.Create<string, OpenProposal>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, PolicyStage>(StringComparer.Ordinal),
        PolicyHistory.Empty,
        PolicyHistory.Empty,
        0);

    /// <summary>What a change makes of it; the same object when the change is about something else.</summary>
    public PolicyGovernance Apply(Change change, Transaction by, ulong revision) => change.ChangeCase switch
    {
        Change.ChangeOneofCase.PolicySet => this with { History = History.Add(revision, change.PolicySet.Name, isDeleted: false) },
        Change.ChangeOneofCase.PolicyDeleted => this with { History = History.Add(revision, change.PolicyDeleted, isDeleted: true) },
        Change.ChangeOneofCase.PolicyRoleSet => this with
        {
            Roles = Roles.Set(AppliedPolicy.Of(change.PolicyRoleSet, by, revision)),
            RoleHistory = RoleHistory.Add(revision, change.PolicyRoleSet.Name, isDeleted: false),
            RoleRevision = revision,
        },
        Change.ChangeOneofCase.PolicyRoleDeleted => this with
        {
            Roles = Roles.Remove(change.PolicyRoleDeleted),
            RoleHistory = RoleHistory.Add(revision, change.PolicyRoleDeleted, isDeleted: true),
            RoleRevision = revision,
        },
        Change.ChangeOneofCase.PolicyProposed => this with { Proposals = Unexpired(by).SetItem(change.PolicyProposed.Id, new(change.PolicyProposed, [])) },
        Change.ChangeOneofCase.PolicyApproved => this with { Proposals = Approve(change.PolicyApproved) },
        Change.ChangeOneofCase.PolicyProposalClosed => this with { Proposals = Proposals.Remove(change.PolicyProposalClosed.ProposalId) },
        Change.ChangeOneofCase.PolicyStageSet => this with { Stages = Set(change.PolicyStageSet) },
        _ => this,
    };

    private ImmutableSortedDictionary<string, OpenProposal> Approve(PolicyApproval approval) =>
        Proposals.TryGetValue(approval.ProposalId, out var open)
            ? Proposals.SetItem(approval.ProposalId, open with { Approvals = open.Approvals.Add(approval) })
            : Proposals;

    // By the transaction's own time, so that every fold of the same transactions gives the same state.
    private ImmutableSortedDictionary<string, OpenProposal> Unexpired(Transaction by) =>
        Proposals.RemoveRange(Proposals.Values.Where(open => open.Proposal.ExpiresAt <= by.At).Select(open => open.Proposal.Id));

    /// <summary>
    /// With the names of its documents alone. What is over is shown, and not tried any more: its documents stay in the ledger, not in memory. And a record of what
    /// becomes of a staged change does not say them again.
    /// </summary>
    public static PolicyStage WithoutDocuments(PolicyStage stage)
    {
        var over = stage.Clone();
        foreach (var set in over.Set) set.Text = "";
        return over;
    }

    private PolicyStage WithDocuments(PolicyStage stage)
    {
        if (!Stages.TryGetValue(stage.Id, out var known)) return stage;
        var texts = known.Set.ToDictionary(set => set.Name, set => set.Text, StringComparer.Ordinal);
        var whole = stage.Clone();
        foreach (var set in whole.Set.Where(set => set.Text.Length == 0)) set.Text = texts.GetValueOrDefault(set.Name, "");
        return whole;
    }

    private ImmutableSortedDictionary<string, PolicyStage> Set(PolicyStage stage)
    {
        var stages = Stages.SetItem(stage.Id, stage.State == PolicyStage.Types.State.Soaking ? WithDocuments(stage) : WithoutDocuments(stage));
        var over = stages.Values.Where(s => s.State != PolicyStage.Types.State.Soaking).OrderByDescending(s => s.CreatedAt).Skip(StagesKept).Select(s => s.Id);
        return stages.RemoveRange([.. over]);
    }
}

/// <summary>A proposal that is neither applied nor withdrawn, and who approved it so far. It may have expired or become stale.</summary>
internal sealed record OpenProposal(PolicyProposal Proposal, ImmutableArray<PolicyApproval> Approvals);
