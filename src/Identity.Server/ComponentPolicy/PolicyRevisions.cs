using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Ledger;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What the policies were, and who changed them why. A past revision costs as many reads as it had documents, at most
/// <see cref="PolicyRegistry.MaxDocuments"/>, however long history is.
/// </summary>
internal sealed class PolicyRevisions(ControlPlaneLedger ledger)
{
    private const int MaxChangesShown = 100;

    // Somebody who asks several questions about one past revision compiles it once.
    private CapabilityPolicy? _newestPast;

    /// <summary>A revision that a caller asked for; 0 is the current one.</summary>
    /// <exception cref="RpcException">It is not there yet.</exception>
    public static ulong Check(ulong revision, ControlPlaneState state) =>
        revision == 0 ? state.Revision
        : revision <= state.Revision ? revision
        : throw new RpcException(new Status(StatusCode.InvalidArgument, $"revision {revision} is not there yet; the ledger is at {state.Revision}"));

    /// <summary>When a revision was written.</summary>
    /// <param name="revision">Not 0, and not beyond the state's.</param>
    public DateTimeOffset TimeOf(ulong revision) => ledger.ReadTransactions([revision]).Single().Transaction.At.ToDateTimeOffset();

    /// <summary>The documents in force at a revision, by name in ordinal order.</summary>
    /// <param name="revision">Not beyond the state's.</param>
    public IReadOnlyList<Ledger.AppliedPolicy> DocumentsAt(ControlPlaneState state, ulong revision)
    {
        return state.PolicyRevision <= revision ? [.. state.Policies.Values] : Read(state.Governance.History.InForceAt(revision).ToList(), change => change.PolicySet);
    }

    /// <summary>The roles in force at a revision, by name in ordinal order.</summary>
    /// <param name="revision">Not beyond the state's.</param>
    public IReadOnlyList<Ledger.AppliedPolicy> RolesAt(ControlPlaneState state, ulong revision) =>
        state.Governance.RoleRevision <= revision ? [.. state.Governance.Roles.Documents] : Read(state.Governance.RoleHistory.InForceAt(revision).ToList(), change => change.PolicyRoleSet);

    private List<Ledger.AppliedPolicy> Read(List<(string Name, ulong Revision)> inForce, Func<Change, PolicyRecord?> documentOf)
    {
        var byRevision = inForce.ToLookup(document => document.Revision, document => document.Name);
        var found = new List<Ledger.AppliedPolicy>(inForce.Count);
        foreach (var (at, transaction) in ledger.ReadTransactions(byRevision.Select(group => group.Key)))
        {
            var names = byRevision[at].ToHashSet(StringComparer.Ordinal);
            // The last word of a transaction about a name is the one that counts, as in the fold.
            found.AddRange(transaction.Changes.Select(documentOf).OfType<PolicyRecord>().Reverse()
                .Where(set => names.Remove(set.Name)).Select(set => Ledger.AppliedPolicy.Of(set, transaction, at)));
        }

        return [.. found.OrderBy(document => document.Name, StringComparer.Ordinal)];
    }

    /// <summary>The policy that decided at a revision.</summary>
    public CapabilityPolicy PolicyAt(ControlPlaneState state, ulong revision)
    {
        if (state.PolicyRevision <= revision) return state.Policy;
        var changed = (long)state.Governance.History.LastChange(revision);
        if (Volatile.Read(ref _newestPast) is { } known && known.Revision == changed) return known;
        var policy = Ledger.AppliedPolicy.Compile(DocumentsAt(state, revision), (ulong)changed);
        Volatile.Write(ref _newestPast, policy);
        return policy;
    }

    /// <summary>Revisions that changed a policy, or a role that says who may change one; the newest first.</summary>
    /// <param name="name">Of a policy or a role; null for any.</param>
    public IEnumerable<PolicyRevision> List(ControlPlaneState state, int limit, ulong before, string? name)
    {
        var governance = state.Governance;
        var end = before == 0 ? state.Revision + 1 : before;
        var revisions = governance.History.Revisions(end, name).Take(limit).Union(governance.RoleHistory.Revisions(end, name).Take(limit)).OrderDescending().Take(limit).ToList();
        foreach (var (revision, transaction) in ledger.ReadTransactions(revisions))
        {
            var changes = transaction.Changes.Select(change => ChangeOf(change, governance, revision)).OfType<PolicyChange>().ToList();
            var line = new PolicyRevision
            {
                Revision = revision,
                At = transaction.At,
                Author = transaction.Author,
                Reason = transaction.Reason,
                Changed = changes.Count,
            };
            line.Changes.AddRange(changes.Take(MaxChangesShown));
            yield return line;
        }
    }

    private static PolicyChange? ChangeOf(Change change, PolicyGovernance governance, ulong revision) => change.ChangeCase switch
    {
        Change.ChangeOneofCase.PolicySet => new() { Name = change.PolicySet.Name, Kind = KindOf(change.PolicySet.Name, governance.History, revision) },
        Change.ChangeOneofCase.PolicyDeleted => new() { Name = change.PolicyDeleted, Kind = PolicyChange.Types.Kind.Deleted },
        Change.ChangeOneofCase.PolicyRoleSet => new() { Name = change.PolicyRoleSet.Name, Kind = KindOf(change.PolicyRoleSet.Name, governance.RoleHistory, revision), Role = true },
        Change.ChangeOneofCase.PolicyRoleDeleted => new() { Name = change.PolicyRoleDeleted, Kind = PolicyChange.Types.Kind.Deleted, Role = true },
        _ => null,
    };

    private static PolicyChange.Types.Kind KindOf(string name, PolicyHistory history, ulong revision) =>
        history.WasInForce(name, revision - 1) ? PolicyChange.Types.Kind.Updated : PolicyChange.Types.Kind.Created;
}
