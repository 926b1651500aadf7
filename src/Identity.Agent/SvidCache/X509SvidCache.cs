using System.Collections.Concurrent;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Identity.Agent.NodeEnrollment;
using SvidApi = Spire.Api.Server.Svid.V1;

namespace Identity.Agent.SvidCache;

/// <summary>
/// X509-SVIDs by entry, each with a key of its own. One loop asks for what is wanted, many at a time, and renews at half-life; what it holds
/// stays good until it expires, server or no server.
/// </summary>
internal sealed partial class X509SvidCache(
    ServerConnection server, ViewHolder views, ChangeFeed changes, TimeProvider time, ILogger<X509SvidCache> log) : BackgroundService
{
    // SPIRE's server takes up to 500 in one call.
    private const int MaxBatch = 100;
    private const int MaxSlots = 20_000;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private readonly ConcurrentDictionary<string, SvidSlot> _slots = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _users = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    /// <summary>When the first SVID held here expires; null when none is held.</summary>
    public DateTimeOffset? EarliestExpiry => _slots.Values.Select(s => s.Current?.NotAfter).Where(e => e is not null).Min();

    /// <summary>The SVID of an entry: at once when it is held, else after asking the server. Null when it cannot be had now.</summary>
    public async ValueTask<CachedX509Svid?> GetAsync(AuthorizedEntry entry, CancellationToken cancellation)
    {
        var slot = SlotOf(entry);
        // The answer is taken before looking, so that the one that comes meanwhile is not missed.
        var answer = slot.Answer;
        if (!IsAwaited(slot, out var held)) return held;
        await answer.WaitAsync(cancellation);
        return slot.ValidAt(time.GetUtcNow());
    }

    /// <summary>
    /// Without waiting: false when the server is being asked; its answer, good or bad, is a change that <see cref="ChangeFeed"/> tells. Null when the SVID cannot
    /// be had now.
    /// </summary>
    public bool TryGet(AuthorizedEntry entry, out CachedX509Svid? svid) => !IsAwaited(SlotOf(entry), out svid);

    /// <summary>True when the server answers, and refuses an SVID for this very entry, for good or again and again.</summary>
    public bool IsRefused(AuthorizedEntry entry) => _slots.TryGetValue(entry.Id, out var slot) && slot.IsRefused;

    private SvidSlot SlotOf(AuthorizedEntry entry)
    {
        while (true)
        {
            var slot = _slots.GetOrAdd(entry.Id, static (_, entry) => new SvidSlot(entry), entry);
            if (slot.Entry.IssuesTheSameAs(entry)) return slot;
            // Its entry changed. Nothing renews it any more, so who waits for it must not go on waiting.
            if (_slots.TryRemove(KeyValuePair.Create(entry.Id, slot))) slot.GiveUp();
        }
    }

    private bool IsAwaited(SvidSlot slot, out CachedX509Svid? held)
    {
        var now = time.GetUtcNow();
        held = slot.ValidAt(now);
        if (held is not null) return false;
        if (_slots.Count > MaxSlots)
        {
            if (_slots.TryRemove(KeyValuePair.Create(slot.Entry.Id, slot))) slot.GiveUp();
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"this agent already holds {MaxSlots} SVIDs"));
        }

        if (!slot.IsDueAt(now))
        {
            // Answered, perhaps in this instant: then the SVID was there before the time of the next attempt.
            held = slot.ValidAt(now);
            return false;
        }

        _wake.Writer.TryWrite(true);
        return true;
    }

    /// <summary>Keeps an SVID renewed while someone uses it. A component's SVID is forgotten with its last user; a workload's stays for the next outage.</summary>
    public IDisposable Use(AuthorizedEntry entry)
    {
        _users.AddOrUpdate(entry.Id, 1, static (_, users) => users + 1);
        return new SvidUse(this, entry);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pruning = PruneOnChangeAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            var now = time.GetUtcNow();
            var due = _slots.Values.Where(slot => slot.IsDueAt(now)).Take(MaxBatch).ToList();
            if (due.Count > 0) await RenewAsync(due, stoppingToken);
            else await WaitAsync(stoppingToken);
        }

        await pruning;
    }

    private async Task WaitAsync(CancellationToken cancellation)
    {
        var wait = _slots.Values.Select(slot => slot.NextAttempt).DefaultIfEmpty(DateTimeOffset.MaxValue).Min() - time.GetUtcNow();
        if (wait <= TimeSpan.Zero) return;
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var due = Task.Delay(wait < LongestWait ? wait : LongestWait, time, waiting.Token);
        await Task.WhenAny(due, _wake.Reader.WaitToReadAsync(waiting.Token).AsTask());
        _wake.Reader.TryRead(out _);
        await waiting.CancelAsync();
    }

    private async Task PruneOnChangeAsync(CancellationToken cancellation)
    {
        try
        {
            ControlPlaneView? seen = null;
            await foreach (var _ in changes.WatchAsync(cancellation))
            {
                // The clock may have been set.
                _wake.Writer.TryWrite(true);
                if (views.Current is not { } view || ReferenceEquals(view, seen)) continue;
                seen = view;
                foreach (var (id, slot) in _slots)
                {
                    // A slot whose entry changed is replaced by the next who asks; until then it must not be renewed as it was.
                    if (view.Entries.Find(id) is { } entry && entry.IssuesTheSameAs(slot.Entry)) slot.RetryNowIfEmpty();
                    else if (_slots.TryRemove(KeyValuePair.Create(id, slot))) slot.GiveUp();
                }

                _wake.Writer.TryWrite(true);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async Task RenewAsync(List<SvidSlot> slots, CancellationToken cancellation)
    {
        var requests = slots.ConvertAll(static _ => new SvidRequest());
        var awaited = slots.Exists(IsAwaited);
        var renewed = 0;
        var channel = server.Channel;
        try
        {
            using var late = new CancellationTokenSource(Deadline, time);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);
            var batch = new SvidApi.BatchNewX509SVIDRequest();
            batch.Params.AddRange(slots.Zip(requests, (slot, request) => new SvidApi.NewX509SVIDParams { EntryId = slot.Entry.Id, Csr = request.Csr }));
            var response = await new SvidApi.SVID.SVIDClient(channel).BatchNewX509SVIDAsync(batch, cancellationToken: deadline.Token);
            for (var i = 0; i < slots.Count; i++)
            {
                if (Take(slots[i], requests[i], response.Results.ElementAtOrDefault(i))) renewed++;
            }
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or InvalidOperationException)
        {
            cancellation.ThrowIfCancellationRequested();
            // This node's own SVID was renewed meanwhile, which ended the call: all of them are still due.
            if (!ReferenceEquals(channel, server.Channel)) return;
            foreach (var slot in slots) slot.Fail(time.GetUtcNow());
            BatchFailed(slots.Count, e is RpcException rpc ? rpc.StatusCode.ToString() : "no answer in time");
        }
        finally
        {
            foreach (var request in requests) request.Dispose();
        }

        // What was held when it was asked for may have expired while the server was silent: then there are those who wait by now.
        if (renewed > 0 || awaited || slots.Exists(IsAwaited)) changes.Signal();

        // Nobody waits for the renewal of what is held still.
        bool IsAwaited(SvidSlot slot) => slot.ValidAt(time.GetUtcNow()) is null;
    }

    private bool Take(SvidSlot slot, SvidRequest request, SvidApi.BatchNewX509SVIDResponse.Types.Result? result)
    {
        var now = time.GetUtcNow();
        var problem = result is null ? "the server left it out" : result.Status is { Code: not 0 } status ? $"the server refused it with code {status.Code}" : null;
        var svid = problem is null && views.Current is { } view
            ? request.Complete(result!.Svid, slot.Entry.SpiffeId, view.Bundles, now, slot.Entry.Hint, out problem)
            : null;
        if (svid is null)
        {
            slot.Refuse(now, isForGood: (StatusCode?)result?.Status?.Code is StatusCode.NotFound or StatusCode.InvalidArgument or StatusCode.PermissionDenied);
            SvidRefused(slot.Entry.SpiffeId, problem ?? "no bundle");
            return false;
        }

        slot.Succeed(new CachedX509Svid(svid.Id, svid.NotAfter, UnsafeByteOperations.UnsafeWrap(svid.ToChainDer()), UnsafeByteOperations.UnsafeWrap(svid.ExportPkcs8PrivateKey())), svid.NotBefore);
        svid.Dispose();
        return true;
    }

    private sealed class SvidUse(X509SvidCache cache, AuthorizedEntry entry) : IDisposable
    {
        private int _isReleased;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReleased, 1) != 0) return;
            if (cache._users.AddOrUpdate(entry.Id, 0, static (_, users) => users - 1) > 0) return;
            cache._users.TryRemove(KeyValuePair.Create(entry.Id, 0));
            if (entry.IsForComponent && cache._slots.TryRemove(entry.Id, out var slot)) slot.GiveUp();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} X509-SVIDs are not issued ({Reason}); trying again")]
    private partial void BatchFailed(int count, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "no X509-SVID for {SpiffeId}: {Reason}; trying again")]
    private partial void SvidRefused(Spiffe.Net.SpiffeId spiffeId, string reason);
}
