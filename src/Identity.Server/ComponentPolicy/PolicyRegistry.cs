using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Administration;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Puts policies and roles into force and takes them out: all that was sent, or none. What the caller's role lets nobody do alone becomes a
/// proposal instead.
/// </summary>
internal sealed class PolicyRegistry(ControlPlaneLedger ledger, PolicyRevisions revisions, TimeProvider time) : IDisposable
{
    public const int MaxDocuments = 1000;
    public const int MaxDocumentBytes = 1 << 20;
    public const int MaxReasonBytes = 1024;

    /// <summary>Documents in force together, bytes of UTF-8: what every agent is sent.</summary>
    public const long MaxTotalBytes = 32 << 20;

    // Writers of policy wait for one another here: a thousand who try at once would otherwise undo each other's attempts.
    private readonly SemaphoreSlim _turn = new(1);

    public Task<ApplyPoliciesResponse> ApplyAsync(ApplyPoliciesRequest request, Caller caller, CancellationToken cancellation)
    {
        var edit = PolicyEditParser.Parse(request.Documents, [], []);
        return ChangeAsync(
            caller,
            state =>
            {
                RefuseStale(request.ExpectedRevision, state);
                return edit;
            },
            request.Reason.Length > 0 ? request.Reason : "apply policies",
            cancellation);
    }

    public Task<ApplyPoliciesResponse> DeleteAsync(DeletePoliciesRequest request, Caller caller, CancellationToken cancellation)
    {
        var edit = PolicyEditParser.Parse([], request.Names, request.Roles);
        return ChangeAsync(
            caller,
            state =>
            {
                RefuseStale(request.ExpectedRevision, state);
                RefuseMissing(edit, state);
                return edit;
            },
            request.Reason.Length > 0 ? request.Reason : "delete policies",
            cancellation);
    }

