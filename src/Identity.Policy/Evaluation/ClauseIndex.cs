using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Takes every clause that may bear on a request, in no order.</summary>
internal interface IClauseSink
{
    void Add(PolicyClause clause, Principal principal, CapabilityRequest request);
}

/// <summary>
/// The clauses of a policy by whom and what they are about, so that a decision looks only at those that may matter. Where the index cannot
/// tell what (a request for so much that too many forbids speak of it), it hands out all clauses of the kind about whoever asks; where it cannot
/// tell whom (more nested prefixes than it has room for), all of the kind: slower, never fewer.
/// </summary>
internal sealed class ClauseIndex
{
    private readonly SubjectKeys _subjects = new();
    private readonly CapabilityKeys _capabilities = new();
    private readonly Dictionary<long, PolicyClause[]> _clauses = [];
    private readonly Dictionary<int, PolicyClause[]> _natsBySubject = [];

    // Forbids about streams, consumers and buckets, by the stream that each is behind, and by whom they mean.
    private readonly KeySpace _forbiddenStreams = new(new KeyNumbers());
    private readonly Dictionary<int, PolicyClause[]> _forbidsByStream = [];
    private readonly Dictionary<long, PolicyClause[]> _forbidsBySubject = [];
    private readonly Dictionary<Type, PolicyClause[]> _byKind = [];
    private readonly Lazy<Dictionary<(int Subject, Type Kind), PolicyClause[]>> _kindsBySubject;

    public ClauseIndex(ImmutableArray<PolicyClause> clauses)
    {
        var pairs = new Dictionary<long, List<PolicyClause>>();
        var nats = new Dictionary<int, List<PolicyClause>>();
        var (streams, taking) = (new Dictionary<int, List<PolicyClause>>(), new Dictionary<long, List<PolicyClause>>());
        var kinds = new Dictionary<Type, List<PolicyClause>>();
        foreach (var clause in clauses)
        {
            var (subject, untold) = _subjects.Of(clause.Subject);
            var capability = _capabilities.Of(clause.Capability);
            Put(pairs, Pair(subject, capability), clause);
            var isNats = NatsSubjects.IsAbout(clause.Capability);
            if (isNats) Put(nats, subject, clause);
            Put(kinds, RequestOf(clause.Capability), clause);
            if (clause.Effect == RuleEffect.Permit) continue;
            _capabilities.Forbid(clause.Capability, capability);
            var unversioned = _capabilities.WhenUnversioned(clause.Capability);
            if (unversioned != 0) Put(pairs, Pair(subject, unversioned), clause);
            if (NatsJetStream.StreamBehind(clause.Capability) is { } name)
            {
                var stream = _forbiddenStreams.KeyOf(name);
                Put(streams, stream, clause);
                Put(taking, Pair(subject, stream), clause);
                if (untold != 0) Put(taking, Pair(untold, stream), clause);
            }

            if (untold == 0) continue;
            Put(pairs, Pair(untold, capability), clause);
            if (unversioned != 0) Put(pairs, Pair(untold, unversioned), clause);
            if (isNats) Put(nats, untold, clause);
        }

        foreach (var (key, list) in pairs) _clauses.Add(key, [.. list]);
        foreach (var (key, list) in nats) _natsBySubject.Add(key, [.. list]);
        foreach (var (key, list) in kinds) _byKind.Add(key, [.. list]);
        foreach (var (key, list) in streams) _forbidsByStream.Add(key, [.. list]);
        foreach (var (key, list) in taking) _forbidsBySubject.Add(key, [.. list]);
        _kindsBySubject = new(() => KindsBySubject(clauses));
    }

    /// <summary>Every clause, not expired, that may mean the principal and permit all of the request or forbid some of it, each once.</summary>
    public void Find<TSink>(Principal principal, CapabilityRequest request, DateTimeOffset now, ref TSink sink)
        where TSink : struct, IClauseSink
    {
        var subjects = new KeySet(stackalloc int[KeySet.Room]);
        var capabilities = new KeySet(stackalloc int[KeySet.Room]);
        var ticks = now.UtcTicks;
        var isTold = _capabilities.TryFind(request, ref capabilities) && !capabilities.IsTooSmall;
        if (isTold && capabilities.Keys.IsEmpty) return;
        _subjects.Find(principal, ref subjects);
        if (subjects.IsTooSmall)
        {
            if (_byKind.TryGetValue(request.GetType(), out var all)) Hand(all, principal, request, ticks, ref sink);
            return;
        }

        if (!isTold)
        {
            var kinds = _kindsBySubject.Value;
            foreach (var subject in subjects.Keys)
            {
                if (kinds.TryGetValue((subject, request.GetType()), out var clauses)) Hand(clauses, principal, request, ticks, ref sink);
            }

            return;
        }

        foreach (var subject in subjects.Keys)
        {
            foreach (var capability in capabilities.Keys)
            {
                if (_clauses.TryGetValue(Pair(subject, capability), out var clauses)) Hand(clauses, principal, request, ticks, ref sink);
            }
        }
    }

