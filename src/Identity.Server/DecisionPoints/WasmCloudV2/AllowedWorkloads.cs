using Identity.Server.ComponentPolicy;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The workloads that one door let through, until it hears that they are gone: what runs and does not ask again, so that a staged change can be tried
/// on it. Bounded, all together and of each namespace. What is remembered is not pushed out by what comes: what finds no room is counted, and a change that
/// takes something does not go into force by itself as long as that may run.
/// </summary>
/// <remarks>What is known here is on disk: a workload is written first, and known once that is done.</remarks>
internal sealed class AllowedWorkloads
{
    /// <summary>Why a door refuses what policy permits: nobody could find it again after a restart.</summary>
    public const string NotKept = "policy permits it, but what is let through cannot be kept, and no change could be tried on it after a restart";

    // What is no workload but a note that there may be some, begins with this, which stands in the name of no namespace and no host.
    private const string Note = "?";

    // Of namespaces there is "?/" before each.
    private const string NoteOfSilent = "?silent";

    // Of namespaces that found no room so many are told apart.
    private const int MaxSharesWithoutRoom = 1000;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly AllowedWorkloadsOptions _options;
    private readonly StageObservations _staged;
    private readonly TimeProvider _time;
    private readonly WorkloadStore? _store;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Room> _byShare = new(StringComparer.Ordinal);
    private readonly Dictionary<WorkloadAsks, HeldAsks> _asks = [];
    private readonly Dictionary<string, Notice> _notes = new(StringComparer.Ordinal);
    private readonly Room _all = new();

    // What is being written, by id; each ends without an exception.
    private readonly Dictionary<string, Task> _underWay = new(StringComparer.Ordinal);

    private DateTimeOffset _endHeardAt = DateTimeOffset.MinValue;
    private DateTimeOffset _endKeptAt = DateTimeOffset.MinValue;
    private DateTimeOffset _sweptAt = DateTimeOffset.MinValue;

    /// <param name="staged">Told of each, where the door proves who asks.</param>
    /// <param name="store">Where it is kept for the next process; null: nowhere.</param>
    /// <param name="hasEarlier">Whether workloads may have been let through before anything was kept.</param>
    /// <exception cref="CannotStartException">What was kept cannot be read.</exception>
    public AllowedWorkloads(AllowedWorkloadsOptions options, StageObservations staged, TimeProvider time, WorkloadStore? store = null, bool hasEarlier = false)
    {
        (_options, _staged, _time, _store) = (options, staged, time, store);
        if (store is null || Recall(store)) return;
        // Of what runs the interposer hears by itself. The door's row is written with the note or behind it: it is never there without.
        if (hasEarlier && options.HearsEnds)
            Count(Note, "", $"what {Door.Text} let through before {time.GetUtcNow():u}, when this server began to remember it", 1, atMostEvery: TimeSpan.Zero);
        store.Change(new(Door.Text), new WorkloadRow.Door(null));
    }

    public DoorName Door => _options.Door;

    /// <summary>Why nothing is let through right now; null while it is.</summary>
    public string? Problem => _store?.Problem is { } problem ? $"what is let through cannot be kept, so nothing new is: {problem}" : null;

    /// <summary>Whether whoever asks at this door has proven to be the one to ask.</summary>
    public bool IsProven => _options.IsProven;

    /// <summary>Whether this door is told what ends, and of nothing else that runs.</summary>
    public bool HearsEnds => _options.HearsEnds;

    /// <summary>Remembers a workload that is let through, in the place of what is known of it: when it returns, the next process knows it too. To be awaited before the door answers.</summary>
    /// <returns>False when it was known.</returns>
    /// <exception cref="IOException">It cannot be kept, so that the door must not let it through; what was known of it still is. Never where nothing new had to be kept.</exception>
    public async Task<bool> AllowAsync(string id, string share, string text, IReadOnlyList<Question> questions)
    {
        var asks = new WorkloadAsks(questions);
        var workload = new AllowedWorkload(id, share, text, asks);
        var isNew = await PutAsync(workload);
        if (!IsProven) return isNew;
        // What waits to be tried is held once as well.
        lock (_gate) asks = _asks.GetValueOrDefault(asks)?.Asks ?? asks;
        _staged.Allowed(workload with { Asks = asks });
        return isNew;
    }

    /// <summary>Somebody who can tell says that it runs.</summary>
    /// <exception cref="IOException">It was not known, and cannot be kept.</exception>
    public Task HeardAsync(string id, string share, string text) => PutAsync(new AllowedWorkload(id, share, text, Asks: null));

