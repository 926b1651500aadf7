using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What is kept of the decisions within a bound, in the order they came, each counted to its source: the agent that decided, or the door it was asked at. When there is no more
/// room, a source that holds more than its share loses its own oldest first; only where none does, the oldest of all go. So nobody who is refused, or who asks, without end pushes
/// out what was decided elsewhere, and where nothing else happens one source may have all the room there is. Not for several threads.
/// </summary>
/// <param name="maxBytes">Of all that is kept, serialized.</param>
/// <param name="maxCount">Of all; a small decision counts as the bytes that so many may have each.</param>
internal sealed class KeptDecisions(long maxBytes, int maxCount)
{
    /// <summary>Sources that each hold no more than this part of the room can be pushed out only by as many others.</summary>
    public const int Shares = 16;

    private readonly Dictionary<string, LinkedListNode<KeptDecision>> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Source> _sources = new(StringComparer.Ordinal);
    private readonly LinkedList<KeptDecision> _order = new();

    // At most as many as there are shares, and one that has just got there.
    private readonly List<Source> _aboveShare = [];
    private long _bytes;

    /// <summary>Oldest first.</summary>
    public IReadOnlyCollection<KeptDecision> All => _order;

    public KeptDecision? TryGet(string id) => _byId.GetValueOrDefault(id)?.Value;

    /// <summary>False, and nothing changes, when the id is known: nobody rewrites an answer that was given.</summary>
    /// <param name="forgotten">Gets the ids of those that had to go.</param>
    public bool TryAdd(KeptDecision decision, ICollection<string> forgotten)
    {
        if (_byId.ContainsKey(decision.Id)) return false;
        var node = _order.AddLast(decision);
        _byId.Add(decision.Id, node);
        if (!_sources.TryGetValue(decision.Source, out var source)) _sources.Add(decision.Source, source = new Source());
        source.Decisions.Enqueue(node);
        Count(source, CostOf(decision));
        while (_bytes > maxBytes)
        {
            var oldest = (_aboveShare.MaxBy(one => one.Bytes)?.Decisions.Peek() ?? _order.First!).Value;
            Forget(oldest);
            forgotten.Add(oldest.Id);
        }

        return true;
    }

    private void Forget(KeptDecision decision)
    {
        var source = _sources[decision.Source];
        // Those of one source stand in the order of all, so the oldest of all is the oldest of its source.
        var node = source.Decisions.Dequeue();
        _order.Remove(node);
        _byId.Remove(decision.Id);
        Count(source, -CostOf(decision));
        if (source.Decisions.Count == 0) _sources.Remove(decision.Source);
    }

    private void Count(Source source, long bytes)
    {
        var was = source.Bytes > maxBytes / Shares;
        source.Bytes += bytes;
        _bytes += bytes;
        var isNow = source.Bytes > maxBytes / Shares;
        if (isNow && !was) _aboveShare.Add(source);
        else if (was && !isNow) _aboveShare.Remove(source);
    }

    private long CostOf(KeptDecision decision) => Math.Max(decision.Payload.Length, maxBytes / maxCount);

    private sealed class Source
    {
        public Queue<LinkedListNode<KeptDecision>> Decisions { get; } = new();

        public long Bytes { get; set; }
    }
}

/// <param name="Source">Who may fill the log with such: the agent, the door, or the kind where it is asked at no door.</param>
/// <param name="Payload">Serialized: a tenth of the memory of the message, and what the ledger keeps anyway.</param>
internal sealed record KeptDecision(string Id, string Source, bool Allowed, byte[] Payload)
{
    public Decision Read() => Decision.Parser.ParseFrom(Payload);
}
