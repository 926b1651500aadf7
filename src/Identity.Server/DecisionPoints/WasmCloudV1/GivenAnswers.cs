using System.Threading.Channels;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// What hosts were told, by question: a v1 host keeps an answer for as long as it lives and asks never again, so what changes must be told
/// unasked. It is told by the id of the question alone, so an id stands for the first question that came with it and for no other: news
/// about one peer's question must not be taken for news about another's.
/// </summary>
/// <remarks>
/// Bounded, all together and of each host, which can be told apart by what they say of themselves only. Room is made by forgetting the oldest
/// no, which stays a no; of a host that asks too much its own. A yes is forgotten only when there is no no left, and few of them in a minute:
/// as nobody could say later that it ends, it ends now (<see cref="TakenBack"/>). What finds no room is not answered.
/// </remarks>
/// <param name="capacity">Answers that are kept.</param>
/// <param name="ofOneHost">Of those, answers to one host.</param>
internal sealed class GivenAnswers(int capacity, int ofOneHost, TimeProvider time)
{
    /// <summary>However much is asked, no more yeses than these are taken back to make room.</summary>
    public const int MaxTakenBackPerMinute = 60;

    // Each is told again while it is remembered: after a lost connection, and once in any case.
    private const int MaxLeaving = 1024;

    // No host waits that long: whatever became of it, its answer is not on its way any more.
    private static readonly TimeSpan ClaimsLast = TimeSpan.FromSeconds(10);

    private static readonly PolicyResponse Forgotten =
        new("", false, "this yes is not kept track of any longer, so it ends; ask anew by starting the host again");

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Shelf _all = new();
    private readonly Dictionary<(string Lattice, string HostKey), Shelf> _byHost = [];
    private readonly LinkedList<Entry> _leaving = new();
    private readonly Dictionary<RunningComponent, int> _mayRun = [];
    private readonly RecordingBound _takenBack = new(MaxTakenBackPerMinute);
    private readonly Channel<PolicyResponse> _toTell =
        Channel.CreateBounded<PolicyResponse>(new BoundedChannelOptions(MaxLeaving) { FullMode = BoundedChannelFullMode.DropOldest });

    private long _lastOrder;

    /// <summary>Answers that are out.</summary>
    public int Count
    {
        get { lock (_gate) return _all.Yes.Count + _all.No.Count; }
    }

    /// <summary>What must be told because it is forgotten. Known as told already (<see cref="IsTold"/>, <see cref="News"/>).</summary>
    public ChannelReader<PolicyResponse> TakenBack => _toTell.Reader;