    /// <summary>It is gone. Waits for no disk: what cannot be taken out comes back with the next start, and is tried for nothing.</summary>
    /// <param name="isDeletion">Whether somebody who tells of deletions said so. Whoever has said that once tells of the others too.</param>
    public async Task ForgetAsync(string id, bool isDeletion) => await InTurnAsync(id, () =>
    {
        var isKnown = _byId.Remove(id, out var known);
        if (isDeletion) HearEnd(isKnown);
        if (known is null) return false;
        Release(known);
        _store?.Change(new(Door.Text, id), null);
        return true;
    });

    /// <summary>Forgets what was not heard of since then, and the notes from before: who asks has had all that runs told anew.</summary>
    /// <returns>When that is on disk.</returns>
    /// <exception cref="IOException">It could not be written; the next process may remember it.</exception>
    public async Task<UnheardWorkloads> ForgetUnheardAsync(DateTimeOffset since)
    {
        UnheardWorkloads answer;
        lock (_gate)
        {
            var entries = _byId.Values.Where(entry => entry.HeardAt < since && !_underWay.ContainsKey(entry.Workload.Id)).ToList();
            var notes = _notes.Where(note => note.Value.At < since).ToList();
            foreach (var entry in entries) Drop(entry);
            foreach (var (id, _) in notes) Drop(id);
            answer = new(
                entries.Count + notes.Sum(note => note.Value.Count),
                _byId.Count + _notes.Values.Sum(note => note.Count),
                entries.FirstOrDefault()?.Workload.Text ?? notes.FirstOrDefault().Value?.Text ?? "");
        }

        if (_store is not null) await _store.WrittenAsync();
        return answer;
    }

    /// <summary>All that may run now.</summary>
    public WorkloadSurvey Look()
    {
        lock (_gate)
        {
            Sweep();
            var known = _byId.Values.Where(IsKnown)
                .GroupBy(entry => entry.Asks!)
                .Select(same => new AlikeWorkloads(same.Key.Asks, same.First().Workload, same.LongCount()))
                .ToList();
            var unknown = _byId.Values.Where(entry => !IsKnown(entry)).Select(entry => entry.Workload).ToList();
            return new WorkloadSurvey(known, unknown.Count + _notes.Values.Sum(note => note.Count), unknown.FirstOrDefault()?.Text ?? _notes.Values.FirstOrDefault()?.Text ?? "");
        }
    }

    // What a stranger said before this door asked for proof halts nothing, but something may run there all the same.
    private bool IsKnown(Entry entry) => entry.Asks is not null && (entry.IsProven || !IsProven);

    /// <returns>Whether the door has kept here before what it lets through.</returns>
    private bool Recall(WorkloadStore store)
    {
        var (now, isKeeping) = (_time.GetUtcNow(), false);
        var (byNumber, alike) = (new Dictionary<long, HeldAsks?>(), new Dictionary<WorkloadAsks, HeldAsks>());
        store.Read(Door.Text, (key, row) =>
        {
            switch (row)
            {
                case WorkloadRow.Door mark:
                    (isKeeping, _endHeardAt) = (true, mark.EndHeardAt ?? _endHeardAt);
                    return;
                case WorkloadRow.Asks(var share, var text):
                    byNumber[key.Asks] = WorkloadAsks.Read(text, share) is { } read && (alike.TryGetValue(read, out var same) || alike.TryAdd(read, same = new(read, key.Asks))) ? same : null;
                    return;
                case WorkloadRow.Workload one when key.Id!.StartsWith(Note, StringComparison.Ordinal):
                    _notes[key.Id] = new Notice(one.Share, one.Text) { Count = one.Count, At = one.At, KeptAt = one.At };
                    return;
                case WorkloadRow.Workload one:
                    // There is room for what there was room for. What was heard of it since it was let through is not written.
                    var held = one.AsksNumber is { } number ? byNumber.GetValueOrDefault(number) : null;
                    var entry = new Entry(new AllowedWorkload(key.Id!, one.Share, one.Text, held?.Asks), held, one.At, one.IsProven) { HeardAt = now };
                    _byId.Add(key.Id!, entry);
                    Account(entry, 1);
                    if (held?.Number != one.AsksNumber) Write(entry);
                    return;
                default:
                    return;
            }
        });
        // What a process that ended between two writes has left, and what is no word of this version's.
        foreach (var number in byNumber.Where(one => one.Value is not { Users: > 0 } used || used.Number != one.Key).Select(one => one.Key)) store.Change(new(Door.Text, Asks: number), null);
        return isKeeping;
    }

    // Of one workload there is one change after the other.
    private async Task<T> InTurnAsync<T>(string id, Func<T> act)
    {
        while (true)
        {
            Task? other;
            lock (_gate)
            {
                if (!_underWay.TryGetValue(id, out other)) return act();
            }

            await other;
        }
    }

