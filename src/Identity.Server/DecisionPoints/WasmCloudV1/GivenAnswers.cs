namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// What hosts were told, by question: a v1 host keeps an answer for as long as it lives and asks never again, so what changes must be told
/// unasked. It is told by the id of the question alone, so an id stands for the first question that came with it and for no other: news
/// about one peer's question must not be taken for news about another's.
/// </summary>
/// <remarks>
/// Bounded, all together, of each lattice and of each host, which can be told apart by what they say of themselves only. So a yes that is out is never
/// forgotten, nor taken back to make room: whoever asks under another's name, or under a thousand, could stop what runs there. What finds no room for a yes
/// must be told no (<see cref="Claim.ForNo"/>). Room for that is made by forgetting the oldest no, which stays a no; of a host that asks too much its own.
/// <para>Yeses, and what was told unasked, outlive the process: the store has them as they are here.</para>
/// </remarks>
internal sealed class GivenAnswers
{
    // How many times what is left one lattice may have. Alone it gets four fifths of all, beside it the next four fifths of the rest: whatever is asked in
    // the name of one, those that policy speaks of besides have places of their own.
    private const int OfOneLattice = 4;

    private readonly int _capacity;
    private readonly int _ofOneHost;
    private readonly AnswerStore? _store;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Shelf _all;
    private readonly Dictionary<(string Lattice, string HostKey), Shelf> _byHost = [];
    private readonly Dictionary<string, int> _yesesByLattice = new(StringComparer.Ordinal);
    private readonly Dictionary<RunningComponent, int> _mayRun = [];

    private long _lastOrder;

    /// <param name="capacity">Answers that are kept. A tenth of them can only be noes.</param>
    /// <param name="ofOneHost">Of those, answers to one host; of these too a tenth.</param>
    /// <param name="store">Null: nothing outlives the process. What is in it is remembered from the start, be it more than there is room for.</param>
    public GivenAnswers(int capacity, int ofOneHost, AnswerStore? store = null)
    {
        (_capacity, _ofOneHost, _store, _all) = (capacity, ofOneHost, store, new Shelf(capacity));
        foreach (var answer in store?.Read() ?? []) Put(answer);
    }

    /// <summary>Why no yes can be given now, as a sentence's end: it would not outlive the process. Null when it can.</summary>
    public string? Problem => _store?.Problem;

    /// <summary>Answers that are out.</summary>
    public int Count
    {
        get { lock (_gate) return _all.Yes.Count + _all.No.Count; }
    }

    /// <summary>To be called before a question is answered; then <see cref="Add"/> what is said, or <see cref="Release"/> it when nothing is.</summary>
    public Claim TryClaim(PolicyRequest request)
    {
        lock (_gate)
        {
            var known = _byId.GetValueOrDefault(request.RequestId);
            if (known is not null && known.Value.Request != request) return Claim.OfAnother;
            if (known is { Value: { IsOut: true, Permitted: true } }) return Claim.Claimed;
            if (known is null && !TryMakeRoom(request)) return Claim.NoRoom;
            var claim = HasRoomForYes(request, known) ? Claim.Claimed : Claim.ForNo;
            if (known is null) Put(new GivenAnswer(request, Permitted: false, ValidUntil: null) { IsOut = false, IsForNo = claim == Claim.ForNo });
            return claim;
        }
    }

    /// <summary>To be called before a yes is sent: when it returns, it outlives the process.</summary>
    /// <exception cref="IOException">It could not be written; then <see cref="Unkeep"/> it.</exception>
    public Task KeepAsync(GivenAnswer yes)
    {
        if (_store is null) return Task.CompletedTask;
        lock (_gate) return _store.Keep(yes);
    }

