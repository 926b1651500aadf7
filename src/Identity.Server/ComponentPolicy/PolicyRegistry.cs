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

    // How often a change that others overtook is decided anew before its turn; the next time it is decided within.
    private const int MaxAhead = 2;
    private const int ComparedAtOnce = 8;
    private const int MaxUnderWayOfOne = 16;

    // In a transaction, beside its documents: who and why, the steps of a plan, and the length of each part.
    private const int RoomBeside = 64 << 10;
    private const int SizeOfLength = 8;
    private const int MaxNamedFirst = 20;

    // What one author who is no administrator may write, in KiB: the ledger forgets nothing, so whoever proposes and withdraws again and again would fill the disk.
    private const int KibibytesAtOnce = 64 << 10;
    private const int MaxAuthors = 100_000;
    private static readonly TimeSpan EachKibibyte = TimeSpan.FromSeconds(1);

    private readonly TokenBuckets<string> _written = new(time, KibibytesAtOnce, EachKibibyte, MaxAuthors);

    // Writers of policy wait for one another here: a thousand who try at once would otherwise undo each other's attempts.
    private readonly SemaphoreSlim _turn = new(1);

    // Where it is compared what a change would do, so that one person's costly changes take one processor at most.
    private readonly AuthorLanes _ahead = new(ComparedAtOnce, MaxUnderWayOfOne);

    /// <inheritdoc cref="AuthorLanes.Enter"/>
    public IDisposable Enter(Caller caller) => _ahead.Enter(caller.Author);

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
            ReasonOf(request.Reason),
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
            ReasonOf(request.Reason),
            cancellation);
    }

    public async Task<ApplyPoliciesResponse> RollbackAsync(RollbackRequest request, Caller caller, CancellationToken cancellation)
    {
        IEnumerable<string> left = [];
        IReadOnlyList<Ledger.AppliedPolicy>? past = null;
        var response = await ChangeAsync(caller, state =>
        {
            RefuseUnseen(request.ExpectedRevision, state);
            if (request.ToRevision > state.Revision)
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, $"to_revision is {request.ToRevision} but the ledger is at {state.Revision}"));
            }

            // What was in force then does not change, however often others write meanwhile: it is read once.
            var then = past ??= revisions.DocumentsAt(state, request.ToRevision);
            var names = then.Select(document => document.Name).ToHashSet(StringComparer.Ordinal);
            var edit = new PolicyEdit(
                [.. then.Select(document => new PolicyRecord { Name = document.Name, Text = document.Text })],
                [.. state.Policies.Keys.Where(name => !names.Contains(name))],
                [],
                []).Against(state);
            left = RoleNotes.LeftAlone(state, request.ToRevision);
            return Bounded(edit, state, request.ToRevision);
        }, $"roll back to revision {request.ToRevision}: {request.Reason}", cancellation);
        response.Notes.AddRange(left);
        return response;
    }

    /// <summary>
    /// Decides about a change of policy and writes it in its turn. What it would do is compared before the turn comes, so that a costly change holds up nobody
    /// else; only one that other changes of policy overtake again and again is compared within.
    /// </summary>
    /// <param name="decide">Called for each attempt; what costs it keeps from one to the next (<see cref="PolicyEffects"/>).</param>
    /// <returns>The answer, and the state it holds in.</returns>
    public async Task<(T Answer, ControlPlaneState State)> DecideAsync<T>(string author, Func<ControlPlaneState, Proposal<T>> decide, CancellationToken cancellation)
    {
        var charged = Charged(author, decide);
        for (var ahead = 0; ; ahead++)
        {
            var seen = ledger.State;
            if (ahead < MaxAhead) await _ahead.RunAsync(author, () => decide(seen), cancellation);
            await _turn.WaitAsync(cancellation);
            try
            {
                if (ahead < MaxAhead && PolicyProposals.Base(ledger.State) != PolicyProposals.Base(seen)) continue;
                return await ledger.ChangeAsync(author, charged, cancellation);
            }
            finally
            {
                _turn.Release();
            }
        }
    }

    /// <summary>Writes a change of policy in its turn, of which nothing has to be compared.</summary>
    public Task<(T Answer, ControlPlaneState State)> ChangeInTurnAsync<T>(string author, Func<ControlPlaneState, Proposal<T>> decide, CancellationToken cancellation) =>
        InTurnAsync(() => ledger.ChangeAsync(author, Charged(author, decide), cancellation), cancellation);

    /// <summary>Runs a change of policy in its turn, of which nothing has to be compared, and that nobody is charged for.</summary>
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

    /// <param name="author">Who asks for it, whoever agreed.</param>
    /// <exception cref="RpcException">
    /// These documents may not be in force together: too many, too large, more than this author may fill, or such that nobody could change them any more.
    /// </exception>
    public static void RefuseUnfit(PolicyEffect effect, PolicyPerson author)
    {
        if (FindUnfit(effect, author) is { } unfit) throw new RpcException(unfit);
    }

    /// <summary>Why these documents may not be in force together; null when they may.</summary>
    public static string? WhyUnfit(PolicyEffect effect, PolicyPerson author) => FindUnfit(effect, author)?.Detail;

    private static Status? FindUnfit(PolicyEffect effect, PolicyPerson author)
    {
        if (effect.Excess is { } excess) return new Status(StatusCode.ResourceExhausted, excess);
        if (PolicyGate.WhyLockedOut(effect) is { } lockedOut) return new Status(StatusCode.FailedPrecondition, $"{lockedOut}; nothing was changed");
        if (effect.After.Unreadable is { } unreadable && effect.State.Policy.Unreadable is null)
            return new Status(StatusCode.InvalidArgument, $"together with the policies in force these would deny everything: {unreadable}; nothing was changed");
        return effect.WhyBeyondShare(author) is { } beyond ? new Status(StatusCode.ResourceExhausted, $"{beyond}; nothing was changed") : null;
    }

    /// <exception cref="RpcException">A policy or role changed after what the caller has seen.</exception>
    public static void RefuseUnseen(ulong expected, ControlPlaneState state)
    {
        var newest = Math.Max(state.PolicyRevision, state.Governance.RoleRevision);
        if (expected < newest || expected > state.Revision)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, $"the revision expected is {expected}, but {(state.Governance.RoleRevision > state.PolicyRevision ? "a role" : "a policy")} changed at revision {newest} (`identity ledger log` has both); look at what changed since and decide anew"));
        }
    }

    private async Task<ApplyPoliciesResponse> ChangeAsync(Caller caller, Func<ControlPlaneState, PolicyEdit> make, string reason, CancellationToken cancellation)
    {
        var person = caller.Person ?? throw new RpcException(new Status(StatusCode.PermissionDenied, "this caller changes no policy"));
        var effects = new PolicyEffects(time);
        var (response, state) = await DecideAsync(
            caller.Author,
            current =>
            {
                var whole = make(current);
                return Decide(effects.In(current, () => whole.Against(current)), whole, person, reason);
            },
            cancellation);
        if (response.Revision == 0) response.Revision = state.Revision;
        return response;
    }

    private static Proposal<ApplyPoliciesResponse> Decide(PolicyEffect effect, PolicyEdit whole, PolicyPerson person, string reason)
    {
        var response = new ApplyPoliciesResponse { Changes = { whole.Answers(effect.State) } };
        if (effect.Edit.IsEmpty)
        {
            // Nothing is written, but what may not be asked is not answered either.
            RefuseUnpermitted(new PolicyEffect(effect.State, whole, effect.Now), person);
            return new(response, [], reason);
        }

        RefuseUnpermitted(effect, person);
        RefuseUnfit(effect, person);
        switch (PolicyGate.Judge(effect, person))
        {
            case PolicyGateAnswer.Free:
                response.Notes.AddRange(RoleNotes.Of(effect));
                return new(response, [.. effect.Edit.Changes()], reason);
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
        if (PolicyGate.WhyRefused(effect, person) is { } why) throw Refusal(new PolicyGateAnswer.Refused(why));
    }

    public static RpcException Refusal(PolicyGateAnswer.Refused refused) => new(new Status(StatusCode.PermissionDenied, $"{refused.Reason}; nothing was changed"));

    public void Dispose()
    {
        _turn.Dispose();
        _ahead.Dispose();
    }

    // However often others make it be decided again, a change is paid for once.
    private Func<ControlPlaneState, Proposal<T>> Charged<T>(string author, Func<ControlPlaneState, Proposal<T>> decide)
    {
        var paid = 0;
        return state =>
        {
            var proposal = decide(state);
            if (AuthorLanes.IsAdministrator(author) || proposal.Changes.Count == 0) return proposal;
            // Each is remembered by name for ever, however small it is.
            var kibibytes = (int)Math.Min(proposal.Changes.Sum(change => change.CalculateSize() / 1024L + 1), KibibytesAtOnce);
            if (kibibytes > paid && !_written.TryTake(author, kibibytes - paid))
            {
                throw new RpcException(new Status(
                    StatusCode.ResourceExhausted,
                    $"{author} has written more than {KibibytesAtOnce / 1024} MiB of changes lately, and after that may write 1 KiB each second; write less often, or ask an administrator; nothing was changed"));
            }

            paid = Math.Max(paid, kibibytes);
            return proposal;
        };
    }

    // A rollback has no smaller parts of its own; but what is put back by hand before it is in force already.
    private static PolicyEdit Bounded(PolicyEdit edit, ControlPlaneState state, ulong to)
    {
        if (SizeOf(edit) <= LedgerWrites.MaxTransactionBytes - RoomBeside) return edit;
        // The end of a file is no change worth a refusal.
        edit = edit with { Set = [.. edit.Set.Where(set => state.Policies.GetValueOrDefault(set.Name)?.Text.TrimEnd() != set.Text.TrimEnd())] };
        var bytes = SizeOf(edit);
        if (bytes <= LedgerWrites.MaxTransactionBytes - RoomBeside) return edit;
        var first = new List<string>();
        var left = bytes;
        foreach (var set in edit.Set.OrderByDescending(set => set.Text.Length).ThenBy(set => set.Name, StringComparer.Ordinal).TakeWhile(_ => left > LedgerWrites.MaxTransactionBytes - RoomBeside))
        {
            first.Add(set.Name);
            left -= set.CalculateSize();
        }

        throw new RpcException(new Status(
            StatusCode.ResourceExhausted,
            $"going back to revision {to} changes {bytes} bytes of documents, and one change has {LedgerWrites.MaxTransactionBytes} at most. Put the largest back first, one by one "
            + $"(`identity policy show NAME --at {to} > NAME.yaml`, `identity apply -f NAME.yaml`), then roll back the others: "
            + $"{string.Join(", ", first.Take(MaxNamedFirst))}{(first.Count > MaxNamedFirst ? $" and {first.Count - MaxNamedFirst} more" : "")}; nothing was changed"));
    }

    private static long SizeOf(PolicyEdit edit) => edit.Changes().Sum(change => (long)change.CalculateSize() + SizeOfLength);

    private static void RefuseMissing(PolicyEdit edit, ControlPlaneState state)
    {
        var missing = edit.Deleted.Where(name => !state.Policies.ContainsKey(name)).Select(name => $"policy named {Quote.From(name)}")
            .Concat(edit.RoleDeleted.Where(name => state.Governance.Roles.Find(name) is null).Select(name => $"role named {Quote.From(name)}")).Take(10).ToList();
        if (missing.Count > 0)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"there is no {string.Join(", no ", missing)}; nothing was deleted"));
        }
    }

    // The ledger keeps what was said and makes nothing up.
    private static string ReasonOf(string told) => string.IsNullOrWhiteSpace(told) ? "no reason given" : told;

    private static void RefuseStale(ulong expected, ControlPlaneState state)
    {
        if (expected != 0 && expected != state.Revision)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, $"the revision expected is {expected}, but the ledger is at {state.Revision}; read the policies again and decide anew"));
        }
    }
}
