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
    private readonly Func<JwtSvids, JwtCredential?> _pick;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Request, Entry> _entries = new();

    /// <summary>Connects with the first token asked for.</summary>
    /// <param name="options">Null takes the endpoint from <c>SPIFFE_ENDPOINT_SOCKET</c>.</param>
    /// <param name="pick">Which of several identities speaks where no subject is named, for example <c>all => all.FindByHint("internal")</c>; null takes the default one. Where it gives null or throws, there is no identity.</param>
    /// <exception cref="FormatException">There is no usable endpoint address.</exception>
    public JwtSource(WorkloadApiClientOptions? options = null, Func<JwtSvids, JwtCredential?>? pick = null)
        : this(new WorkloadApiClient(options), pick) => _ownsClient = true;

    /// <summary>As the other constructor, over a client that is shared; it stays open when the source is disposed.</summary>
    public JwtSource(WorkloadApiClient client, Func<JwtSvids, JwtCredential?>? pick = null)
    {
        _client = client;
        _pick = pick ?? (all => all.Default);
    }

    /// <summary>A token for one audience, under the default or picked identity.</summary>
    /// <param name="audience">Whom the token is for.</param>
    /// <param name="cancellation">Stops waiting; the call goes on for others who wait for it.</param>
    /// <exception cref="WorkloadApiException">There is no token.</exception>
    public Task<JwtCredential> GetAsync(string audience, CancellationToken cancellation = default) => GetAsync([audience], null, cancellation);

    /// <summary>
    /// A token that is valid for at least ten more seconds. From half its life on a newer one is fetched: behind the caller's back at first,
    /// and before the answer from three quarters on. While the endpoint is away, the old one serves until it runs out; not so when it says that we have no identity any
    /// more, that the request is wrong or that it does not offer the call: then nobody would ever tell us to stop.
    /// </summary>
    /// <param name="audience">Whom the token is for; at least one.</param>
    /// <param name="subject">Which of our identities; null takes the default or picked one.</param>
    /// <param name="cancellation">Stops waiting; the call goes on for others who wait for it.</param>
    /// <exception cref="WorkloadApiException">There is no token.</exception>
    /// <exception cref="ArgumentException">There is no audience, or an empty one.</exception>
    public async Task<JwtCredential> GetAsync(IReadOnlyList<string> audience, SpiffeId? subject = null, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        if (audience.Count == 0 || audience.Any(string.IsNullOrEmpty)) throw new ArgumentException("A JWT-SVID needs at least one audience, and none may be empty.", nameof(audience));

        // A length before each, so that no two lists look alike whatever their members hold.
        var request = new Request(string.Concat(audience.Select(a => $"{a.Length}:{a}")), subject);
        if (_entries.Count >= MaxEntries && !_entries.ContainsKey(request)) MakeRoom();
        var entry = _entries.GetOrAdd(request, static _ => new Entry());

        var held = entry.Svid;
        var now = _client.Options.TimeProvider.GetUtcNow();
        if (held is not null && now < held.RenewAt) return held.Svid;
        var refresh = entry.RefreshAsync(() => FetchAsync(entry, [.. audience], subject));
        if (held is not null && now < held.WaitFrom)
        {
            _ = ObserveAsync(refresh, entry, held);
            return held.Svid;
        }

        try
        {
            return await refresh.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (WorkloadApiException e) when (held is not null && now < held.UsableUntil && MayBeOver(e))
        {
            PutOff(entry, held);
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

    private async Task<JwtCredential> FetchAsync(Entry entry, string[] audience, SpiffeId? subject)
    {
        var isAnswered = false;
        try
        {
            var asked = _client.Options.TimeProvider.GetUtcNow();
            var answer = await _client.FetchJwtSvidsAsync(audience, subject, _stopping.Token).ConfigureAwait(false);
            isAnswered = true;
            var svid = (subject is null ? Pick(answer) : answer.Default)
                ?? throw new WorkloadApiException(WorkloadApiFailure.NoIdentity, "none of the identities that the Workload API has for this process was picked");
            var usableUntil = svid.ExpiresAt - Margin;
            if (usableUntil <= asked) throw WorkloadApiException.Malformed($"the JWT-SVID of {svid.Id} expires at {svid.ExpiresAt:O}, which is past or seconds away");

            // Fractions of what is left, not of the whole life: the endpoint may hand out a token it has held for a while.
            var left = svid.ExpiresAt - asked;
            entry.Svid = new Held(svid, Earlier(asked + (left / 2), usableUntil), Earlier(asked + (left * 0.75), usableUntil), usableUntil);
            return svid;
        }
        catch (WorkloadApiException e) when (!MayBeOver(e))
        {
            // §5.2: stop using what is withdrawn. A refusal is about the identity, whatever the audience, and about all of them where none was named and it was not our own
            // choice that found none; a call that is not offered is so for all of them. An endpoint that refuses one audience looks the same: the others are asked for again.
            var isOfAll = e.Failure is WorkloadApiFailure.Unimplemented || (e.Failure is WorkloadApiFailure.NoIdentity && subject is null && !isAnswered);
            entry.Svid = null;
            foreach (var (request, other) in _entries)
            {
                if (isOfAll || (e.Failure is WorkloadApiFailure.NoIdentity && request.Subject == subject)) other.Svid = null;
            }

            throw;
        }
    }

    // A choice that cannot be made gives no identity.
    private JwtCredential? Pick(JwtSvids all)
    {
        try
        {
            return _pick(all);
        }
#pragma warning disable CA1031 // Whatever it threw: others wait for this answer, and some of them nowhere.
        catch (Exception e)
#pragma warning restore CA1031
        {
            throw new WorkloadApiException(WorkloadApiFailure.NoIdentity, "which of this process's identities is meant could not be said: its choice failed", e);
        }
    }

    // What the endpoint's absence does not take from us. What it answers so that it is not asked again does, as with X509Source: nothing would ever withdraw it.
    private static bool MayBeOver(WorkloadApiException e) => e.IsWorthRetrying && e.Failure is not WorkloadApiFailure.NoIdentity;

    // Nobody waits for this one; the next caller tries again, after a pause.
    private async Task ObserveAsync(Task<JwtCredential> refresh, Entry entry, Held held)
    {
        try
        {
            await refresh.ConfigureAwait(false);
        }
        catch (WorkloadApiException)
        {
            PutOff(entry, held);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void PutOff(Entry entry, Held held) => entry.PutOff(held, _client.Options.TimeProvider.GetUtcNow() + _client.Options.RetryDelay);

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

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

    private sealed class Held(JwtCredential svid, DateTimeOffset renewAt, DateTimeOffset waitFrom, DateTimeOffset usableUntil)
    {
        public JwtCredential Svid => svid;

        public DateTimeOffset RenewAt => renewAt;

        public DateTimeOffset WaitFrom => waitFrom;

        public DateTimeOffset UsableUntil => usableUntil;

        /// <summary>Leaves the endpoint alone until then, but never keeps the token past its end.</summary>
        public Held After(DateTimeOffset retryAt)
        {
            var next = Earlier(retryAt, usableUntil);
            return new Held(svid, next, next > waitFrom ? next : waitFrom, usableUntil);
        }
    }

    private sealed class Entry
    {
        private readonly Lock _lock = new();
        private Task<JwtCredential>? _refresh;
        private Held? _held;

        public Held? Svid
        {
            get => Volatile.Read(ref _held);
            set => Volatile.Write(ref _held, value);
        }

        /// <summary>Leaves the endpoint alone for a while; nothing happens if a newer token has come meanwhile.</summary>
        public void PutOff(Held held, DateTimeOffset until) =>
            Interlocked.CompareExchange(ref _held, held.After(until), held);

        /// <summary>Joins the call under way, or starts one.</summary>
        public Task<JwtCredential> RefreshAsync(Func<Task<JwtCredential>> fetch)
        {
            lock (_lock)
            {
                if (_refresh is null || _refresh.IsCompleted) _refresh = fetch();
                return _refresh;
            }
        }
    }
}
