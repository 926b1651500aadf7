using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
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
/// Changes that wait for others to agree. A proposal is never edited, an approval names its hash, and who proposed, who approved and what it would do are
/// asked anew when it is applied.
/// </summary>
internal sealed class PolicyProposals(ControlPlaneLedger ledger, PolicyRegistry registry, StagedChanges stages, PolicyComparisons comparisons, TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    private const int MaxOpen = 200;
    private const int MaxOpenOfOne = 20;
    private const int MaxOpenMebibytes = 32;
    private const int MaxOpenMebibytesOfOne = 6;
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>A new proposal of what a person wants changed.</summary>
    /// <param name="plan">How it is tried once it is approved; null when it is not.</param>
    /// <exception cref="RpcException">Too many are open.</exception>
    public static PolicyProposal Draft(PolicyEffect effect, PolicyPerson person, string reason, PolicyStagePlan? plan)
    {
        var (state, edit, now) = (effect.State, effect.Edit, effect.Now);
        RefuseTooMany(state, edit, person, now);
        var baseRevision = Base(state);
        var proposal = new PolicyProposal
        {
            Id = "p-" + RandomNumberGenerator.GetString(Alphabet, 26),
            Person = person.Text,
            BaseRevision = baseRevision,
            Reason = reason,
            Stage = plan,
            Hash = ByteString.CopyFrom(edit.Hash(person, baseRevision, reason, plan)),
            Effect = ByteString.CopyFrom(effect.Difference.Fingerprint.Span),
            CreatedAt = now.ToTimestamp(),
            ExpiresAt = (now + Lifetime).ToTimestamp(),
            ApprovalsRequired = PolicyGate.Judge(effect, person) is PolicyGateAnswer.NeedsApproval needs ? (uint)needs.Approvals : 0,
        };
        proposal.Set.AddRange(edit.Set);
        proposal.Deleted.AddRange(edit.Deleted);
        proposal.RoleSet.AddRange(edit.RoleSet);
        proposal.RoleDeleted.AddRange(edit.RoleDeleted);
        return proposal;
    }

    public Task<Identity.V1.Proposal> ProposeAsync(ProposeRequest request, Caller caller, CancellationToken cancellation)
    {
        var whole = PolicyEditParser.Parse(request.Documents, request.DeletePolicies, request.DeleteRoles);
        var plan = request.Stage is { } wanted ? StagePlanReader.Read(whole, wanted.SoakSeconds, wanted.Through) : null;
        var effects = new PolicyEffects(time);
        return ChangeAsync(
            caller,
            (state, person, _) =>
            {
                if (request.ExpectedRevision != 0) PolicyRegistry.RefuseUnseen(request.ExpectedRevision, state);
                var effect = effects.In(state, () => whole.Against(state));
                if (effect.Edit.IsEmpty) throw new RpcException(new Status(StatusCode.FailedPrecondition, "this is in force already; there is nothing to propose"));
                PolicyRegistry.RefuseUnpermitted(effect, person);
                PolicyRegistry.RefuseUnfit(effect, person);
                var proposal = Draft(effect, person, request.Reason, plan);
                return new Proposal<Identity.V1.Proposal>(ProposalText.Of(effect, new OpenProposal(proposal, [])), [new Change { PolicyProposed = proposal }], $"propose: {request.Reason}");
            },
            cancellation);
    }

    public async Task<ApproveResponse> ApproveAsync(ApproveRequest request, Caller caller, CancellationToken cancellation)
    {
        var isLast = false;
        PolicyStage? stage = null;
        var effects = new PolicyEffects(time);
        var response = await ChangeAsync(
            caller,
            (state, person, now) =>
            {
                var open = Find(state, request.Id, now);
                var proposal = open.Proposal;
                var effect = effects.In(state, () => PolicyEdit.Of(proposal));
                var edit = effect.Edit;
                if (!CryptographicOperations.FixedTimeEquals(proposal.Hash.Span, HashOf(request.Hash)))
                {
                    throw new RpcException(new Status(StatusCode.Aborted, $"the hash is not that of {proposal.Id}; look at the proposal again and approve what it says"));
                }

                if (!Proposer(open, out var proposer)) throw new RpcException(new Status(StatusCode.FailedPrecondition, "the proposer is nobody this version knows"));
                if (PolicyGate.WhyNoApprover(effect, proposer, person) is { } why)
                {
                    throw new RpcException(new Status(StatusCode.PermissionDenied, $"{person} may not approve {proposal.Id}: {why}"));
                }

                if (open.Approvals.Any(approval => approval.Person == person.Text))
                {
                    throw new RpcException(new Status(StatusCode.AlreadyExists, $"{person} has approved {proposal.Id} already"));
                }

                if (ProposalText.WhyStale(effect, open) is { } stale) throw new RpcException(new Status(StatusCode.Aborted, $"{proposal.Id} is stale: {stale}"));
                PolicyRegistry.RefuseUnfit(effect, proposer);
                var approval = new PolicyApproval { ProposalId = proposal.Id, Hash = proposal.Hash, Person = person.Text, At = now.ToTimestamp() };
                var after = open with { Approvals = open.Approvals.Add(approval) };
                var needed = ProposalText.Needed(effect, open);
                var counted = after.Approvals.Count(given => ProposalText.WhyVoid(effect, open, given) is null);
                var changes = new List<Change> { new() { PolicyApproved = approval } };
                isLast = counted >= needed;
                stage = isLast && proposal.Stage is not null ? StagedChanges.New(state, after, now) : null;
                if (stage is not null) changes.Add(new Change { PolicyStageSet = stage });
                else if (isLast) changes.AddRange(edit.Changes(proposal.Person));
                if (isLast) changes.Add(new Change { PolicyProposalClosed = Closed(proposal, stage is null ? PolicyProposalClosed.Types.Outcome.Applied : PolicyProposalClosed.Types.Outcome.Staged) });

                return new Proposal<ApproveResponse>(
                    new ApproveResponse { Proposal = ProposalText.Of(effect, after), Notes = { isLast && stage is null ? RoleNotes.Of(effect) : [] } },
                    changes,
                    $"approve {proposal.Id} of {proposal.Person}: {proposal.Reason}");
            },
            cancellation,
            (answer, state) =>
            {
                if (stage is not null) answer.Staged = stages.Text(state, stage);
                else answer.AppliedRevision = isLast ? state.Revision : 0;
            });
        return response;
    }

    public Task<Identity.V1.Proposal> WithdrawAsync(WithdrawRequest request, Caller caller, CancellationToken cancellation) => ChangeAsync(
        caller,
        (state, person, now) =>
        {
            var open = Find(state, request.Id, DateTimeOffset.MinValue);
            if (open.Proposal.Person != person.Text && caller is not Caller.Admin)
            {
                throw new RpcException(new Status(StatusCode.PermissionDenied, $"{open.Proposal.Id} is withdrawn by {open.Proposal.Person} or an administrator"));
            }

            var closed = Closed(open.Proposal, PolicyProposalClosed.Types.Outcome.Withdrawn);
            return new Proposal<Identity.V1.Proposal>(ProposalText.Summary(new PolicyEffect(state, PolicyEdit.Of(open.Proposal), now), open), [new Change { PolicyProposalClosed = closed }], $"withdraw {open.Proposal.Id}");
        },
        cancellation);

    /// <param name="id">Only this one, whole; empty for all of them in short.</param>
    /// <exception cref="RpcException">Too many ask for comparisons.</exception>
    public async Task<IEnumerable<Identity.V1.Proposal>> ListAsync(string id, CancellationToken cancellation)
    {
        var (state, now) = (ledger.State, time.GetUtcNow());
        var open = state.Governance.Proposals.Values.Where(known => known.Proposal.ExpiresAt.ToDateTimeOffset() > now);
        // Who may approve is looked up in what each says, so all their documents are read.
        if (id.Length == 0) return await comparisons.RunAsync(() => open.OrderByDescending(known => known.Proposal.CreatedAt).Select(known => ProposalText.Summary(Effect(known), known)).ToList(), cancellation);
        if (open.FirstOrDefault(known => known.Proposal.Id == id) is not { } one) return [];
        var effect = Effect(one);
        var difference = await comparisons.OfAsync(new(Base(state), id), () => effect.Difference, cancellation);
        return [ProposalText.Of(effect.With(difference), one)];

        PolicyEffect Effect(OpenProposal known) => new(state, PolicyEdit.Of(known.Proposal), now);
    }

    /// <summary>The last revision that changed a policy or a role.</summary>
    public static ulong Base(ControlPlaneState state) => Math.Max(state.PolicyRevision, state.Governance.RoleRevision);

    public static bool Proposer(OpenProposal open, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PolicyPerson? proposer) =>
        PolicyPerson.TryParse(open.Proposal.Person, out proposer, out _);

    private async Task<T> ChangeAsync<T>(
        Caller caller,
        Func<ControlPlaneState, PolicyPerson, DateTimeOffset, Proposal<T>> decide,
        CancellationToken cancellation,
        Action<T, ControlPlaneState>? complete = null)
    {
        var person = caller.Person ?? throw new RpcException(new Status(StatusCode.PermissionDenied, "this caller changes no policy"));
        var (answer, state) = await registry.DecideAsync(caller.Author, current => decide(current, person, time.GetUtcNow()), cancellation);
        complete?.Invoke(answer, state);
        return answer;
    }

    private static PolicyProposalClosed Closed(PolicyProposal proposal, PolicyProposalClosed.Types.Outcome outcome) => new() { ProposalId = proposal.Id, Outcome = outcome };

    private static OpenProposal Find(ControlPlaneState state, string id, DateTimeOffset now) =>
        state.Governance.Proposals.TryGetValue(id, out var open) && open.Proposal.ExpiresAt.ToDateTimeOffset() > now
            ? open
            : throw new RpcException(new Status(StatusCode.NotFound, $"there is no open proposal {Quote.From(id)}; it was applied, withdrawn or has expired"));

    private static byte[] HashOf(string text) =>
        text.Length == 2 * SHA256.HashSizeInBytes && text.All(char.IsAsciiHexDigitLower)
            ? Convert.FromHexString(text)
            : throw new RpcException(new Status(StatusCode.InvalidArgument, "the hash is not 64 lower-case hexadecimal digits; take it from the proposal you looked at"));

    private static void RefuseTooMany(ControlPlaneState state, PolicyEdit edit, PolicyPerson person, DateTimeOffset now)
    {
        var open = state.Governance.Proposals.Values.Select(known => known.Proposal).Where(proposal => proposal.ExpiresAt.ToDateTimeOffset() > now).ToList();
        var own = open.Where(proposal => proposal.Person == person.Text).ToList();
        var bytes = edit.Set.Concat(edit.RoleSet).Sum(set => (long)set.CalculateSize());
        // The last eighth is for administrators: nobody who may write some policies keeps their proposals out.
        var share = PolicyGate.IsAdmin(person) ? 8 : 7;
        var why = own.Count >= MaxOpenOfOne ? $"{own.Count} proposals of yours are open, and one person may have {MaxOpenOfOne}; withdraw some first"
            : BytesOf(own) + bytes > (long)MaxOpenMebibytesOfOne << 20 ? $"your open proposals would have more than {MaxOpenMebibytesOfOne} MiB together; withdraw some first"
            : open.Count >= MaxOpen * share / 8 ? $"{open.Count} proposals are open; an administrator may withdraw some"
            : BytesOf(open) + bytes > ((long)MaxOpenMebibytes << 20) * share / 8 ? $"all open proposals would have more than {MaxOpenMebibytes * share / 8} MiB together; an administrator may withdraw some"
            : null;
        if (why is not null) throw new RpcException(new Status(StatusCode.ResourceExhausted, why));

        static long BytesOf(List<PolicyProposal> proposals) => proposals.Sum(proposal => (long)proposal.CalculateSize());
    }
}
