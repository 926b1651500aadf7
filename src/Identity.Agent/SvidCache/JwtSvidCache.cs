using Grpc.Core;
using Identity.Agent.ControlPlane;
using Spiffe.Net;
using SvidApi = Spire.Api.Server.Svid.V1;

namespace Identity.Agent.SvidCache;

/// <summary>JWT-SVIDs by entry and audience. Those who ask for the same token at the same time share one request; a token is replaced at half-life.</summary>
internal sealed class JwtSvidCache(ServerConnection server, ViewHolder views, TimeProvider time)
{
    private const int MaxTokens = 2000;
    private const int TokensEachSecond = 10;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    // How long who holds a good token waits for a newer one, and how long the server is left alone after a failure.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    // For each entry: a token is a signature and a row of the server's journal, and a workload may think of any number of audiences. What is kept costs nothing and is not counted.
    private readonly TokenBuckets<string> _rate = new(time, burst: 3000, TimeSpan.FromSeconds(1.0 / TokensEachSecond), maxKeys: 20_000);
    private readonly Dictionary<string, Slot> _slots = new(StringComparer.Ordinal);

    /// <summary>Throws <see cref="RpcException"/> with Unavailable when the server gives none and no valid token is held, InvalidArgument when no token is made for such an audience.</summary>
    public async ValueTask<string> GetAsync(AuthorizedEntry entry, IReadOnlyList<string> audience, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var slot = SlotOf(entry, audience, now);
        if (slot.Held is not { } held || now >= held.ExpiresAt) return (await Joined(slot, entry, audience).WaitAsync(cancellation)).Token;
        // A next attempt beyond the end of what is held is one that was set while the clock was ahead.
        if (now < slot.NextAttempt && slot.NextAttempt <= held.ExpiresAt) return held.Token;

        // Past half of its life but still good: better than nothing while the server is away, and than a long wait for one that says nothing.
        try
        {
            return (await Joined(slot, entry, audience).WaitAsync(Patience, time, cancellation)).Token;
        }
        catch (Exception e) when (e is RpcException or TimeoutException && time.GetUtcNow() < held.ExpiresAt)
        {
            return held.Token;
        }
        catch (TimeoutException)
        {
            return (await Joined(slot, entry, audience).WaitAsync(cancellation)).Token;
        }
    }

    private Slot SlotOf(AuthorizedEntry entry, IReadOnlyList<string> audience, DateTimeOffset now)
    {
        // NUL cannot occur in what it separates: audiences with it are refused at the border.
        var key = string.Join('\0', audience.Order(StringComparer.Ordinal).Prepend($"{entry.Id}\0{entry.Revision}\0{entry.SpiffeId}"));
        lock (_lock)
        {
            if (_slots.TryGetValue(key, out var slot)) return slot;
            if (_slots.Count >= MaxTokens) MakeRoom(now);
            return _slots[key] = new Slot(entry.Id);
        }
    }

    private void MakeRoom(DateTimeOffset now)
    {
        foreach (var (key, _) in _slots.Where(s => s.Value.Held is null || now >= s.Value.Held.ExpiresAt).ToList()) _slots.Remove(key);

        var excess = _slots.Count - (MaxTokens * 9 / 10);
        foreach (var key in FairEviction.Choose(_slots.Select(s => (s.Key, s.Value.EntryId, s.Value.Held?.ExpiresAt)), excess)) _slots.Remove(key);
    }

    private Task<HeldToken> Joined(Slot slot, AuthorizedEntry entry, IReadOnlyList<string> audience)
    {
        lock (_lock)
        {
            // Not bound to the caller's cancellation: others may be waiting for the same token.
            if (slot.Pending is not null and { IsCompleted: false }) return slot.Pending;
            if (!_rate.TryTake(entry.Id))
                throw new RpcException(new Status(StatusCode.Unavailable, $"this identity has asked for too many tokens at once; about {TokensEachSecond} a second are made, retry"));
            // Who holds a good token does not wait for an answer that another waits for already.
            slot.Pause(time.GetUtcNow(), Deadline);
            slot.Pending = FetchAsync(slot, entry, audience);
            // Perhaps nobody waits for its end.
            _ = slot.Pending.ContinueWith(static ended => _ = ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return slot.Pending;
        }
    }

    private async Task<HeldToken> FetchAsync(Slot slot, AuthorizedEntry entry, IReadOnlyList<string> audience)
    {
        await Task.Yield();
        using var deadline = new CancellationTokenSource(Deadline, time);
        var channel = server.Channel;
        SvidApi.NewJWTSVIDResponse response;
        try
        {
            response = await new SvidApi.SVID.SVIDClient(channel).NewJWTSVIDAsync(
                new SvidApi.NewJWTSVIDRequest { EntryId = entry.Id, Audience = { audience } }, cancellationToken: deadline.Token);
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.InvalidArgument)
        {
            throw; // It is about the audience, which the workload named.
        }
        catch (Exception e) when (e is RpcException or ObjectDisposedException && !ReferenceEquals(channel, server.Channel))
        {
            // This node's own SVID was renewed meanwhile, which ended the call.
            return await FetchAsync(slot, entry, audience);
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or ObjectDisposedException)
        {
            // Whatever the server has against this agent is nothing it has against the workload, who is entitled: a refusal would tell it to forget its identity.
            slot.Pause(time.GetUtcNow(), RetryDelay);
            throw new RpcException(new Status(StatusCode.Unavailable, "the JWT-SVID cannot be had from the server now; retry"));
        }

        var (token, refreshAt) = Check(response.Svid?.Token, entry, audience);
        slot.NextAttempt = refreshAt;
        return slot.Held = token;
    }

    private (HeldToken Token, DateTimeOffset RefreshAt) Check(string? token, AuthorizedEntry entry, IReadOnlyList<string> audience)
    {
        var now = time.GetUtcNow();
        var verification = JwtSvidVerifier.Verify(token ?? "", audience[0], views.Current?.Bundles ?? TrustBundleSet.Empty, now);
        if (verification is not JwtSvidVerification.Verified verified || verified.Id != entry.SpiffeId)
            throw new RpcException(new Status(StatusCode.Unavailable, "the server issued what is no valid JWT-SVID of this entry"));
        return (new HeldToken(verified.Svid.Token, verified.Svid.ExpiresAt), BackOff.HalfLife(now, verified.Svid.ExpiresAt));
    }

    private sealed class Slot(string entryId)
    {
        public volatile HeldToken? Held;

        private long _nextAttempt;

        public string EntryId => entryId;

        /// <summary>Until then the held token serves, and the server is not asked for another.</summary>
        public DateTimeOffset NextAttempt
        {
            get => new(Volatile.Read(ref _nextAttempt), TimeSpan.Zero);
            set => Volatile.Write(ref _nextAttempt, value.UtcTicks);
        }

        public Task<HeldToken>? Pending { get; set; }

        /// <summary>Leaves the server alone for a while, but not past the end of what is still good.</summary>
        public void Pause(DateTimeOffset now, TimeSpan pause)
        {
            var next = now + pause;
            NextAttempt = Held is { } held && now < held.ExpiresAt && held.ExpiresAt < next ? held.ExpiresAt : next;
        }
    }

    private sealed class HeldToken(string token, DateTimeOffset expiresAt)
    {
        public string Token => token;

        public DateTimeOffset ExpiresAt => expiresAt;
    }
}
