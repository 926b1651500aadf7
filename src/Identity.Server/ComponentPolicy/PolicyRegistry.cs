using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>Puts policy documents into force and takes them out: all that were sent, or none.</summary>
internal sealed class PolicyRegistry(ControlPlaneLedger ledger)
{
    public const int MaxDocuments = 1000;
    public const int MaxDocumentBytes = 1 << 20;
    public const int MaxReasonBytes = 1024;

    public async Task<ApplyPoliciesResponse> ApplyAsync(
        IReadOnlyList<PolicySource> sources, ulong expectedRevision, string reason, string author, CancellationToken cancellation)
    {
        var documents = ParseAll(sources);
        var (changes, state) = await ledger.ChangeAsync(
            author,
            current =>
            {
                RefuseStale(expectedRevision, current);
                return ProposeApplication(documents, current, reason.Length > 0 ? reason : "apply policies");
            },
            cancellation);
        return Response(changes, state);
    }

    public async Task<ApplyPoliciesResponse> DeleteAsync(
        IReadOnlyList<string> names, ulong expectedRevision, string reason, string author, CancellationToken cancellation)
    {
        var (changes, state) = await ledger.ChangeAsync(
            author,
            current =>
            {
                RefuseStale(expectedRevision, current);
                return ProposeDeletion(names, current, reason.Length > 0 ? reason : "delete policies");
            },
            cancellation);
        return Response(changes, state);
    }

    private static Proposal<List<PolicyChange>> ProposeApplication(List<PolicyDocument> documents, ControlPlaneState state, string reason)
    {
        var after = state.Policies.Keys.Union(documents.Select(d => d.Name), StringComparer.Ordinal).Count();
        if (after > MaxDocuments)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"there would be {after} policies; at most {MaxDocuments} are allowed"));
        }

        var answers = documents.Select(document => new PolicyChange { Name = document.Name, Kind = KindOf(document, state) }).ToList();
        var changes = documents.Zip(answers)
            .Where(pair => pair.Second.Kind != PolicyChange.Types.Kind.Unchanged)
            .Select(pair => new Change { PolicySet = new PolicyRecord { Name = pair.First.Name, Text = pair.First.Source } })
            .ToList();
        return new(answers, changes, reason);
    }

    private static Proposal<List<PolicyChange>> ProposeDeletion(IReadOnlyList<string> names, ControlPlaneState state, string reason)
    {
        var distinct = names.Distinct(StringComparer.Ordinal).ToList();
        var missing = distinct.Where(name => !state.Policies.ContainsKey(name)).Take(10).Select(name => Quote.From(name)).ToList();
        if (missing.Count > 0)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"there is no policy named {string.Join(", ", missing)}; nothing was deleted"));
        }

        return new(
            [.. distinct.Select(name => new PolicyChange { Name = name, Kind = PolicyChange.Types.Kind.Deleted })],
            [.. distinct.Select(name => new Change { PolicyDeleted = name })],
            reason);
    }

    private static PolicyChange.Types.Kind KindOf(PolicyDocument document, ControlPlaneState state) =>
        !state.Policies.TryGetValue(document.Name, out var known) ? PolicyChange.Types.Kind.Created
        : known.Text == document.Source ? PolicyChange.Types.Kind.Unchanged
        : PolicyChange.Types.Kind.Updated;

    private static List<PolicyDocument> ParseAll(IReadOnlyList<PolicySource> sources)
    {
        var documents = new List<PolicyDocument>();
        var problems = new List<string>();
        for (var i = 0; i < sources.Count; i++)
        {
            var text = sources[i].Text;
            if (System.Text.Encoding.UTF8.GetByteCount(text) > MaxDocumentBytes)
            {
                problems.Add($"document {i + 1}: it has more than {MaxDocumentBytes} bytes");
            }
            else if (!PolicyParser.TryParse(text, out var document, out var found))
            {
                problems.AddRange(found.Select(problem => $"document {i + 1}, {problem}"));
            }
            else if (documents.Any(other => other.Name == document.Name))
            {
                problems.Add($"document {i + 1}: {Quote.From(document.Name)} is the name of another document in this request");
            }
            else
            {
                documents.Add(document);
            }
        }

        if (problems.Count > 0) throw PolicyProblems.Refusal(problems);
        return documents;
    }

    private static void RefuseStale(ulong expected, ControlPlaneState state)
    {
        if (expected != 0 && expected != state.Revision)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, $"expected_revision is {expected} but the ledger is at {state.Revision}; read the policies again and decide anew"));
        }
    }

    private static ApplyPoliciesResponse Response(List<PolicyChange> changes, ControlPlaneState state)
    {
        var response = new ApplyPoliciesResponse { Revision = state.Revision };
        response.Changes.AddRange(changes);
        return response;
    }
}
