using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Whom to trust, always the newest, for a process that verifies others and needs no identity of its own (SPIFFE Workload API §5.1).
/// The two sets stay apart: X.509 bundles authenticate X509-SVIDs only, JWT bundles JWT-SVIDs only (§5.2.1, §6.2.2). Safe for use from many threads.
/// </summary>
public sealed partial class BundleSource : IAsyncDisposable
{
    private readonly WorkloadApiClient _client;
    private readonly bool _ownsClient;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<bool> _firstX509 = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _firstJwt = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TrustBundleSet _x509 = TrustBundleSet.Empty;
    private volatile TrustBundleSet _jwt = TrustBundleSet.Empty;
    private volatile WorkloadApiException? _lastProblem;
    private Task _watching = Task.CompletedTask;

    private BundleSource(WorkloadApiClient client, bool ownsClient)
    {
        _client = client;
        _ownsClient = ownsClient;
    }

    /// <summary>For <see cref="X509SvidVerifier"/>. Empty, which trusts nobody, after it was withdrawn and where the endpoint does not offer the X.509 profile.</summary>
    public TrustBundleSet X509 => _x509;

    /// <summary>For <see cref="JwtSvidVerifier"/>. Empty, which trusts nobody, after it was withdrawn and where the endpoint does not offer the JWT profile.</summary>
    public TrustBundleSet Jwt => _jwt;

    /// <summary>
    /// Connects, and returns when the first bundles of each profile the endpoint offers are there. Until then it keeps trying, for
    /// <see cref="WorkloadApiClientOptions.StartTimeout"/> at most.
    /// </summary>
    /// <param name="options">Null takes the endpoint from <c>SPIFFE_ENDPOINT_SOCKET</c>.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <exception cref="WorkloadApiException">Waiting is pointless, took too long, or was given up; the message says what the endpoint last answered.</exception>
    /// <exception cref="FormatException">There is no usable endpoint address.</exception>
    public static Task<BundleSource> CreateAsync(WorkloadApiClientOptions? options = null, CancellationToken cancellation = default) =>
        StartAsync(new BundleSource(new WorkloadApiClient(options), ownsClient: true), cancellation);

    /// <summary>As the other overload, over a client that is shared; it stays open when the source is disposed.</summary>
    public static Task<BundleSource> CreateAsync(WorkloadApiClient client, CancellationToken cancellation = default) =>
        StartAsync(new BundleSource(client, ownsClient: false), cancellation);

    /// <summary>Stops watching and trusts nobody any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested) return;
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        (_x509, _jwt) = (TrustBundleSet.Empty, TrustBundleSet.Empty);
        if (_ownsClient) _client.Dispose();
    }

    private static async Task<BundleSource> StartAsync(BundleSource source, CancellationToken cancellation)
    {
        var stopping = source._stopping.Token;
        source._watching = Task.WhenAll(
            source.RunAsync(source._client.WatchX509BundlesAndProblemsAsync(source.OnProblem, stopping), set => source._x509 = set, source._firstX509),
            source.RunAsync(source._client.WatchJwtBundlesAndProblemsAsync(source.OnProblem, stopping), set => source._jwt = set, source._firstJwt));
        try
        {
            var first = Task.WhenAll(source._firstX509.Task, source._firstJwt.Task);
            await FirstAnswer.WaitAsync(first, "trust bundles", source._client, () => source._lastProblem, cancellation).ConfigureAwait(false);
            var offered = await first.ConfigureAwait(false);
            return offered.Contains(true) ? source : throw source._lastProblem!;
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private void OnProblem(WorkloadApiException problem) => _lastProblem = problem;

    private async Task RunAsync(IAsyncEnumerable<TrustBundleSet> watch, Action<TrustBundleSet> take, TaskCompletionSource<bool> first)
    {
        try
        {
            await foreach (var bundles in watch.ConfigureAwait(false))
            {
                take(bundles);
                first.TrySetResult(true);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (WorkloadApiException e) when (e.Failure is WorkloadApiFailure.Unimplemented)
        {
            // An operator may switch one profile off (§1); the other still serves.
            take(TrustBundleSet.Empty);
            LogNotOffered(_client.Logger, e.Message);
            first.TrySetResult(false);
        }
        catch (Exception e)
        {
            // Nothing more will come, so what is held would never be withdrawn.
            take(TrustBundleSet.Empty);
            LogWatchEnded(_client.Logger, e.Message);
            first.TrySetException(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "A kind of trust bundle is not offered: {Problem}")]
    private static partial void LogNotOffered(ILogger logger, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "The Workload API will send no more trust bundles: {Problem}")]
    private static partial void LogWatchEnded(ILogger logger, string problem);
}
