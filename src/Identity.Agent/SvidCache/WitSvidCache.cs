using System.Collections.Concurrent;
using Grpc.Core;
using Identity.Agent.ControlPlane;

namespace Identity.Agent.SvidCache;

/// <summary>WIT-SVIDs by entry, each with a key of its own that the workload is given with it. Replaced at half-life, as long as a stream asks for it.</summary>
internal sealed partial class WitSvidCache(ServerConnection server, ViewHolder views, ChangeFeed changes, TimeProvider time, ILogger<WitSvidCache> log) : BackgroundService
{
    private const int MaxSlots = 2000;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Slot> _slots = new(StringComparer.Ordinal);

    /// <summary>Throws <see cref="RpcException"/> with Unavailable when the server is away and no valid SVID is held.</summary>
    public async ValueTask<HeldWitSvid> GetAsync(AuthorizedEntry entry, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var slot = SlotOf(entry, now);
        var held = slot.Held;
        // A next attempt beyond the end of what is held is one that was set while the clock was ahead.
        if (held is not null && now < held.ExpiresAt && now < slot.NextAttempt && slot.NextAttempt <= held.ExpiresAt) return held;
        try
        {
            return await slot.JoinAsync(() => FetchAsync(slot, entry)).WaitAsync(cancellation);
        }
        catch (RpcException) when (held is not null && time.GetUtcNow() < held.ExpiresAt)
        {
            return held; // Past half of its life but still good.
        }
    }

    /// <summary>Wakes the streams when what they hold is half used up; they ask again.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var change = changes.Current;
            ForgetWithdrawn();
            var now = time.GetUtcNow();
            var next = _slots.Values.Select(s => s.NextMoment).Where(at => at > now).DefaultIfEmpty(DateTimeOffset.MaxValue).Min();
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            var due = Task.Delay(next - now < LongestWait ? next - now + TimeSpan.FromMilliseconds(1) : LongestWait, time, waiting.Token);
            await Task.WhenAny(due, change.Passed);
            await waiting.CancelAsync();
            // A change may be that the clock was set: the hour counts, not the timer.
            if (time.GetUtcNow() >= next) changes.Signal();
        }
    }

    // A private key is kept no longer than there is an entry for it.
    private void ForgetWithdrawn()
    {
        if (views.Current is not { } view) return;
        foreach (var (id, slot) in _slots)
        {
            if (view.Entries.Find(id) is not { } entry || !entry.IssuesTheSameAs(slot.Entry)) _slots.TryRemove(KeyValuePair.Create(id, slot));
        }
    }

    private Slot SlotOf(AuthorizedEntry entry, DateTimeOffset now)
    {
        if (_slots.Count >= MaxSlots && !_slots.ContainsKey(entry.Id))
        {
            foreach (var (id, old) in _slots.Where(s => s.Value.Held is null || now >= s.Value.Held.ExpiresAt)) _slots.TryRemove(KeyValuePair.Create(id, old));
            if (_slots.Count >= MaxSlots) throw new RpcException(new Status(StatusCode.ResourceExhausted, $"this agent already holds {MaxSlots} WIT-SVIDs"));
        }

        return _slots.AddOrUpdate(
            entry.Id, static (_, entry) => new Slot(entry), static (_, old, entry) => old.Entry.IssuesTheSameAs(entry) ? old : new Slot(entry), entry);
    }

    private async Task<HeldWitSvid> FetchAsync(Slot slot, AuthorizedEntry entry)
    {
        await Task.Yield();
        var channel = server.Channel;
        try
        {
            using var request = new WitSvidRequest();
            using var deadline = new CancellationTokenSource(Deadline, time);
            var response = await new V1.WitSigning.WitSigningClient(channel).NewWitSvidAsync(
                new V1.NewWitSvidRequest { EntryId = entry.Id, Jwk = request.Jwk }, cancellationToken: deadline.Token);
            var problem = "there is no bundle";
            if (views.Current is not { } view || !request.TryComplete(response.Svid?.Token, entry, view.Bundle, time.GetUtcNow(), out var svid, out problem))
            {
                NotTaken(entry.SpiffeId, problem);
                throw new RpcException(new Status(StatusCode.Unavailable, "the server issued what is no valid WIT-SVID of this entry"));
            }

            slot.Take(svid);
            // Whoever gave up waiting hears of it as well.
            changes.Signal();
            return svid;
        }
        catch (Exception e) when (e is RpcException or ObjectDisposedException && !ReferenceEquals(channel, server.Channel))
        {
            return await FetchAsync(slot, entry); // This node's own SVID was renewed meanwhile, which ended the call.
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or ObjectDisposedException)
        {
            slot.Pause(time.GetUtcNow());
            // Whoever waits for the hour of the next attempt learns that it is another.
            changes.Signal();
            // That the profile is off at the server is the one refusal a workload can do something about: it stops asking.
            if (e is RpcException { StatusCode: StatusCode.Unimplemented }) throw;
            throw new RpcException(new Status(StatusCode.Unavailable, "the WIT-SVID cannot be had from the server now; retry"));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the server's answer for {SpiffeId} is not taken: {Problem}")]
    private partial void NotTaken(Spiffe.Net.SpiffeId spiffeId, string problem);

    private sealed class Slot(AuthorizedEntry entry)
    {
        private readonly Lock _lock = new();
        private volatile HeldWitSvid? _held;
        private long _nextAttempt;
        private Task<HeldWitSvid>? _pending;

        public AuthorizedEntry Entry => entry;

        public HeldWitSvid? Held => _held;

        public DateTimeOffset NextAttempt
        {
            get => new(Volatile.Read(ref _nextAttempt), TimeSpan.Zero);
            private set => Volatile.Write(ref _nextAttempt, value.UtcTicks);
        }

        /// <summary>When those who hold it have something to ask for, whatever the clock was when the next attempt was set.</summary>
        public DateTimeOffset NextMoment => _held is { } held && held.ExpiresAt < NextAttempt ? held.ExpiresAt : NextAttempt;

        /// <summary>After a failure; not past the end of what is still good.</summary>
        public void Pause(DateTimeOffset now)
        {
            var next = now + Patience;
            NextAttempt = _held is { } held && now < held.ExpiresAt && held.ExpiresAt < next ? held.ExpiresAt : next;
        }

        public void Take(HeldWitSvid svid)
        {
            _held = svid;
            NextAttempt = svid.RefreshAt;
        }

        /// <summary>Those who ask at the same time share one request. Not bound to the caller's cancellation: others may be waiting for it.</summary>
        public Task<HeldWitSvid> JoinAsync(Func<Task<HeldWitSvid>> fetch)
        {
            lock (_lock)
            {
                if (_pending is null or { IsCompleted: true }) _pending = fetch();
                return _pending;
            }
        }
    }
}
