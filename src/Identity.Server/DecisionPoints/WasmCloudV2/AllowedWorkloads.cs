using Identity.Server.ComponentPolicy;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The workloads that one door let through, until it hears that they are gone: what runs and does not ask again, so that a staged change can be tried
/// on it. Bounded, all together and of each namespace. What is remembered is not pushed out by what comes: what finds no room is counted, and a change that
/// takes something does not go into force by itself as long as that may run.
/// </summary>
internal sealed class AllowedWorkloads
{
    // What is no workload but a note that there may be some, begins with this, which stands in the name of no namespace and no host.
    private const string Note = "?";

    // Of namespaces that found no room so many are told apart.
    private const int MaxSharesWithoutRoom = 1000;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    private readonly AllowedWorkloadsOptions _options;
    private readonly StageObservations _staged;
    private readonly TimeProvider _time;
    private readonly WorkloadFile? _file;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Room> _byShare = new(StringComparer.Ordinal);
    private readonly Dictionary<WorkloadAsks, int> _asks = [];
    private readonly Dictionary<string, (long Count, DateTimeOffset Last, DateTimeOffset KeptAt)> _withoutRoom = new(StringComparer.Ordinal);
    private readonly Room _all = new();
    private DateTimeOffset _endHeardAt = DateTimeOffset.MinValue;
    private DateTimeOffset _sweptAt = DateTimeOffset.MinValue;

    /// <param name="staged">Told of each, where the door proves who asks.</param>
    /// <param name="file">Where it is kept for the next process; null: nowhere.</param>
    /// <param name="hasEarlier">Whether workloads may have been let through before there was such a file.</param>
    public AllowedWorkloads(AllowedWorkloadsOptions options, StageObservations staged, TimeProvider time, WorkloadFile? file = null, bool hasEarlier = false)
    {
        (_options, _staged, _time) = (options, staged, time);
        var now = time.GetUtcNow();
        foreach (var (kept, at, wasProven) in file?.Read(Door.Text) ?? [])
        {
            // What a stranger said before this door asked for proof halts nothing, but something may run there all the same.
            var workload = IsProven && !wasProven ? kept with { Asks = null } : kept;
            // What was heard since, of it and of ends, is not written.
            Put(workload, IsNote(workload) ? at : now);
        }

        _file = file;
        // Of what runs the interposer hears by itself.
        if (file is { IsNew: true } && hasEarlier && options.HearsEnds)
            Put(new AllowedWorkload(Note, "", $"what {Door.Text} let through before {now:u}, when this server began to remember it", Asks: null), now);
    }

    public DoorName Door => _options.Door;

    /// <summary>Whether whoever asks at this door has proven to be the one to ask.</summary>
    public bool IsProven => _options.IsProven;

    /// <summary>Remembers a workload that is let through, in the place of what is known of it. To be called before the door answers.</summary>
    /// <returns>False when it was known.</returns>
    /// <exception cref="Microsoft.Data.Sqlite.SqliteException">It cannot be kept, so that the door must not let it through.</exception>
    public bool Allow(string id, string share, string text, IReadOnlyList<Question> questions)
    {
        var workload = new AllowedWorkload(id, share, text, new WorkloadAsks(questions));
        bool isNew;
        lock (_gate) isNew = Put(workload, _time.GetUtcNow());
        if (IsProven) _staged.Allowed(workload);
        return isNew;
    }

