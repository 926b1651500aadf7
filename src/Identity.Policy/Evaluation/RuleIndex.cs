using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy.Evaluation;

/// <summary>
/// Every clause of a policy under its most telling attribute, so that a decision looks only at rules that may mean the caller.
/// A rule that cannot be evaluated (built in code, since the parser refuses it) grants nothing, and as a forbid means everyone.
/// </summary>
internal sealed class RuleIndex
{
    private const int MaxForExplaining = 64;

    private readonly CapabilityKeys _keys = new();
    private readonly Bucket _everyone = new();
    private readonly Dictionary<SpiffeId, Bucket> _byId = [];
    private readonly Dictionary<ComponentDigest, Bucket> _byDigest = [];
    private readonly Dictionary<SpiffeId, Bucket> _byHost = [];
    private readonly PrefixBuckets _byPrefix = new();
    private readonly PrefixBuckets _byHostPrefix = new();
    private readonly Dictionary<int, List<Clause>> _somePermitsOf = [];
    private readonly Dictionary<string, List<Clause>> _somePermitsNear = new(StringComparer.Ordinal);
    private readonly List<Clause> _someNatsPermits = [];
    private readonly LabelExpansion _labels;

    public RuleIndex(ImmutableArray<PolicyDocument> documents)
    {
        _labels = new LabelExpansion(documents);
        var rules = documents
            .SelectMany(document => Whole(document.Rules).Select(rule => (Reference: new RuleReference(document.Name, rule.Name), rule)))
            .OrderBy(named => named.Reference);
        var rank = 0;
        foreach (var (reference, rule) in rules) Add(new RankedRule(rank++, reference, rule));
    }

    public CapabilityKeys Keys => _keys;

    public IReadOnlyList<Clause> SomeNatsPermits => _someNatsPermits;

    /// <summary>Every bucket that may hold clauses about the caller.</summary>
    public List<Bucket> BucketsFor(Principal caller)
    {
        var buckets = new List<Bucket>(capacity: 8) { _everyone };
        if (_byId.TryGetValue(caller.Id, out var bucket)) buckets.Add(bucket);
        _byPrefix.AddCovering(caller.Id, buckets);
        if (caller.Digest is not null && _byDigest.TryGetValue(caller.Digest, out bucket)) buckets.Add(bucket);
        if (caller.Host is null) return buckets;
        if (_byHost.TryGetValue(caller.Host, out bucket)) buckets.Add(bucket);
        _byHostPrefix.AddCovering(caller.Host, buckets);
        return buckets;
    }

    public IReadOnlyList<Clause> SomePermitsOf(int key) => _somePermitsOf.GetValueOrDefault(key) ?? [];

    /// <summary>A few permits for IDs that share the longest path with this one.</summary>
    public IReadOnlyList<Clause> SomePermitsNear(SpiffeId id)
    {
        for (var path = ParentOf(id.ToString()); path is not null; path = ParentOf(path))
        {
            if (_somePermitsNear.TryGetValue(path, out var near)) return near;
        }

        return [];
    }

    private void Add(RankedRule ranked)
    {
        if (ranked.Rule.Capabilities.IsDefault) ranked = ranked with { Rule = ranked.Rule with { Capabilities = [] } };
        // Anything that is not clearly a permit forbids.
        var permits = ranked.Rule.Effect == RuleEffect.Permit;
        if (ranked.Rule.Mode is RuleMode.Off or RuleMode.Shadow || (ranked.Rule.Mode == RuleMode.Warn && !permits)) return;
        var subjects = Whole(ranked.Rule.Subjects);
        if (!permits && subjects.IsEmpty) subjects = [new PolicySubject()];
        foreach (var subject in subjects.SelectMany(_labels.Expand))
        {
            var clause = new Clause(ranked, subject);
            if (BucketOf(subject) is { } bucket)
            {
                if (permits) AddPermit(bucket, clause);
                else AddForbid(bucket, clause);
            }
            else if (!permits)
            {
                AddForbid(_everyone, clause);
            }
        }
    }

    private void AddPermit(Bucket bucket, Clause clause)
    {
        var speaksOfNats = false;
        foreach (var capability in clause.Rule.Capabilities)
        {
            speaksOfNats |= NatsSubjects.IsAbout(capability);
            var key = capability switch
            {
                Capability.Start => CapabilityKeys.Start,
                Capability.Import { Pattern: { AnyVersion: false, Function: null } pattern } => _keys.KeyOf(pattern),
                _ => -1,
            };
            if (key < 0) continue;
            bucket.AddPermit(key, clause);
            AddSome(_somePermitsOf, key, clause);
        }

        if (speaksOfNats)
        {
            bucket.NatsPermits.Add(clause);
            if (_someNatsPermits.Count < MaxForExplaining) _someNatsPermits.Add(clause);
        }

        if (bucket.SomePermits.Count < MaxForExplaining) bucket.SomePermits.Add(clause);
        var near = clause.Subject.SpiffeIdPrefix?.Text ?? ParentOf(clause.Subject.SpiffeId?.ToString());
        for (; near is not null; near = ParentOf(near)) AddSome(_somePermitsNear, near, clause);
    }

    private void AddForbid(Bucket bucket, Clause clause)
    {
        var capabilities = clause.Rule.Capabilities;
        if (capabilities.IsEmpty) capabilities = [new Capability.Start()];
        var speaksOfNats = false;
        foreach (var capability in capabilities)
        {
            speaksOfNats |= NatsSubjects.IsAbout(capability);
            if (capability is Capability.Import import) bucket.AddForbid(_keys.KeyOf(import.Pattern), clause);
            else if (capability is Capability.Start) bucket.AddForbid(CapabilityKeys.Start, clause);
        }

        if (speaksOfNats) bucket.NatsForbids.Add(clause);
    }

    /// <summary>Null for a subject without attributes.</summary>
    private Bucket? BucketOf(PolicySubject subject)
    {
        if (subject.SpiffeId is { } id) return GetOrAdd(_byId, id);
        if (subject.Digest is { } digest) return GetOrAdd(_byDigest, digest);
        if (subject.SpiffeIdPrefix is { } prefix) return _byPrefix.GetOrAdd(prefix);
        if (subject.Host is { } host) return GetOrAdd(_byHost, host);
        if (subject.HostPrefix is { } hostPrefix) return _byHostPrefix.GetOrAdd(hostPrefix);
        return subject.IsEmpty ? null : _everyone;
    }

    private static Bucket GetOrAdd<TKey>(Dictionary<TKey, Bucket> buckets, TKey key) where TKey : notnull
    {
        if (!buckets.TryGetValue(key, out var bucket)) buckets.Add(key, bucket = new Bucket());
        return bucket;
    }

    private static void AddSome<TKey>(Dictionary<TKey, List<Clause>> clauses, TKey key, Clause clause) where TKey : notnull
    {
        if (!clauses.TryGetValue(key, out var list)) clauses.Add(key, list = []);
        if (list.Count < MaxForExplaining) list.Add(clause);
    }

    /// <summary>The text without its last segment; null above the trust domain.</summary>
    private static string? ParentOf(string? id)
    {
        var slash = id?.LastIndexOf('/') ?? -1;
        return slash > "spiffe://".Length ? id![..slash] : null;
    }

    private static ImmutableArray<T> Whole<T>(ImmutableArray<T> items) =>
        items.IsDefault ? [] : items;
}
