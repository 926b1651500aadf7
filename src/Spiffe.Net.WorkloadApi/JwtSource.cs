using System.Collections.Concurrent;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// JWT-SVIDs for calling others: one call to the Workload API per audience, however many ask, and a fresh token before the old one
/// runs out. Safe for use from many threads.
/// </summary>
public sealed class JwtSource : IDisposable
{
    // Audiences come from our own code, but one that puts, say, a request's host there must not fill the memory.
    private const int MaxEntries = 256;

    // A token this close to its end may be refused by a peer whose clock is ahead of ours.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    private readonly WorkloadApiClient _client;
    private readonly bool _ownsClient;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Request, Entry> _entries = new();

    /// <summary>Connects with the first token asked for.</summary>
    /// <param name="options">Null takes the endpoint from <c>SPIFFE_ENDPOINT_SOCKET</c>.</param>
    /// <exception cref="FormatException">There is no usable endpoint address.</exception>
    public JwtSource(WorkloadApiClientOptions? options = null)
        : this(new WorkloadApiClient(options)) => _ownsClient = true;

    /// <summary>Over a client that is shared; it stays open when the source is disposed.</summary>
    public JwtSource(WorkloadApiClient client) => _client = client;

    /// <summary>A token for one audience, under the default identity.</summary>
    public Task<JwtSvid> GetAsync(string audience, CancellationToken cancellation = default) => GetAsync([audience], null, cancellation);

    /// <summary>
    /// A token that is valid for at least ten more seconds. From half its life on a newer one is fetched; while that fails, the old one serves
    /// until it runs out, unless the Workload API says that we have no identity any more.
    /// </summary>
    /// <param name="audience">Whom the token is for; at least one.</param>
    /// <param name="subject">Which of our identities; null takes the default one.</param>
    /// <param name="cancellation">Stops waiting; the call goes on for others who wait for it.</param>
    /// <exception cref="WorkloadApiException">There is no token.</exception>
    public async Task<JwtSvid> GetAsync(IReadOnlyList<string> audience, SpiffeId? subject = null, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        var request = new Request(string.Join('\n', audience), subject);
        if (_entries.Count >= MaxEntries && !_entries.ContainsKey(request)) MakeRoom();
        var entry = _entries.GetOrAdd(request, static _ => new Entry());

        var held = entry.Svid;
        var now = _client.Options.TimeProvider.GetUtcNow();
        if (held is not null && now < held.RenewAt && now < held.UsableUntil) return held.Svid;
        try
        {
            return await entry.RefreshAsync(() => FetchAsync(entry, [.. audience], subject)).WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (WorkloadApiException e) when (held is not null && now < held.UsableUntil && e.Failure is not WorkloadApiFailure.NoIdentity)
        {
            entry.PutOff(held, now + _client.Options.RetryDelay);
            return held.Svid;
        }
    }

    /// <summary>Ends calls under way and forgets the tokens.</summary>
    public void Dispose()
    {
        if (_stopping.IsCancellationRequested) return;
        _stopping.Cancel();
        _entries.Clear();
        if (_ownsClient) _client.Dispose();
    }

    private async Task<JwtSvid> FetchAsync(Entry entry, string[] audience, SpiffeId? subject)
    {
        try
        {
            var asked = _client.Options.TimeProvider.GetUtcNow();
            var svid = (await _client.FetchJwtSvidsAsync(audience, subject, _stopping.Token).ConfigureAwait(false))[0];
            var usableUntil = svid.ExpiresAt - Margin;
            if (usableUntil <= asked) throw WorkloadApiException.Malformed($"the JWT-SVID of {svid.Id} expires at {svid.ExpiresAt:O}, which is past or seconds away");

            // Half of what is left, not of the whole life: the endpoint may hand out a token it has held for a while.
            entry.Svid = new Held(svid, asked + ((svid.ExpiresAt - asked) / 2), usableUntil);
            return svid;
        }
        catch (WorkloadApiException e) when (e.Failure is WorkloadApiFailure.NoIdentity)
        {
            entry.Svid = null;
            throw;
        }
    }

    // Rare enough for a scan: expired ones first, else everything; a token is one call away.
    private void MakeRoom()
    {
        var now = _client.Options.TimeProvider.GetUtcNow();
        foreach (var (request, entry) in _entries)
        {
            if (entry.Svid is not { } held || held.UsableUntil <= now) _entries.TryRemove(request, out _);
        }

        if (_entries.Count >= MaxEntries) _entries.Clear();
    }

    private readonly record struct Request(string Audience, SpiffeId? Subject);

    private sealed class Held(JwtSvid svid, DateTimeOffset renewAt, DateTimeOffset usableUntil)
    {
        public JwtSvid Svid => svid;

        public DateTimeOffset RenewAt => renewAt;

        public DateTimeOffset UsableUntil => usableUntil;
    }

    private sealed class Entry
    {
        private readonly Lock _lock = new();
        private Task<JwtSvid>? _refresh;
        private Held? _held;

        public Held? Svid
        {
            get => Volatile.Read(ref _held);
            set => Volatile.Write(ref _held, value);
        }

        /// <summary>Leaves the endpoint alone for a while; nothing happens if a newer token has come meanwhile.</summary>
        public void PutOff(Held held, DateTimeOffset until) =>
            Interlocked.CompareExchange(ref _held, new Held(held.Svid, until, held.UsableUntil), held);

        /// <summary>Joins the call under way, or starts one.</summary>
        public Task<JwtSvid> RefreshAsync(Func<Task<JwtSvid>> fetch)
        {
            lock (_lock)
            {
                if (_refresh is null || _refresh.IsCompleted) _refresh = fetch();
                return _refresh;
            }
        }
    }
}