    /// <summary>Somebody who can tell says that it runs.</summary>
    public void Heard(string id, string share, string text)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out var known)) known.HeardAt = _time.GetUtcNow();
            else Put(new AllowedWorkload(id, share, text, Asks: null), _time.GetUtcNow());
        }
    }

    /// <summary>It is gone.</summary>
    public void Forget(string id)
    {
        lock (_gate)
        {
            _endHeardAt = _time.GetUtcNow();
            if (!_byId.TryGetValue(id, out var known)) return;
            Remove(known);
            _file?.Delete(Door.Text, [id]);
        }
    }

    /// <summary>All that may run now.</summary>
    public WorkloadSurvey Look()
    {
        lock (_gate)
        {
            Sweep();
            var known = _byId.Values.Where(entry => entry.Workload.Asks is not null)
                .GroupBy(entry => entry.Workload.Asks!)
                .Select(same => new AlikeWorkloads(same.Key, same.First().Workload, same.LongCount()))
                .ToList();
            var unknown = _byId.Values.Select(entry => entry.Workload).Where(workload => workload.Asks is null).ToList();
            return new WorkloadSurvey(known, unknown.Count + _withoutRoom.Values.Sum(one => one.Count), unknown.FirstOrDefault()?.Text ?? Quoted(_withoutRoom.Keys.FirstOrDefault()));
        }
    }

    private static string Quoted(string? share) => share is null ? "" : $"of namespace {Registration.Quote.From(share)}";

    private static bool IsNote(AllowedWorkload workload) => workload.Id.StartsWith(Note, StringComparison.Ordinal);

    private bool Put(AllowedWorkload workload, DateTimeOffset at)
    {
        var isNew = !_byId.TryGetValue(workload.Id, out var known);
        if (known is not null) Remove(known);
        if (!HasRoom(workload))
        {
            // Its name takes less, and that is enough to know later that it is gone.
            workload = workload with { Asks = null };
            if (!HasRoom(workload))
            {
                GoWithout(workload.Share, at);
                return isNew;
            }
        }

        var entry = new Entry(workload) { HeardAt = at };
        _byId.Add(workload.Id, entry);
        if (!_byShare.TryGetValue(workload.Share, out var share)) _byShare.Add(workload.Share, share = new Room());
        Account(share, workload, 1);
        _file?.Put(Door.Text, workload, at, IsProven);
        return isNew;
    }

    private bool HasRoom(AllowedWorkload workload)
    {
        var needed = workload.Bytes + (workload.Asks is { } asks && !_asks.ContainsKey(asks) ? asks.Bytes : 0);
        if (Fits()) return true;
        Sweep();
        return Fits();

        bool Fits() => _all.Has(needed, _options.MaxCount, _options.MaxBytes)
            && (_byShare.GetValueOrDefault(workload.Share) ?? new Room()).Has(needed, _options.MaxCountOfOne, _options.MaxBytesOfOne);
    }

    private void GoWithout(string share, DateTimeOffset at)
    {
        var name = _withoutRoom.ContainsKey(share) || _withoutRoom.Count < MaxSharesWithoutRoom ? share : "";
        var (count, _, keptAt) = _withoutRoom.GetValueOrDefault(name);
        // A flood writes once a day; after a restart it is known that there were some.
        if (count == 0 || at - keptAt > TimeSpan.FromDays(1))
        {
            keptAt = at;
            _file?.Put(Door.Text, new AllowedWorkload($"{Note}/{name}", name, Quoted(name), Asks: null), at, IsProven);
        }

        _withoutRoom[name] = (count + 1, at, keptAt);
    }

    private void Remove(Entry entry)
    {
        var workload = entry.Workload;
        _byId.Remove(workload.Id);
        var share = _byShare[workload.Share];
        Account(share, workload, -1);
        if (share.Count == 0) _byShare.Remove(workload.Share);
    }

    private void Account(Room share, AllowedWorkload workload, int by)
    {
        var bytes = workload.Bytes;
        if (workload.Asks is { } asks)
        {
            // What asks for the same is of the same namespace, and counted once.
            var users = _asks.GetValueOrDefault(asks);
            if (users + by == 0) _asks.Remove(asks);
            else _asks[asks] = users + by;
            if (users == 0 || users + by == 0) bytes += asks.Bytes;
        }

        foreach (var room in (Room[])[share, _all]) (room.Count, room.Bytes) = (room.Count + by, room.Bytes + (by * bytes));
    }

    private void Sweep()
    {
        var now = _time.GetUtcNow();
        if (now - _sweptAt < SweepEvery) return;
        _sweptAt = now;
        var oldest = now - _options.Silence;
        var gone = new List<string>();
        // Whoever hears of ends would have heard of this one's.
        foreach (var entry in _byId.Values.Where(entry => entry.HeardAt < oldest && (!_options.HearsEnds || _endHeardAt < entry.HeardAt || IsNote(entry.Workload))).ToList())
        {
            Remove(entry);
            gone.Add(entry.Workload.Id);
        }

        foreach (var share in _withoutRoom.Where(one => one.Value.Last < oldest).Select(one => one.Key).ToList())
        {
            _withoutRoom.Remove(share);
            gone.Add($"{Note}/{share}");
        }

        if (gone.Count > 0) _file?.Delete(Door.Text, gone);
    }

    private sealed class Entry(AllowedWorkload workload)
    {
        public AllowedWorkload Workload => workload;

        public DateTimeOffset HeardAt { get; set; }
    }

    private sealed class Room
    {
        public long Count { get; set; }

        public long Bytes { get; set; }

        public bool Has(long bytes, long maxCount, long maxBytes) => Count < maxCount && Bytes + bytes <= maxBytes;
    }
}

/// <summary>Of one door.</summary>
/// <param name="Silence">Of what was not heard for so long it is taken that it is gone.</param>
/// <param name="HearsEnds">Whether what is silent runs on, from the first end on that the door hears of: it is told of ends, and of nothing else.</param>
internal sealed record AllowedWorkloadsOptions(DoorName Door, bool IsProven, TimeSpan Silence, bool HearsEnds)
{
    public long MaxCount { get; init; } = 100_000;

    /// <summary>Of one namespace.</summary>
    public long MaxCountOfOne { get; init; } = 10_000;

    public long MaxBytes { get; init; } = 128L << 20;

    /// <summary>Of one namespace.</summary>
    public long MaxBytesOfOne { get; init; } = 16L << 20;
}

/// <param name="Known">Those of which it is known what they asked for.</param>
/// <param name="Unknown">How many others there may be.</param>
/// <param name="UnknownExample">One of the others, for a person; empty when there is none.</param>
internal sealed record WorkloadSurvey(IReadOnlyList<AlikeWorkloads> Known, long Unknown, string UnknownExample);

/// <summary>Workloads that ask for the same.</summary>
internal sealed record AlikeWorkloads(WorkloadAsks Asks, AllowedWorkload First, long Count);
