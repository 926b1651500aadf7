using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// This process's X.509 identity and whom it trusts, always the newest. It exists only once it has an identity; later it may lose it
/// (<see cref="Svid"/> throws) and get it back. Give it to <see cref="SpiffeTls"/>. Safe for use from many threads.
/// </summary>
public sealed partial class X509Source : IAsyncDisposable
{
    private readonly WorkloadApiClient _client;
    private readonly bool _ownsClient;
    private readonly Func<X509Context, X509Svid?> _pick;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _watchersLock = new();
    private readonly List<Channel<X509Context>> _watchers = [];
    private volatile Material _material = Material.None;
    private volatile WorkloadApiException? _lastProblem;
    private Task _watching = Task.CompletedTask;

    private X509Source(WorkloadApiClient client, bool ownsClient, Func<X509Context, X509Svid?> pick)
    {
        _client = client;
        _ownsClient = ownsClient;
        _pick = pick;
        Refusals = new RefusalLog(() => Logger, TimeProvider);
    }

    /// <summary>All that the Workload API gives at this moment; <see cref="X509Context.None"/> after it was withdrawn.</summary>
    public X509Context Current => _material.Context;

    /// <summary>The identity of this process.</summary>
    /// <exception cref="WorkloadApiException">It was withdrawn, or it expired and the Workload API has sent no newer one.</exception>
    public X509Svid Svid => Usable().Svid!;

    /// <summary>Whom to trust. Empty, which trusts nobody, after the material was withdrawn.</summary>
    public TrustBundleSet Bundles => _material.Context.Bundles;

    internal TimeProvider TimeProvider => _client.Options.TimeProvider;

    internal bool HasOwnLogger => _client.HasOwnLogger;

    /// <summary>Of the peers that our own <see cref="Logger"/> is told about.</summary>
    internal RefusalLog Refusals { get; }

    private ILogger Logger => _client.Logger;

    /// <summary>
    /// Connects, and returns when the first identity is there. Until then it keeps trying, for <see cref="WorkloadApiClientOptions.StartTimeout"/>
    /// at most.
    /// </summary>
    /// <param name="options">Null takes the endpoint from <c>SPIFFE_ENDPOINT_SOCKET</c>.</param>
    /// <param name="pick">Which of several identities is ours, for example <c>all => all.FindByHint("internal")</c>; null takes the default one. Where it gives null or throws, there is no identity until other material comes.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <exception cref="WorkloadApiException">Waiting is pointless, took too long, or was given up; the message says what the endpoint last answered.</exception>
    /// <exception cref="FormatException">There is no usable endpoint address.</exception>
    public static Task<X509Source> CreateAsync(
        WorkloadApiClientOptions? options = null, Func<X509Context, X509Svid?>? pick = null, CancellationToken cancellation = default) =>
        StartAsync(new WorkloadApiClient(options), ownsClient: true, pick, cancellation);

    /// <summary>As the other overload, over a client that is shared; it stays open when the source is disposed.</summary>
    public static Task<X509Source> CreateAsync(
        WorkloadApiClient client, Func<X509Context, X509Svid?>? pick = null, CancellationToken cancellation = default) =>
        StartAsync(client, ownsClient: false, pick, cancellation);

    /// <summary>
    /// The material now and after each change, for those who must act on it, such as reopening a connection. A slow reader misses steps,
    /// never the newest. Ends when the source is disposed.
    /// </summary>
    public async IAsyncEnumerable<X509Context> WatchAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var channel = Channel.CreateBounded<X509Context>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        lock (_watchersLock)
        {
            _watchers.Add(channel);
            channel.Writer.TryWrite(Current);
            if (_stopping.IsCancellationRequested) channel.Writer.TryComplete();
        }