    private async Task<bool> PutAsync(AllowedWorkload workload)
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (isNew, written, before, after) = await InTurnAsync(workload.Id, () => Begin(workload, over.Task));
        if (after is null)
        {
            await written;
            return isNew;
        }

        var isWritten = false;
        try
        {
            await written;
            isWritten = true;
        }
        finally
        {
            lock (_gate)
            {
                if (isWritten && before is not null) Release(before);
                if (isWritten) _byId[workload.Id] = after;
                else TakeBack(before, after);
                _underWay.Remove(workload.Id);
            }

            over.SetResult();
        }

        return isNew;
    }

    private Begun Begin(AllowedWorkload workload, Task over)
    {
        var now = _time.GetUtcNow();
        var before = _byId.GetValueOrDefault(workload.Id);
        if (before is not null) before.HeardAt = now;
        // What is only heard to run asks for what it was let through with.
        if (before is not null && workload.Asks is null) return new(false, Task.CompletedTask);
        if (!HasRoom(workload, before))
        {
            // Its name takes less, and that is enough to know later that it is gone.
            workload = workload with { Asks = null };
            if (before?.Workload.Share != workload.Share && !HasRoom(workload, before)) return new(before is null, GoWithout(workload.Share));
        }

        if (before is not null && before.IsProven == IsProven && before.Workload == workload) return new(false, Task.CompletedTask);
        // Nothing piles up while nothing can be written.
        if (_store?.Problem is { } problem) throw new IOException(problem);
        var asks = workload.Asks is null ? null : HeldOf(workload.Asks, workload.Share);
        var after = new Entry(workload with { Asks = asks?.Asks }, asks, now, IsProven) { HeardAt = now };
        Account(after, 1);
        _underWay.Add(workload.Id, over);
        return new(before is null, Write(after), before, after);
    }

    // Before the workload that asks for it.
    private HeldAsks HeldOf(WorkloadAsks asks, string share)
    {
        if (_asks.TryGetValue(asks, out var held)) return held;
        held = new HeldAsks(asks, _store?.NextAsks() ?? 0);
        _store?.Change(new(Door.Text, Asks: held.Number), new WorkloadRow.Asks(share, asks.Text));
        return held;
    }

    private Task Write(Entry entry) => _store?.Change(
        new(Door.Text, entry.Workload.Id),
        new WorkloadRow.Workload(entry.Workload.Share, entry.Workload.Text, entry.Asks?.Number, 1, entry.At, entry.IsProven)) ?? Task.CompletedTask;

    // The store goes on trying to write it.
    private void TakeBack(Entry? before, Entry after)
    {
        if (before is not null) Write(before);
        else _store?.Change(new(Door.Text, after.Workload.Id), null);
        Release(after);
    }

    private void Release(Entry entry)
    {
        Account(entry, -1);
        if (entry.Asks is { Users: 0 } unused) _store?.Change(new(Door.Text, Asks: unused.Number), null);
    }

    private void Drop(Entry entry)
    {
        _byId.Remove(entry.Workload.Id);
        Release(entry);
        _store?.Change(new(Door.Text, entry.Workload.Id), null);
    }

    private void Drop(string note)
    {
        _notes.Remove(note);
        _store?.Change(new(Door.Text, note), null);
    }

    /// <param name="leaving">What it comes in the place of.</param>
    private bool HasRoom(AllowedWorkload workload, Entry? leaving)
    {
        if (Fits()) return true;
        Sweep();
        return Fits();

        bool Fits() => FitsIn(_all, _options.MaxCount, _options.MaxBytes, leaving)
            && FitsIn(_byShare.GetValueOrDefault(workload.Share) ?? new Room(), _options.MaxCountOfOne, _options.MaxBytesOfOne, leaving?.Workload.Share == workload.Share ? leaving : null);

        bool FitsIn(Room room, long maxCount, long maxBytes, Entry? left)
        {
            var bytes = room.Bytes + workload.Bytes + (workload.Asks is { } asks && !_asks.ContainsKey(asks) ? asks.Bytes : 0);
            if (left is not null) bytes -= left.Workload.Bytes + (left.Asks is { Users: 1 } alone && !alone.Asks.Equals(workload.Asks) ? alone.Asks.Bytes : 0);
            return room.Count + (left is null ? 1 : 0) <= maxCount && bytes <= maxBytes;
        }
    }

    private void Account(Entry entry, int by)
    {
        var bytes = entry.Workload.Bytes;
        if (entry.Asks is { } asks)
        {
            // What asks for the same is of the same namespace, and counted once.
            if (asks.Users == 0) _asks.Add(asks.Asks, asks);
            if (asks.Users == 0 || asks.Users + by == 0) bytes += asks.Asks.Bytes;
            asks.Users += by;
            if (asks.Users == 0) _asks.Remove(asks.Asks);
        }

        var name = entry.Workload.Share;
        if (!_byShare.TryGetValue(name, out var share)) _byShare.Add(name, share = new Room());
        foreach (var room in (Room[])[share, _all]) (room.Count, room.Bytes) = (room.Count + by, room.Bytes + (by * bytes));
        if (share.Count == 0) _byShare.Remove(name);
    }

    // A flood writes once a day; after a restart it is known that there were some.
    private Task GoWithout(string share)
    {
        var name = _notes.ContainsKey($"{Note}/{share}") || _notes.Count < MaxSharesWithoutRoom ? share : "";
        return Count($"{Note}/{name}", name, name.Length > 0 ? $"of namespace {Registration.Quote.From(name)}" : "", 1, atMostEvery: Day);
    }

    /// <param name="atMostEvery">How often it is written that there are more.</param>
    /// <returns>When there is a note of it on disk.</returns>
    private Task Count(string id, string share, string text, long count, TimeSpan atMostEvery)
    {
        var now = _time.GetUtcNow();
        if (!_notes.TryGetValue(id, out var note)) _notes.Add(id, note = new Notice(share, text));
        (note.Count, note.At) = (note.Count + count, now);
        if (_store is not null && (note.Written.IsFaulted || now - note.KeptAt >= atMostEvery))
        {
            note.KeptAt = now;
            note.Written = _store.Change(new(Door.Text, id), new WorkloadRow.Workload(share, note.Text, null, note.Count, now, IsProven));
        }

        return note.Written;
    }

    // With the row that is taken out anyhow; else once a day.
    private void HearEnd(bool isKnown)
    {
        _endHeardAt = _time.GetUtcNow();
        if (!isKnown && _endHeardAt - _endKeptAt < Day) return;
        _endKeptAt = _endHeardAt;
        _store?.Change(new(Door.Text), new WorkloadRow.Door(_endHeardAt));
    }

    private void Sweep()
    {
        var now = _time.GetUtcNow();
        if (now - _sweptAt < SweepEvery) return;
        _sweptAt = now;
        var oldest = now - _options.Silence;
        // Whoever hears of ends would have heard of this one's.
        var silent = _byId.Values
            .Where(entry => entry.HeardAt < oldest && (!HearsEnds || _endHeardAt < entry.At) && !_underWay.ContainsKey(entry.Workload.Id))
            .ToList();
        // Who is told of nothing else cannot tell what is gone from what runs on: it is counted until somebody says that it is gone.
        if (HearsEnds && silent.Count > 0)
            Count(NoteOfSilent, "", $"of what {Door.Text} let through and has heard nothing of for {_options.Silence.TotalDays:0} days, nor of any deletion", silent.Count, atMostEvery: TimeSpan.Zero);
        foreach (var entry in silent) Drop(entry);
        if (HearsEnds) return;
        foreach (var note in _notes.Where(one => one.Value.At < oldest).Select(one => one.Key).ToList()) Drop(note);
    }

    /// <param name="After">What is being written; null when that is nothing of this workload's.</param>
    private sealed record Begun(bool IsNew, Task Written, Entry? Before = null, Entry? After = null);

    private sealed class Entry(AllowedWorkload workload, HeldAsks? asks, DateTimeOffset at, bool isProven)
    {
        public AllowedWorkload Workload => workload;

        public HeldAsks? Asks => asks;

        /// <summary>When it was let through.</summary>
        public DateTimeOffset At => at;

        public bool IsProven => isProven;

        public DateTimeOffset HeardAt { get; set; }
    }

    /// <summary>What many may ask for, once for all of them.</summary>
    private sealed class HeldAsks(WorkloadAsks asks, long number)
    {
        public WorkloadAsks Asks => asks;

        public long Number => number;

        public int Users { get; set; }
    }

    /// <summary>That there may be some, and how many.</summary>
    private sealed class Notice(string share, string text)
    {
        public string Share => share;

        public string Text => text;

        public long Count { get; set; }

        public DateTimeOffset At { get; set; }

        public DateTimeOffset KeptAt { get; set; } = DateTimeOffset.MinValue;

        public Task Written { get; set; } = Task.CompletedTask;
    }

    private sealed class Room
    {
        public long Count { get; set; }

        public long Bytes { get; set; }
    }
}

/// <summary>Of one door.</summary>
/// <param name="Silence">Of what was not heard for so long it is taken that it is gone.</param>
/// <param name="HearsEnds">Whether what is silent may run on: the door is told of ends, and of nothing else.</param>
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

/// <param name="Forgotten">How many, with those that notes spoke of.</param>
/// <param name="Remembered">How many are left.</param>
/// <param name="Example">One that was forgotten, for a person; empty when there is none.</param>
internal sealed record UnheardWorkloads(long Forgotten, long Remembered, string Example);
