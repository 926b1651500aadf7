using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>
/// A bounded number of permits to look at when a refusal is explained: those that speak of the same thing, those for the caller, those for its
/// neighbours, and some of the same kind.
/// </summary>
internal sealed class ExplanationIndex
{
    private const int MaxOfEach = 64;

    private readonly SubjectKeys _subjects = new();
    private readonly CapabilityKeys _capabilities = new();
    private readonly Dictionary<int, List<PolicyClause>> _bySubject = [];
    private readonly Dictionary<int, List<PolicyClause>> _byCapability = [];
    private readonly Dictionary<string, List<PolicyClause>> _byKind = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<PolicyClause>> _near = new(StringComparer.Ordinal);

    public ExplanationIndex(ImmutableArray<PolicyClause> clauses)
    {
        foreach (var clause in clauses)
        {
            if (clause.Effect != RuleEffect.Permit) continue;
            Put(_bySubject, _subjects.Of(clause.Subject).Key, clause);
            Put(_byCapability, _capabilities.Of(clause.Capability), clause);
            Put(_byKind, clause.Capability.Kind, clause);
            var near = clause.Subject.SpiffeIdPrefix?.Text ?? ParentOf(clause.Subject.SpiffeId?.ToString());
            for (; near is not null; near = ParentOf(near)) Put(_near, near, clause);
        }
    }

    /// <param name="request">Null for anything on NATS.</param>
    public IEnumerable<PolicyClause> Candidates(Principal principal, CapabilityRequest? request)
    {
        var subjects = new KeySet(stackalloc int[KeySet.Room]);
        var capabilities = new KeySet(stackalloc int[KeySet.Room]);
        // When there is no room for all keys, those that were found are still worth a look.
        _subjects.Find(principal, ref subjects);
        if (request is not null) _capabilities.TryFind(request, ref capabilities);
        var found = new List<PolicyClause>();
        AddAll(found, _bySubject, subjects.Keys);
        AddAll(found, _byCapability, capabilities.Keys);
        foreach (var kind in request is null ? CapabilityText.NatsKinds : [request.ToCapability().Kind])
        {
            if (_byKind.TryGetValue(kind, out var some)) found.AddRange(some);
        }

        for (var path = ParentOf(principal.Id.ToString()); path is not null; path = ParentOf(path))
        {
            if (!_near.TryGetValue(path, out var near)) continue;
            found.AddRange(near);
            break;
        }

        return found;
    }

    private static void AddAll(List<PolicyClause> found, Dictionary<int, List<PolicyClause>> clauses, ReadOnlySpan<int> keys)
    {
        foreach (var key in keys)
        {
            if (clauses.TryGetValue(key, out var some)) found.AddRange(some);
        }
    }

    private static void Put<TKey>(Dictionary<TKey, List<PolicyClause>> clauses, TKey key, PolicyClause clause) where TKey : notnull
    {
        if (!clauses.TryGetValue(key, out var list)) clauses.Add(key, list = []);
        if (list.Count < MaxOfEach) list.Add(clause);
    }

    /// <summary>The text without its last segment; null above the trust domain.</summary>
    private static string? ParentOf(string? id)
    {
        var slash = id?.LastIndexOf('/') ?? -1;
        return slash > "spiffe://".Length ? id![..slash] : null;
    }
}