    /// <summary>A yes that was to be kept and is not sent.</summary>
    public void Unkeep(PolicyRequest request)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(request.RequestId, out var known) && IsKept(known.Value)) _store?.Keep(known.Value);
            else _store?.Forget(request.RequestId);
        }
    }

    /// <summary>When it returns, all that was noted until now outlives the process.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public Task WrittenAsync() => _store?.WrittenAsync() ?? Task.CompletedTask;

    /// <summary>
    /// Remembers an answer that is out, or may be. Of two to the same question the later one, but a yes stays one until its host is told otherwise. Does
    /// nothing when the id stands for another question.
    /// </summary>
    public void Add(GivenAnswer answer)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(answer.Request.RequestId, out var known))
            {
                if (known.Value.Request != answer.Request || (known.Value is { IsOut: true, Permitted: true } && !answer.Permitted)) return;
                _byId.Remove(answer.Request.RequestId);
                Take(known);
            }

            Put(answer);

            // A yes to a question that waited was kept before it was sent.
            if (!answer.Permitted || known is not { Value.IsOut: false }) Store(known?.Value, answer);
        }
    }

    /// <summary>A question that was claimed and is not answered.</summary>
    public void Release(PolicyRequest request)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(request.RequestId, out var known) && !known.Value.IsOut && known.Value.Request == request) Remove(known);
        }
    }

    /// <summary>
    /// Notes that a host is told otherwise. Does nothing when the answer is forgotten, another one was given meanwhile, or there is no room for the yes that
    /// it would be.
    /// </summary>
    public bool Replace(GivenAnswer before, GivenAnswer after)
    {
        lock (_gate)
        {
            if (after.Permitted && !before.Permitted && !HasRoomForYes(before.Request, but: null)) return false;
            return Exchange(before, after);
        }
    }

    /// <summary>Takes back what <see cref="Replace"/> noted: the host could not be told. There is always room for that, for it is so.</summary>
    public void PutBack(GivenAnswer after, GivenAnswer before)
    {
        lock (_gate) Exchange(after, before);
    }

    /// <summary>Whether an answer that is a no could become a yes.</summary>
    public bool HasRoomForYes(PolicyRequest request)
    {
        lock (_gate) return HasRoomForYes(request, but: null);
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

    /// <summary>All that was told unasked.</summary>
    public IReadOnlyList<PolicyResponse> News()
    {
        lock (_gate) return [.. _all.Answered.Select(entry => entry.Value.News).OfType<PolicyResponse>()];
    }

    // Of a host that has its share, its own; otherwise anybody's. What is being answered keeps its place, and is not much: who answers does one at a time.
    private bool TryMakeRoom(PolicyRequest request)
    {
        var shelf = _byHost.TryGetValue(HostOf(request), out var own) && own.Count >= _ofOneHost ? own : _all.Count >= _capacity ? _all : null;
        if (shelf is null) return true;
        if (shelf.No.First is not { } oldest) return false;
        Remove(oldest.Value);
        return true;
    }

    // What is being answered counts as a yes unless it was claimed for a no.
    private bool HasRoomForYes(PolicyRequest request, Entry? but)
    {
        if (but is { Value: { IsOut: false, IsForNo: false } }) return true;
        return _all.LeftForYes > 0
            && (!_byHost.TryGetValue(HostOf(request), out var own) || own.LeftForYes > 0)
            && _yesesByLattice.GetValueOrDefault(request.Lattice) < (long)OfOneLattice * _all.LeftForYes;
    }

    private bool Exchange(GivenAnswer before, GivenAnswer after)
    {
        if (!_byId.TryGetValue(before.Request.RequestId, out var entry) || !ReferenceEquals(entry.Value, before)) return false;
        Take(entry);
        entry.Value = after;
        Shelve(entry);
        Store(before, after);
        return true;
    }

    private void Put(GivenAnswer answer)
    {
        var entry = new Entry(answer, ++_lastOrder);
        _byId[answer.Request.RequestId] = entry;
        Shelve(entry);
    }

    private void Remove(Entry entry)
    {
        _byId.Remove(entry.Value.Request.RequestId);
        Take(entry);
        Store(entry.Value, after: null);
    }

    // When a grant ends is found out anew at the start, from the policy as it is then.
    private void Store(GivenAnswer? before, GivenAnswer? after)
    {
        if (_store is null) return;
        if (after is not null && IsKept(after))
        {
            if (before is null || !IsKept(before) || before.Permitted != after.Permitted || before.News != after.News) _store.Keep(after);
        }
        else if (before is not null && IsKept(before)) _store.Forget(before.Request.RequestId);
    }

    // A no that answered a question need not outlive the process: nobody runs by it what must be stopped.
    private static bool IsKept(GivenAnswer answer) => answer.IsOut && (answer.Permitted || answer.News is not null);

    private void Shelve(Entry entry)
    {
        var host = HostOf(entry.Value.Request);
        if (!_byHost.TryGetValue(host, out var own)) _byHost.Add(host, own = new Shelf(_ofOneHost));
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
        if (answer.Permitted)
        {
            var yeses = _yesesByLattice.GetValueOrDefault(answer.Request.Lattice) + by;
            if (yeses > 0) _yesesByLattice[answer.Request.Lattice] = yeses;
            else _yesesByLattice.Remove(answer.Request.Lattice);
        }

        if (!answer.Permitted || answer.Request.IsStop || answer.Request.Kind != PolicyRequestKind.StartComponent) return;
        var component = RunningComponent.Of(answer.Request);
        var count = _mayRun.GetValueOrDefault(component) + by;
        if (count > 0) _mayRun[component] = count;
        else _mayRun.Remove(component);
    }

    private static (string Lattice, string HostKey) HostOf(PolicyRequest request) => (request.Lattice, request.HostKey);

    public enum Claim
    {
        /// <summary>There is no room for any answer, and the question must go without.</summary>
        NoRoom = 0,

        /// <summary>The id stands for another question already.</summary>
        OfAnother,

        /// <summary>There is room for a no only: so many yeses are out that one more could not be kept track of.</summary>
        ForNo,
        Claimed,
    }

    /// <summary>Answers, the oldest first.</summary>
    private sealed class Shelf(int capacity)
    {
        // What is denied for want of room must be remembered too, or it could not be told when there is some.
        private readonly int _maxYes = capacity - Math.Max(1, capacity / 10);

        public LinkedList<Entry> Yes { get; } = new();

        public LinkedList<Entry> No { get; } = new();

        /// <summary>What has no answer yet.</summary>
        public LinkedList<Entry> Waiting { get; } = new();

        public int Count => Yes.Count + No.Count + Waiting.Count;

        public int LeftForYes => Math.Max(0, _maxYes - Yes.Count - Waiting.Count(entry => !entry.Value.IsForNo));

        public IEnumerable<Entry> Answered => Yes.Concat(No);

        public LinkedList<Entry> Of(GivenAnswer answer) => !answer.IsOut ? Waiting : answer.Permitted ? Yes : No;
    }

    private sealed class Entry(GivenAnswer value, long order)
    {
        public GivenAnswer Value { get; set; } = value;

        public long Order => order;

        public LinkedListNode<Entry>? OfAll { get; set; }

        public LinkedListNode<Entry>? OfHost { get; set; }
    }

    private readonly record struct RunningComponent(string Lattice, string HostKey, string Id)
    {
        public static RunningComponent Of(PolicyRequest request) => new(request.Lattice, request.HostKey, request.Id);
    }
}
