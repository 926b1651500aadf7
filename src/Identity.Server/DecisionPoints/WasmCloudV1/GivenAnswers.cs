using System.Diagnostics.CodeAnalysis;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// What hosts were told, by question: a v1 host keeps an answer for as long as it lives and asks never again, so what changes must be told
/// unasked. It is told by the id of the question alone, so an id stands for the first question that came with it and for no other: news
/// about one peer's question must not be taken for news about another's. Bounded; the oldest is forgotten first, and then keeps what it
/// was told.
/// </summary>
internal sealed class GivenAnswers(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<GivenAnswer>> _byId = new(StringComparer.Ordinal);
    private readonly LinkedList<GivenAnswer> _oldestFirst = new();
    private readonly Dictionary<RunningComponent, int> _mayRun = [];

    /// <summary>Answers that are out.</summary>
    public int Count
    {
        get { lock (_gate) return _oldestFirst.Count(given => given.IsOut); }
    }

    /// <summary>To be called before a question is answered. False when its id stands for another question already.</summary>
    public bool TryClaim(PolicyRequest request)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(request.RequestId, out var known)) return known.Value.Request == request;
            Put(new GivenAnswer(request, Permitted: false, ValidUntil: null) { IsOut = false });
            return true;
        }
    }

    /// <summary>Remembers an answer; of two to the same question, the later one. Does nothing when the id stands for another question.</summary>
    public void Add(GivenAnswer answer)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(answer.Request.RequestId, out var known))
            {
                if (known.Value.Request != answer.Request) return;
                Forget(known);
            }

            Put(answer);
        }
    }

    /// <summary>Notes that a host was told otherwise. Does nothing when the answer is forgotten, or another one was given meanwhile.</summary>
    public bool Replace(GivenAnswer before, GivenAnswer after)
    {
        lock (_gate)
        {
            if (!_byId.TryGetValue(before.Request.RequestId, out var node) || !ReferenceEquals(node.Value, before)) return false;
            Note(before, -1);
            node.Value = after;
            Note(after, 1);
            return true;
        }
    }

    /// <summary>True when a start of this component on this host was permitted: it may be running there, from whatever image.</summary>
    public bool MayRun(PolicyRequest request)
    {
        lock (_gate) return _mayRun.ContainsKey(RunningComponent.Of(request));
    }

    /// <summary>When the first yes that was given ends by itself; null when none does.</summary>
    public DateTimeOffset? NextEnd
    {
        get { lock (_gate) return _oldestFirst.Where(given => given.Permitted).Min(given => given.ValidUntil); }
    }

    /// <summary>Whether this is still what the host was told last.</summary>
    public bool IsTold(string requestId, bool permitted)
    {
        lock (_gate) return TryGetOut(requestId, out var given) && given.Permitted == permitted;
    }

    /// <summary>Those that are out, the oldest first.</summary>
    public IReadOnlyList<GivenAnswer> ToList()
    {
        lock (_gate) return [.. _oldestFirst.Where(given => given.IsOut)];
    }

    private bool TryGetOut(string requestId, [NotNullWhen(true)] out GivenAnswer? given)
    {
        given = _byId.TryGetValue(requestId, out var node) && node.Value.IsOut ? node.Value : null;
        return given is not null;
    }

    private void Put(GivenAnswer answer)
    {
        _byId[answer.Request.RequestId] = _oldestFirst.AddLast(answer);
        Note(answer, 1);
        if (_byId.Count > capacity) Forget(_oldestFirst.First!);
    }

    private void Forget(LinkedListNode<GivenAnswer> node)
    {
        _byId.Remove(node.Value.Request.RequestId);
        _oldestFirst.Remove(node);
        Note(node.Value, -1);
    }

    private void Note(GivenAnswer answer, int by)
    {
        if (!answer.Permitted || answer.Request.IsStop || answer.Request.Kind != PolicyRequestKind.StartComponent) return;
        var component = RunningComponent.Of(answer.Request);
        var count = _mayRun.GetValueOrDefault(component) + by;
        if (count > 0) _mayRun[component] = count;
        else _mayRun.Remove(component);
    }

    private readonly record struct RunningComponent(string Lattice, string HostKey, string Id)
    {
        public static RunningComponent Of(PolicyRequest request) => new(request.Lattice, request.HostKey, request.Id);
    }
}

/// <param name="Permitted">What the host was told last.</param>
/// <param name="ValidUntil">When that ends by itself; null when it does not.</param>
internal sealed record GivenAnswer(PolicyRequest Request, bool Permitted, DateTimeOffset? ValidUntil)
{
    /// <summary>False while the question waits for its answer.</summary>
    public bool IsOut { get; init; } = true;

    /// <summary>What to say when the host must be told again what it was told unasked; null when its question was answered so.</summary>
    public PolicyResponse? News { get; init; }
}

/// <summary>What a host must be told because it is another answer than before.</summary>
internal sealed record PolicyNews(GivenAnswer Before, GivenAnswer After, PolicyResponse Response);
