namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// What hosts were told, by the id of their question: a v1 host keeps an answer for as long as it lives and asks never again, so what
/// changes must be told unasked. Bounded; the oldest is forgotten first, and then keeps what it was told.
/// </summary>
internal sealed class GivenAnswers(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<GivenAnswer>> _byId = new(StringComparer.Ordinal);
    private readonly LinkedList<GivenAnswer> _oldestFirst = new();

    public int Count
    {
        get { lock (_gate) return _byId.Count; }
    }

    /// <summary>Remembers an answer; of two to the same question, the later one.</summary>
    public void Add(GivenAnswer answer)
    {
        lock (_gate)
        {
            if (_byId.Remove(answer.Request.RequestId, out var known)) _oldestFirst.Remove(known);
            _byId[answer.Request.RequestId] = _oldestFirst.AddLast(answer);
            if (_byId.Count <= capacity) return;
            _byId.Remove(_oldestFirst.First!.Value.Request.RequestId);
            _oldestFirst.RemoveFirst();
        }
    }

    /// <summary>Notes that a host was told otherwise. Does nothing when the answer is forgotten, or another one was given meanwhile.</summary>
    public bool Replace(GivenAnswer before, GivenAnswer after)
    {
        lock (_gate)
        {
            if (!_byId.TryGetValue(before.Request.RequestId, out var node) || !ReferenceEquals(node.Value, before)) return false;
            node.Value = after;
            return true;
        }
    }

    /// <summary>True when a start of this component on this host was permitted: it may be running there, from whatever image.</summary>
    public bool MayRun(PolicyRequest request)
    {
        lock (_gate)
        {
            return _oldestFirst.Any(given => given.Permitted && !given.Request.IsStop && given.Request.Kind == PolicyRequestKind.StartComponent
                && given.Request.Id == request.Id && given.Request.Lattice == request.Lattice && given.Request.HostKey == request.HostKey);
        }
    }

    /// <summary>When the first yes that was given ends by itself; null when none does.</summary>
    public DateTimeOffset? NextEnd
    {
        get { lock (_gate) return _oldestFirst.Where(given => given.Permitted).Min(given => given.ValidUntil); }
    }

    /// <summary>Whether this is still what the host was told last.</summary>
    public bool IsTold(string requestId, bool permitted)
    {
        lock (_gate) return _byId.TryGetValue(requestId, out var node) && node.Value.Permitted == permitted;
    }

    public IReadOnlyList<GivenAnswer> ToList()
    {
        lock (_gate) return [.. _oldestFirst];
    }
}

/// <param name="Permitted">What the host was told last.</param>
/// <param name="ValidUntil">When that ends by itself; null when it does not.</param>
internal sealed record GivenAnswer(PolicyRequest Request, bool Permitted, DateTimeOffset? ValidUntil);
