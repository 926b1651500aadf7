using Identity.Server.ComponentPolicy;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The workloads that one door let through, until it hears that they are gone: what runs and does not ask again, so that a staged change can be tried
/// on it. Bounded, all together and of each namespace. What is remembered is not pushed out by what comes: what finds no room is counted, and a change that
/// takes something does not go into force by itself as long as that may run.
/// </summary>
/// <param name="staged">Told of each, where the door proves who asks.</param>
internal sealed class AllowedWorkloads(AllowedWorkloadsOptions options, StageObservations staged, TimeProvider time)
{
    // Of namespaces that found no room so many are told apart.
    private const int MaxSharesWithoutRoom = 1000;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Room> _byShare = new(StringComparer.Ordinal);
    private readonly Dictionary<WorkloadAsks, int> _asks = [];
    private readonly Dictionary<string, (long Count, DateTimeOffset Last)> _withoutRoom = new(StringComparer.Ordinal);
    private readonly Room _all = new();
    private DateTimeOffset _endHeardAt = DateTimeOffset.MinValue;
    private DateTimeOffset _sweptAt = DateTimeOffset.MinValue;
    private long _version;

    public DoorName Door => options.Door;

    /// <summary>Whether whoever asks at this door has proven to be the one to ask.</summary>
    public bool IsProven => options.IsProven;

    /// <summary>Another one whenever something was added or forgotten.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Remembers a workload that is let through, in the place of what is known of it. To be called before the door answers.</summary>
    /// <returns>False when it was known.</returns>
    public bool Allow(string id, string share, string text, IReadOnlyList<Question> questions)
    {
        var workload = new AllowedWorkload(id, share, text, new WorkloadAsks(questions));
        bool isNew;
        lock (_gate) isNew = Put(workload);
        if (IsProven) staged.Allowed(workload);
        return isNew;
    }

    /// <summary>Somebody who can tell says that it runs.</summary>
    public void Heard(string id, string share, string text)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out var known)) known.HeardAt = time.GetUtcNow();
            else Put(new AllowedWorkload(id, share, text, Asks: null));
        }
    }

    /// <summary>It is gone.</summary>
    public void Forget(string id)
    {
        lock (_gate)
        {
            _endHeardAt = time.GetUtcNow();
            if (_byId.TryGetValue(id, out var known)) Remove(known);
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

    private bool Put(AllowedWorkload workload)
    {
        var isNew = !_byId.TryGetValue(workload.Id, out var known);
        if (known is not null) Remove(known);
        if (!HasRoom(workload))
        {
            // Its name takes less, and that is enough to know later that it is gone.
            workload = workload with { Asks = null };
            if (!HasRoom(workload))
            {
                GoWithout(workload.Share);
                return isNew;
            }
        }

        var entry = new Entry(workload) { HeardAt = time.GetUtcNow() };
        _byId.Add(workload.Id, entry);
        if (!_byShare.TryGetValue(workload.Share, out var share)) _byShare.Add(workload.Share, share = new Room());
        Account(share, workload, 1);
        Interlocked.Increment(ref _version);
        return isNew;
    }

    private bool HasRoom(AllowedWorkload workload)
    {
        var needed = workload.Bytes + (workload.Asks is { } asks && !_asks.ContainsKey(asks) ? asks.Bytes : 0);
        if (Fits()) return true;
        Sweep();
        return Fits();

        bool Fits() => _all.Has(needed, options.MaxCount, options.MaxBytes)
            && (_byShare.GetValueOrDefault(workload.Share) ?? new Room()).Has(needed, options.MaxCountOfOne, options.MaxBytesOfOne);
    }

    private void GoWithout(string share)
    {
        var name = _withoutRoom.ContainsKey(share) || _withoutRoom.Count < MaxSharesWithoutRoom ? share : "";
        _withoutRoom[name] = (_withoutRoom.GetValueOrDefault(name).Count + 1, time.GetUtcNow());
        Interlocked.Increment(ref _version);
    }

    private void Remove(Entry entry)
    {
        var workload = entry.Workload;
        _byId.Remove(workload.Id);
        var share = _byShare[workload.Share];
        Account(share, workload, -1);
        if (share.Count == 0) _byShare.Remove(workload.Share);
        Interlocked.Increment(ref _version);
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
        var now = time.GetUtcNow();
        if (now - _sweptAt < SweepEvery) return;
        _sweptAt = now;
        var oldest = now - options.Silence;
        // Whoever hears of ends would have heard of this one's.
        foreach (var entry in _byId.Values.Where(entry => entry.HeardAt < oldest && (!options.HearsEnds || _endHeardAt < entry.HeardAt)).ToList()) Remove(entry);
        foreach (var share in _withoutRoom.Where(one => one.Value.Last < oldest).Select(one => one.Key).ToList()) _withoutRoom.Remove(share);
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
