using Identity.Ledger.V1;
using Identity.Server.Registration;
using Identity.V1;

namespace Identity.Server.Administration;

/// <summary>Transactions for people: one line a change, and nothing secret in it (a token's hash is not shown either).</summary>
internal static class TransactionText
{
    private const int MaxChanges = 100;

    public static TransactionSummary Summarize(ulong revision, Transaction transaction)
    {
        var summary = new TransactionSummary
        {
            Revision = revision,
            At = transaction.At,
            Author = transaction.Author,
            Reason = transaction.Reason,
        };
        summary.Changes.AddRange(transaction.Changes.Take(MaxChanges).Select(Line));
        if (transaction.Changes.Count > MaxChanges) summary.Changes.Add($"and {transaction.Changes.Count - MaxChanges} more");
        return summary;
    }

    private static string Line(Change change) => change.ChangeCase switch
    {
        Change.ChangeOneofCase.EntrySet => $"entry {change.EntrySet.Id} set: {change.EntrySet.SpiffeId.ToText()} below {change.EntrySet.ParentId.ToText()}",
        Change.ChangeOneofCase.EntryDeleted => $"entry {change.EntryDeleted} deleted",
        Change.ChangeOneofCase.JoinTokenCreated => $"join token created, good until {change.JoinTokenCreated.ExpiresAt.ToDateTimeOffset():u}",
        Change.ChangeOneofCase.JoinTokenConsumed => "join token consumed",
        Change.ChangeOneofCase.AgentSet when change.AgentSet.Banned => $"agent {change.AgentSet.SpiffeId} banned",
        Change.ChangeOneofCase.AgentSet => $"agent {change.AgentSet.SpiffeId} set, serial {change.AgentSet.Serial}",
        Change.ChangeOneofCase.AgentDeleted => $"agent {change.AgentDeleted} deleted",
        Change.ChangeOneofCase.PolicySet => $"policy {change.PolicySet.Name} set",
        Change.ChangeOneofCase.PolicyDeleted => $"policy {change.PolicyDeleted} deleted",
        Change.ChangeOneofCase.AuthoritySet => $"authority {change.AuthoritySet.Id} {change.AuthoritySet.Kind} {change.AuthoritySet.State}",
        Change.ChangeOneofCase.AuthorityDeleted => $"authority {change.AuthorityDeleted} deleted",
        Change.ChangeOneofCase.FederatedBundleSet =>
            $"bundle of {change.FederatedBundleSet.TrustDomain} set: {change.FederatedBundleSet.X509Authorities.Count} X.509, {change.FederatedBundleSet.JwtAuthorities.Count} JWT authorities",
        Change.ChangeOneofCase.FederatedBundleDeleted => $"bundle of {change.FederatedBundleDeleted} deleted",
        Change.ChangeOneofCase.CrlSet => $"CRL of authority {change.CrlSet.AuthorityId} set, {change.CrlSet.Der.Length} bytes",
        Change.ChangeOneofCase.PolicyRoleSet => $"role {change.PolicyRoleSet.Name} set",
        Change.ChangeOneofCase.PolicyRoleDeleted => $"role {change.PolicyRoleDeleted} deleted",
        Change.ChangeOneofCase.PolicyProposed => $"proposal {change.PolicyProposed.Id} of {change.PolicyProposed.Person} opened, {Convert.ToHexStringLower(change.PolicyProposed.Hash.Span)}",
        Change.ChangeOneofCase.PolicyApproved => $"proposal {change.PolicyApproved.ProposalId} approved by {change.PolicyApproved.Person}",
        Change.ChangeOneofCase.PolicyProposalClosed => $"proposal {change.PolicyProposalClosed.ProposalId} closed: {change.PolicyProposalClosed.Outcome}",
        Change.ChangeOneofCase.PolicyStageSet => $"staged change {change.PolicyStageSet.Id}: {change.PolicyStageSet.State}, step {change.PolicyStageSet.Step}",
        _ => "a change this version does not know",
    };
}