    /// <summary>To be called before a question is answered.</summary>
    public Claim TryClaim(PolicyRequest request)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(request.RequestId, out var known)) return known.Value.Request == request ? Claim.Claimed : Claim.OfAnother;
            if (!TryMakeRoom(request)) return Claim.NoRoom;
            Put(new GivenAnswer(request, Permitted: false, ValidUntil: null) { IsOut = false });
            return Claim.Claimed;
        }
    }

    /// <summary>
    /// Remembers an answer; of two to the same question, the later one. Does nothing when the id stands for another question. What lost its
    /// place while it was answered is taken back at once, unless there is room again.
    /// </summary>
    public void Add(GivenAnswer answer)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(answer.Request.RequestId, out var known))
            {
                if (known.Value.Request != answer.Request) return;
                Remove(known);
            }

            if (TryMakeRoom(answer.Request)) Put(answer);
            else if (answer.Permitted) Leave(answer);
        }
    }

    /// <summary>Notes that a host was told otherwise. Does nothing when the answer is forgotten, or another one was given meanwhile.</summary>
    public bool Replace(GivenAnswer before, GivenAnswer after)
    {
        lock (_gate)
        {
            if (!_byId.TryGetValue(before.Request.RequestId, out var entry) || !ReferenceEquals(entry.Value, before)) return false;
            Take(entry);
            entry.Value = after;
            Shelve(entry);
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
        get { lock (_gate) return _all.Yes.Min(entry => entry.Value.ValidUntil); }
    }

    /// <summary>Whether this is still what the host was told last.</summary>
    public bool IsTold(string requestId, bool permitted)
    {
        lock (_gate) return _byId.TryGetValue(requestId, out var entry) && entry.Value.IsOut && entry.Value.Permitted == permitted;
    }

    /// <summary>Those that are out, the oldest first.</summary>
    public IReadOnlyList<GivenAnswer> ToList()
    {
        lock (_gate) return [.. _all.Answered.OrderBy(entry => entry.Order).Select(entry => entry.Value)];
    }

    /// <summary>All that was told unasked, also of what is forgotten since.</summary>
    public IReadOnlyList<PolicyResponse> News()
    {
        lock (_gate) return [.. _all.Answered.Concat(_leaving).Select(entry => entry.Value.News).OfType<PolicyResponse>()];
    }

    // Of a host that has its share, its own; otherwise anybody's.
    private bool TryMakeRoom(PolicyRequest request)
    {
        var shelf = _byHost.TryGetValue(HostOf(request), out var own) && own.Count >= ofOneHost ? own : _all.Count >= capacity ? _all : null;
        if (shelf is null) return true;
        var no = shelf.No.First ?? (shelf.Waiting.First is { } waiting && time.GetElapsedTime(waiting.Value.Since) > ClaimsLast ? waiting : null);
        if (no is not null)
        {
            Remove(no.Value);
            return true;
        }

        if (shelf.Yes.First is not { } yes || !_takenBack.HasRoom(time)) return false;
        Remove(yes.Value);
        Leave(yes.Value.Value);
        return true;
    }

    private void Put(GivenAnswer answer)
    {
        var entry = new Entry(answer, ++_lastOrder, time.GetTimestamp());
        _byId[answer.Request.RequestId] = entry;
        Shelve(entry);
    }

    // Remembered a little longer, as a no that was told.
    private void Leave(GivenAnswer forgotten)
    {
        var news = Forgotten with { RequestId = forgotten.Request.RequestId };
        var entry = new Entry(forgotten with { Permitted = false, ValidUntil = null, News = news, IsOut = true }, ++_lastOrder, time.GetTimestamp()) { IsLeaving = true };
        _byId[news.RequestId] = entry;
        entry.OfAll = _leaving.AddLast(entry);
        if (_leaving.Count > MaxLeaving) Remove(_leaving.First!.Value);
        _toTell.Writer.TryWrite(news);
    }

    private void Remove(Entry entry)
    {
        _byId.Remove(entry.Value.Request.RequestId);
        if (entry.IsLeaving) _leaving.Remove(entry.OfAll!);
        else Take(entry);
    }

    private void Shelve(Entry entry)
    {
        var host = HostOf(entry.Value.Request);
        if (!_byHost.TryGetValue(host, out var own)) _byHost.Add(host, own = new Shelf());
        entry.OfAll = _all.Of(entry.Value).AddLast(entry);
        entry.OfHost = own.Of(entry.Value).AddLast(entry);
        Note(entry.Value, 1);
    }

    private void Take(Entry entry)
    {
        entry.OfAll!.List!.Remove(entry.OfAll);
        entry.OfHost!.List!.Remove(entry.OfHost);
        var host = HostOf(entry.Value.Request);
        if (_byHost[host].Count == 0) _byHost.Remove(host);
        Note(entry.Value, -1);
    }

    private void Note(GivenAnswer answer, int by)
    {
        if (!answer.Permitted || answer.Request.IsStop || answer.Request.Kind != PolicyRequestKind.StartComponent) return;
        var component = RunningComponent.Of(answer.Request);
        var count = _mayRun.GetValueOrDefault(component) + by;
        if (count > 0) _mayRun[component] = count;
        else _mayRun.Remove(component);
    }

    private static (string Lattice, string HostKey) HostOf(PolicyRequest request) => (request.Lattice, request.HostKey);

    public enum Claim
    {
        /// <summary>There are too many answers out, and the question must go without.</summary>
        NoRoom = 0,

        /// <summary>The id stands for another question already.</summary>
        OfAnother,
        Claimed,
    }

    /// <summary>Answers, the oldest first.</summary>
    private sealed class Shelf
    {
        public LinkedList<Entry> Yes { get; } = new();

        public LinkedList<Entry> No { get; } = new();

        /// <summary>What has no answer yet.</summary>
        public LinkedList<Entry> Waiting { get; } = new();

        public int Count => Yes.Count + No.Count + Waiting.Count;

        public IEnumerable<Entry> Answered => Yes.Concat(No);

        public LinkedList<Entry> Of(GivenAnswer answer) => !answer.IsOut ? Waiting : answer.Permitted ? Yes : No;
    }

    private sealed class Entry(GivenAnswer value, long order, long since)
    {
        public GivenAnswer Value { get; set; } = value;

        public long Order => order;

        public long Since => since;

        public bool IsLeaving { get; init; }

        public LinkedListNode<Entry>? OfAll { get; set; }

        public LinkedListNode<Entry>? OfHost { get; set; }
    }

    private readonly record struct RunningComponent(string Lattice, string HostKey, string Id)
    {
        public static RunningComponent Of(PolicyRequest request) => new(request.Lattice, request.HostKey, request.Id);
    }
}
