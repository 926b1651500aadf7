using Google.Protobuf;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Ledger;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>A proposal as those see it who decide about it, judged by what is in force now.</summary>
internal static class ProposalText
{
    private const int MaxLines = 100;

    /// <summary>All of it.</summary>
    /// <param name="effect">Of what is proposed.</param>
    public static Identity.V1.Proposal Of(PolicyEffect effect, OpenProposal open)
    {
        var (edit, difference) = (effect.Edit, effect.Difference);
        var answer = Summary(effect, open);
        answer.ApprovalsRequired = Needed(effect, open);
        answer.Stale = WhyStale(effect, open) ?? "";
        answer.Documents.AddRange(edit.Set.Concat(edit.RoleSet).Select(set => new PolicySource { Text = set.Text }));
        answer.Gained.AddRange(difference.Gained.Shown(MaxLines));
        answer.Lost.AddRange(difference.Lost.Shown(MaxLines));
        return answer;
    }

    /// <summary>What costs no comparison of policies; it may be stale for more reasons than this says.</summary>
    public static Identity.V1.Proposal Summary(PolicyEffect effect, OpenProposal open)
    {
        var (proposal, state) = (open.Proposal, effect.State);
        var answer = new Identity.V1.Proposal
        {
            Id = proposal.Id,
            Person = proposal.Person,
            Reason = proposal.Reason,
            Hash = Convert.ToHexStringLower(proposal.Hash.Span),
            BaseRevision = proposal.BaseRevision,
            CreatedAt = proposal.CreatedAt,
            ExpiresAt = proposal.ExpiresAt,
            ApprovalsRequired = Math.Max(1, (int)proposal.ApprovalsRequired),
            Stale = WhyOutdated(state, open) ?? "",
            Stage = StagePlanReader.Text(proposal.Stage),
        };
        answer.Changes.AddRange(effect.Edit.Answers(state));
        answer.Approvals.AddRange(ApprovalsOf(effect, open));
        return answer;
    }

    public static IEnumerable<Approval> ApprovalsOf(PolicyEffect effect, OpenProposal open) =>
        open.Approvals.Select(given => new Approval { Person = given.Person, At = given.At, Void = WhyVoid(effect, open, given) ?? "" });

    /// <summary>How many others must agree, as the roles are now; never fewer than when it was proposed, and at least one.</summary>
    public static int Needed(PolicyEffect effect, OpenProposal open)
    {
        var asked = Math.Max(1, (int)open.Proposal.ApprovalsRequired);
        return PolicyProposals.Proposer(open, out var proposer)
            && PolicyGate.Judge(effect, proposer) is PolicyGateAnswer.NeedsApproval needs
            ? Math.Max(asked, needs.Approvals)
            : asked;
    }

    /// <summary>Why it may not be applied any more: what people said yes to is not what would happen. Null while it is.</summary>
    public static string? WhyStale(PolicyEffect effect, OpenProposal open)
    {
        var (proposal, state) = (open.Proposal, effect.State);
        if (!PolicyProposals.Proposer(open, out var proposer)) return "nobody knows who proposed it";
        if (PolicyGate.WhyRefused(effect, proposer) is { } refused) return refused;
        if (proposal.BaseRevision == PolicyProposals.Base(state)) return null;
        if (WhyOutdated(state, open) is { } outdated) return outdated;
        return proposal.Effect.Span.SequenceEqual(effect.Difference.Fingerprint.Span)
            ? null
            : $"other policies changed after revision {proposal.BaseRevision}, and it would give or take something else now; propose anew";
    }

    private static string? WhyOutdated(ControlPlaneState state, OpenProposal open)
    {
        var (proposal, edit) = (open.Proposal, PolicyEdit.Of(open.Proposal));
        if (edit.Names.FirstOrDefault(name => state.Governance.History.LastChangeOf(name) > proposal.BaseRevision) is { } changed)
        {
            return $"the policy '{changed}' changed after revision {proposal.BaseRevision}; propose anew";
        }

        return edit.TouchesRoles && state.Governance.RoleRevision > proposal.BaseRevision ? $"a role changed after revision {proposal.BaseRevision}; propose anew" : null;
    }

    /// <summary>Why an approval does not count any more; null while it does.</summary>
    public static string? WhyVoid(PolicyEffect effect, OpenProposal open, PolicyApproval given) =>
        !given.Hash.Span.SequenceEqual(open.Proposal.Hash.Span) ? "it is of something else"
        : !PolicyPerson.TryParse(given.Person, out var person, out _) || !PolicyProposals.Proposer(open, out var proposer) ? "nobody knows this person"
        : PolicyGate.WhyNoApprover(effect, proposer, person);
}