    public Task<ApplyPoliciesResponse> RollbackAsync(RollbackRequest request, Caller caller, CancellationToken cancellation) => ChangeAsync(
        caller,
        state =>
        {
            RefuseUnseen(request.ExpectedRevision, state);
            if (request.ToRevision > state.Revision)
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, $"to_revision is {request.ToRevision} but the ledger is at {state.Revision}"));
            }

            var then = revisions.DocumentsAt(state, request.ToRevision);
            var names = then.Select(document => document.Name).ToHashSet(StringComparer.Ordinal);
            return new PolicyEdit(
                [.. then.Select(document => new PolicyRecord { Name = document.Name, Text = document.Text })],
                [.. state.Policies.Keys.Where(name => !names.Contains(name))],
                [],
                []).Against(state);
        },
        $"roll back to revision {request.ToRevision}: {request.Reason}",
        cancellation);

    /// <summary>Runs a change of policy in its turn.</summary>
    public async Task<T> InTurnAsync<T>(Func<Task<T>> change, CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation);
        try
        {
            return await change();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <exception cref="RpcException">So many documents, or so large, may not be in force together.</exception>
    public static void RefuseTooMuch(PolicyEffect effect)
    {
        var (state, edit) = (effect.State, effect.Edit);
        var after = state.Policies.ToDictionary(known => known.Key, known => known.Value.Text, StringComparer.Ordinal);
        foreach (var set in edit.Set) after[set.Name] = set.Text;
        foreach (var name in edit.Deleted) after.Remove(name);
        var roles = state.Governance.Roles.Count + edit.RoleSet.Count(set => state.Governance.Roles.Find(set.Name) is null) - edit.RoleDeleted.Count;
        if (after.Count > MaxDocuments || roles > MaxDocuments)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, $"there would be {after.Count} policies and {roles} roles; at most {MaxDocuments} of each are allowed"));
        }

        if (after.Values.Sum(text => (long)System.Text.Encoding.UTF8.GetByteCount(text)) is > MaxTotalBytes and var bytes)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"all policies together would have {bytes} bytes; at most {MaxTotalBytes} are allowed"));
        }

        if (effect.After.Unreadable is { } unreadable && state.Policy.Unreadable is null)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"together with the policies in force these would deny everything: {unreadable}; nothing was changed"));
        }
    }

    /// <exception cref="RpcException">A policy or role changed after what the caller has seen.</exception>
    public static void RefuseUnseen(ulong expected, ControlPlaneState state)
    {
        var newest = Math.Max(state.PolicyRevision, state.Governance.RoleRevision);
        if (expected < newest || expected > state.Revision)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, $"expected_revision is {expected} but policy last changed at revision {newest}; look at what changed since and decide anew"));
        }
    }

    private Task<ApplyPoliciesResponse> ChangeAsync(Caller caller, Func<ControlPlaneState, PolicyEdit> make, string reason, CancellationToken cancellation)
    {
        var person = caller.Person ?? throw new RpcException(new Status(StatusCode.PermissionDenied, "this caller changes no policy"));
        return InTurnAsync(
            async () =>
            {
                // What came meanwhile and is no policy or role decides nothing here: comparing policies anew for each would let a busy ledger keep
                // a change out for ever.
                (ulong Base, Proposal<ApplyPoliciesResponse> Answer)? decided = null;
                var (response, state) = await ledger.ChangeAsync(
                    caller.Author,
                    current =>
                    {
                        var edit = make(current);
                        var at = PolicyProposals.Base(current);
                        if (decided?.Base != at) decided = (at, Decide(current, edit, person, reason));
                        return decided.Value.Answer;
                    },
                    cancellation);
                if (response.Revision == 0) response.Revision = state.Revision;
                return response;
            },
            cancellation);
    }

    private Proposal<ApplyPoliciesResponse> Decide(ControlPlaneState state, PolicyEdit whole, PolicyPerson person, string reason)
    {
        var edit = whole.Against(state);
        var response = new ApplyPoliciesResponse { Changes = { whole.Answers(state) } };
        if (edit.IsEmpty)
        {
            // Nothing is written, but what may not be asked is not answered either.
            if (PolicyGate.Judge(state, whole, person, time.GetUtcNow()) is PolicyGateAnswer.Refused no) throw Refusal(no);
            return new(response, [], reason);
        }

        var effect = new PolicyEffect(state, edit, time.GetUtcNow());
        RefuseUnpermitted(effect, person);
        RefuseTooMuch(effect);
        switch (PolicyGate.Judge(effect, person))
        {
            case PolicyGateAnswer.Free:
                return new(response, [.. edit.Changes()], reason);
            case PolicyGateAnswer.NeedsApproval:
                var proposal = PolicyProposals.Draft(effect, person, reason, plan: null);
                foreach (var change in response.Changes.Where(change => change.Kind != PolicyChange.Types.Kind.Unchanged)) change.Kind = PolicyChange.Types.Kind.Proposed;
                response.Proposal = ProposalText.Of(effect, new OpenProposal(proposal, []));
                return new(response, [new Change { PolicyProposed = proposal }], $"propose: {reason}");
            case PolicyGateAnswer.Refused refused:
                throw Refusal(refused);
            default:
                throw new RpcException(new Status(StatusCode.PermissionDenied, "there is no decision about this change"));
        }
    }

    /// <exception cref="RpcException">This person may not do that. Asked before anything that costs more is.</exception>
    public static void RefuseUnpermitted(PolicyEffect effect, PolicyPerson person)
    {
        if (PolicyGate.WhyRefused(effect.State, effect.Edit, person) is { } why) throw Refusal(new PolicyGateAnswer.Refused(why));
    }

    public static RpcException Refusal(PolicyGateAnswer.Refused refused) => new(new Status(StatusCode.PermissionDenied, $"{refused.Reason}; nothing was changed"));

    public void Dispose() => _turn.Dispose();

    private static void RefuseMissing(PolicyEdit edit, ControlPlaneState state)
    {
        var missing = edit.Deleted.Where(name => !state.Policies.ContainsKey(name)).Select(name => $"policy named {Quote.From(name)}")
            .Concat(edit.RoleDeleted.Where(name => state.Governance.Roles.Find(name) is null).Select(name => $"role named {Quote.From(name)}")).Take(10).ToList();
        if (missing.Count > 0)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"there is no {string.Join(", no ", missing)}; nothing was deleted"));
        }
    }

    private static void RefuseStale(ulong expected, ControlPlaneState state)
    {
        if (expected != 0 && expected != state.Revision)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, $"expected_revision is {expected} but the ledger is at {state.Revision}; read the policies again and decide anew"));
        }
    }
}