        try
        {
            await foreach (var context in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false)) yield return context;
        }
        finally
        {
            lock (_watchersLock) _watchers.Remove(channel);
        }
    }

    /// <summary>Stops watching and forgets the identity. Connections that are open stay open.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested) return;
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _material = Material.None;
        lock (_watchersLock) _watchers.ForEach(channel => channel.Writer.TryComplete());
        if (_ownsClient) _client.Dispose();
    }

    /// <summary>A logger for our troubles where we have none of our own; of several the first that was lent.</summary>
    /// <returns>To be called when it is of no use any more.</returns>
    internal Action BorrowLogger(ILogger logger) => _client.BorrowLogger(logger);

    /// <summary>The certificate and its intermediates as TLS wants them; made once per rotation.</summary>
    internal SslStreamCertificateContext CertificateContext() => Usable().CertificateContext.Value;

    private static async Task<X509Source> StartAsync(
        WorkloadApiClient client, bool ownsClient, Func<X509Context, X509Svid?>? pick, CancellationToken cancellation)
    {
        var source = new X509Source(client, ownsClient, pick ?? (context => context.Default));
        source._watching = source.RunAsync();
        try
        {
            await FirstAnswer.WaitAsync(source._first.Task, "X.509-SVID", client, () => source._lastProblem, cancellation).ConfigureAwait(false);
            return source;
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await foreach (var context in _client.WatchX509SvidAndProblemsAsync(problem => _lastProblem = problem, _stopping.Token).ConfigureAwait(false))
            {
                Take(context);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            // Nothing more will come, so what is held would never be withdrawn.
            _lastProblem = e as WorkloadApiException ?? _lastProblem;
            if (!_first.TrySetException(e)) Take(X509Context.None);
            LogWatchEnded(Logger, e.Message);
        }
    }

    private void Take(X509Context context)
    {
        var svid = context.Svids.Count == 0 ? null : Pick(context);
        _material = new Material(context, svid);
        if (svid is not null)
        {
            LogReceived(Logger, svid.Id, svid.NotAfter);
            _first.TrySetResult();
        }
        else
        {
            if (context.Svids.Count > 0)
            {
                _lastProblem = new WorkloadApiException(
                    WorkloadApiFailure.NoIdentity, "none of the identities that the Workload API has for this process was picked");
            }

            LogWithdrawn(Logger, _lastProblem?.Message ?? "the Workload API withdrew it");
        }

        lock (_watchersLock) _watchers.ForEach(channel => channel.Writer.TryWrite(context));
    }

    private X509Svid? Pick(X509Context context)
    {
        try
        {
            return _pick(context);
        }
#pragma warning disable CA1031 // A choice that cannot be made gives no identity; it must not end the watch, so that the next material is looked at.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogPickFailed(Logger, e);
            return null;
        }
    }

    private Material Usable()
    {
        var material = _material;
        if (material.Svid is not { } svid)
        {
            throw new WorkloadApiException(
                WorkloadApiFailure.NoIdentity, $"this process has no X.509-SVID at the moment: {_lastProblem?.Message ?? "the source is closed"}", _lastProblem);
        }

        // A peer would refuse it; saying so here names the cause.
        if (TimeProvider.GetUtcNow() <= svid.NotAfter) return material;
        throw new WorkloadApiException(
            WorkloadApiFailure.Unavailable,
            $"the X.509-SVID of {svid.Id} expired at {svid.NotAfter:O} and no newer one came: {_lastProblem?.Message ?? "the Workload API is silent"}",
            _lastProblem);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Received the X.509-SVID of {SpiffeId}, valid until {NotAfter:O}")]
    private static partial void LogReceived(ILogger logger, SpiffeId spiffeId, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The X.509-SVID is gone: {Problem}")]
    private static partial void LogWithdrawn(ILogger logger, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Choosing among the X.509-SVIDs failed")]
    private static partial void LogPickFailed(ILogger logger, Exception e);

    [LoggerMessage(Level = LogLevel.Error, Message = "The Workload API will send no more: {Problem}")]
    private static partial void LogWatchEnded(ILogger logger, string problem);

    /// <summary>Swapped whole, so that certificate, key and bundles always belong together.</summary>
    private sealed class Material(X509Context context, X509Svid? svid)
    {
        public static readonly Material None = new(X509Context.None, null);

        public X509Context Context => context;

        public X509Svid? Svid => svid;

        // Offline: never fetch issuers or OCSP from addresses that a certificate names.
        public Lazy<SslStreamCertificateContext> CertificateContext { get; } = new(() =>
            SslStreamCertificateContext.Create(svid!.Leaf, new X509Certificate2Collection(svid.Intermediates.ToArray()), offline: true));
    }
}