    /// <summary>Every forbid that may mean the principal and is about the stream behind the request, by whatever name: a bucket is a stream. At least each once.</summary>
    public void FindTaking<TSink>(Principal principal, CapabilityRequest request, ref TSink sink)
        where TSink : struct, IClauseSink
    {
        var streams = new KeySet(stackalloc int[1]);
        NatsJetStream.FindStreamBehind(request, _forbiddenStreams, ref streams);
        if (streams.Keys.IsEmpty) return;
        var stream = streams.Keys[0];
        var subjects = new KeySet(stackalloc int[KeySet.Room]);
        _subjects.Find(principal, ref subjects);
        if (subjects.IsTooSmall)
        {
            Hand(_forbidsByStream[stream], principal, request, long.MinValue, ref sink);
            return;
        }

        foreach (var subject in subjects.Keys)
        {
            if (_forbidsBySubject.TryGetValue(Pair(subject, stream), out var clauses)) Hand(clauses, principal, request, long.MinValue, ref sink);
        }
    }

    /// <summary>Every clause on NATS that may mean the principal, expired or not; a list of the caller's own.</summary>
    public List<PolicyClause> NatsClausesAbout(Principal principal)
    {
        var subjects = new KeySet(stackalloc int[KeySet.Room]);
        _subjects.Find(principal, ref subjects);
        if (subjects.IsTooSmall) return [.. _natsBySubject.Values.SelectMany(clauses => clauses).Distinct()];
        var found = new List<PolicyClause>();
        foreach (var subject in subjects.Keys)
        {
            if (_natsBySubject.TryGetValue(subject, out var clauses)) found.AddRange(clauses);
        }

        return found;
    }

    // Only doors ask for that much at once, so agents never pay for this.
    private Dictionary<(int Subject, Type Kind), PolicyClause[]> KindsBySubject(ImmutableArray<PolicyClause> clauses)
    {
        var lists = new Dictionary<(int, Type), List<PolicyClause>>();
        foreach (var clause in clauses)
        {
            var (subject, untold) = _subjects.Of(clause.Subject);
            Put(lists, (subject, RequestOf(clause.Capability)), clause);
            if (clause.Effect != RuleEffect.Permit && untold != 0) Put(lists, (untold, RequestOf(clause.Capability)), clause);
        }

        return lists.ToDictionary(pair => pair.Key, pair => pair.Value.ToArray());
    }

    private static void Hand<TSink>(PolicyClause[] clauses, Principal principal, CapabilityRequest request, long now, ref TSink sink)
        where TSink : struct, IClauseSink
    {
        foreach (var clause in clauses)
        {
            if (clause.EndsAt > now) sink.Add(clause, principal, request);
        }
    }

    // Two numbers as one, each pair another. A long hashes to its two halves xored, and where rules are numbered side by side, each with a subject and a capability
    // of its own, these are the same few values: so they are stirred first, which an odd factor does without making two of them one.
    internal static long Pair(int subject, int capability)
    {
        var stirred = (((ulong)(uint)subject << 32) | (uint)capability) * 0x9E37_79B9_7F4A_7C15;
        return (long)((stirred ^ (stirred >> 29)) * 0xBF58_476D_1CE4_E5B9);
    }

    private static Type RequestOf(Capability capability) => capability switch
    {
        Capability.Start => typeof(CapabilityRequest.Start),
        Capability.Import => typeof(CapabilityRequest.Import),
        Capability.Export => typeof(CapabilityRequest.Export),
        Capability.NatsPublish => typeof(CapabilityRequest.NatsPublish),
        Capability.NatsSubscribe => typeof(CapabilityRequest.NatsSubscribe),
        Capability.NatsRespond => typeof(CapabilityRequest.NatsRespond),
        Capability.Stream => typeof(CapabilityRequest.Stream),
        Capability.Consumer => typeof(CapabilityRequest.Consumer),
        Capability.Bucket => typeof(CapabilityRequest.Bucket),
        Capability.Connect => typeof(CapabilityRequest.Connect),
        Capability.Resolve => typeof(CapabilityRequest.Resolve),
        Capability.Config => typeof(CapabilityRequest.Config),
        Capability.Secret => typeof(CapabilityRequest.Secret),
        Capability.Audience => typeof(CapabilityRequest.Audience),
        _ => typeof(CapabilityRequest.Mount),
    };

    private static void Put<TKey>(Dictionary<TKey, List<PolicyClause>> clauses, TKey key, PolicyClause clause)
        where TKey : notnull
    {
        if (!clauses.TryGetValue(key, out var list)) clauses.Add(key, list = []);
        list.Add(clause);
    }
}
