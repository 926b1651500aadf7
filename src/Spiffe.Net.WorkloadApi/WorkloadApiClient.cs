using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Spiffe.WorkloadApi.V1;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Speaks the SPIFFE Workload API, of any implementation. <c>Fetch…</c> asks once and throws <see cref="WorkloadApiException"/> when
/// there is no usable answer; <c>Watch…</c> never ends by itself, reconnects, and throws only where another try is pointless.
/// Most programs want <see cref="X509Source"/> or <see cref="JwtSource"/> instead. Safe for use from many threads.
/// </summary>
public sealed partial class WorkloadApiClient : IDisposable
{
    // SPIFFE Workload Endpoint §3: proof that the request was not smuggled through a proxy or a browser.
    private static readonly Metadata SecurityHeader = new() { { "workload.spiffe.io", "true" } };

    private readonly GrpcChannel _channel;
    private readonly SpiffeWorkloadAPI.SpiffeWorkloadAPIClient _api;
    private readonly ResponseReader _reader;
    private readonly News _troubles;
    private volatile ILogger? _borrowed;

    /// <summary>Connects with the first call, not here.</summary>
    /// <exception cref="FormatException">No endpoint is given and <c>SPIFFE_ENDPOINT_SOCKET</c> does not name one.</exception>
    public WorkloadApiClient(WorkloadApiClientOptions? options = null)
    {
        Options = options ?? new WorkloadApiClientOptions();
        Endpoint = Options.Endpoint ?? WorkloadEndpoint.FromEnvironment();
        Logger = new HarmlessLogger(() => HasOwnLogger ? Options.Logger : _borrowed ?? NullLogger.Instance);
        _channel = EndpointChannel.Create(Endpoint, Options.TcpPing);
        _api = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(_channel);
        _reader = new ResponseReader(problem => LogLeftOut(Logger, problem));
        _troubles = new News(Options.TimeProvider);
    }

    /// <summary>Where the Workload API is.</summary>
    public WorkloadEndpoint Endpoint { get; }

    internal WorkloadApiClientOptions Options { get; }

    internal bool HasOwnLogger => Options.Logger != NullLogger.Instance;

    /// <summary>Our own or the one that was lent; it never throws.</summary>
    internal ILogger Logger { get; }

    /// <summary>The X.509 identities of this process and whom to trust, as of now (§5.2.1).</summary>
    /// <exception cref="WorkloadApiException">There was no usable answer in time; its <see cref="WorkloadApiException.Failure"/> says of which kind.</exception>
    public Task<X509Context> FetchX509SvidAsync(CancellationToken cancellation = default) =>
        FirstAsync(timed => _api.FetchX509SVID(new X509SVIDRequest(), timed), _reader.ReadX509, cancellation);

    /// <summary>The X.509 bundles alone, for a process that only verifies others (§5.2.2).</summary>
    /// <exception cref="WorkloadApiException">There was no usable answer in time; its <see cref="WorkloadApiException.Failure"/> says of which kind.</exception>
    public Task<TrustBundleSet> FetchX509BundlesAsync(CancellationToken cancellation = default) =>
        FirstAsync(timed => _api.FetchX509Bundles(new X509BundlesRequest(), timed), _reader.ReadX509Bundles, cancellation);

    /// <summary>The bundles that JWT-SVIDs are verified with (§6.2.2).</summary>
    /// <exception cref="WorkloadApiException">There was no usable answer in time; its <see cref="WorkloadApiException.Failure"/> says of which kind.</exception>
    public Task<TrustBundleSet> FetchJwtBundlesAsync(CancellationToken cancellation = default) =>
        FirstAsync(timed => _api.FetchJWTBundles(new JWTBundlesRequest(), timed), _reader.ReadJwtBundles, cancellation);

    /// <summary>One JWT-SVID for each identity of this process, or for the one named (§6.2.1). The first is the default.</summary>
    /// <param name="audience">Whom the tokens are for; at least one. Fewer is safer: each can replay the token to the others.</param>
    /// <param name="subject">Which identity; null means all.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="WorkloadApiException">There is no token.</exception>
    /// <exception cref="ArgumentException">There is no audience, or an empty one.</exception>
    public async Task<JwtSvids> FetchJwtSvidsAsync(
        IReadOnlyList<string> audience, SpiffeId? subject = null, CancellationToken cancellation = default)
    {
        if (audience.Count == 0 || audience.Any(string.IsNullOrEmpty)) throw new ArgumentException("A JWT-SVID needs at least one audience, and none may be empty.", nameof(audience));
        var request = new JWTSVIDRequest { Audience = { audience }, SpiffeId = subject?.ToString() ?? "" };
        var response = await CallAsync(options => _api.FetchJWTSVIDAsync(request, options).ResponseAsync, cancellation).ConfigureAwait(false);
        return Read(() => ResponseReader.ReadJwtSvids(response, audience, subject));
    }

    /// <summary>Has the endpoint verify a token (§6.2.3). With bundles at hand, <see cref="JwtSvidVerifier"/> does it without a call.</summary>
    /// <param name="token">The token; it is sent to the endpoint.</param>
    /// <param name="audience">Our own name.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="WorkloadApiException">There is no answer, or one that says "valid" of claims that are not: without subject, for another audience, or expired.</exception>
    public async Task<JwtSvidValidation> ValidateJwtSvidAsync(string token, string audience, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(token);
        ArgumentException.ThrowIfNullOrEmpty(audience);
        try
        {
            var response = await CallAsync(
                options => _api.ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest { Svid = token, Audience = audience }, options).ResponseAsync,
                cancellation).ConfigureAwait(false);
            return Read(() => ResponseReader.ReadValidation(response, audience, Options.TimeProvider.GetUtcNow()));
        }
        catch (WorkloadApiException e) when (e.Failure is WorkloadApiFailure.InvalidRequest)
        {
            // The one call where InvalidArgument is an answer: our own arguments were checked above, so it is about the token.
            return new JwtSvidValidation.Refused(e.Message);
        }
    }

    /// <summary>
    /// The X.509 material now and after each change. Gives <see cref="X509Context.None"/> when the endpoint withdraws it
    /// (PermissionDenied, §5.2): stop using what came before. Keeps what was given while the endpoint is merely away.
    /// </summary>
    public IAsyncEnumerable<X509Context> WatchX509SvidAsync(CancellationToken cancellation = default) =>
        WatchAsync(options => _api.FetchX509SVID(new X509SVIDRequest(), options), _reader.ReadX509, X509Context.None, null, cancellation);

    /// <summary>As <see cref="WatchX509SvidAsync"/>, for bundles alone; <see cref="TrustBundleSet.Empty"/> when withdrawn.</summary>
    public IAsyncEnumerable<TrustBundleSet> WatchX509BundlesAsync(CancellationToken cancellation = default) =>
        WatchAsync(options => _api.FetchX509Bundles(new X509BundlesRequest(), options), _reader.ReadX509Bundles, TrustBundleSet.Empty, null, cancellation);

    /// <summary>As <see cref="WatchX509SvidAsync"/>, for JWT bundles; <see cref="TrustBundleSet.Empty"/> when withdrawn.</summary>
    public IAsyncEnumerable<TrustBundleSet> WatchJwtBundlesAsync(CancellationToken cancellation = default) =>
        WatchAsync(options => _api.FetchJWTBundles(new JWTBundlesRequest(), options), _reader.ReadJwtBundles, TrustBundleSet.Empty, null, cancellation);

    /// <summary>One WIT-SVID with its key for each identity of this process, or for the one named (§7.2.1). The first is the default. Dispose them.</summary>
    /// <param name="subject">Which identity; null means all.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="WorkloadApiException">There is none; most endpoints do not offer this profile.</exception>
    [Experimental(Incubating.Wit)]
    public Task<IReadOnlyList<WitCredential>> FetchWitSvidsAsync(SpiffeId? subject = null, CancellationToken cancellation = default) =>
        FirstAsync(options => _api.FetchWITSVID(WitRequest(subject), options), response => ResponseReader.ReadWitSvids(response, subject), cancellation);

    /// <summary>As <see cref="FetchWitSvidsAsync"/>, now and after each change; an empty list when withdrawn. Ends with an exception where the endpoint does not offer the profile (§7).</summary>
    [Experimental(Incubating.Wit)]
    public IAsyncEnumerable<IReadOnlyList<WitCredential>> WatchWitSvidsAsync(SpiffeId? subject = null, CancellationToken cancellation = default) =>
        WatchAsync(options => _api.FetchWITSVID(WitRequest(subject), options), response => ResponseReader.ReadWitSvids(response, subject), [], null, cancellation);

    /// <summary>The bundles that WIT-SVIDs are verified with, and nothing else (§7.2.2).</summary>
    /// <exception cref="WorkloadApiException">There was no usable answer in time; its <see cref="WorkloadApiException.Failure"/> says of which kind.</exception>
    [Experimental(Incubating.Wit)]
    public Task<TrustBundleSet> FetchWitBundlesAsync(CancellationToken cancellation = default) =>
        FirstAsync(options => _api.FetchWITBundles(new WITBundlesRequest(), options), _reader.ReadWitBundles, cancellation);

    /// <summary>As <see cref="FetchWitBundlesAsync"/>, now and after each change; <see cref="TrustBundleSet.Empty"/> when withdrawn.</summary>
    [Experimental(Incubating.Wit)]
    public IAsyncEnumerable<TrustBundleSet> WatchWitBundlesAsync(CancellationToken cancellation = default) =>
        WatchAsync(options => _api.FetchWITBundles(new WITBundlesRequest(), options), _reader.ReadWitBundles, TrustBundleSet.Empty, null, cancellation);

    /// <summary>Closes the connection; calls under way fail.</summary>
    public void Dispose() => _channel.Dispose();

    internal Action BorrowLogger(ILogger logger)
    {
        Interlocked.CompareExchange(ref _borrowed, logger, null);
        return () => Interlocked.CompareExchange(ref _borrowed, null, logger);
    }

    /// <param name="onProblem">Told of each failed attempt, so that a first value that never comes can be explained.</param>
    internal IAsyncEnumerable<X509Context> WatchX509SvidAndProblemsAsync(Action<WorkloadApiException> onProblem, CancellationToken cancellation) =>
        WatchAsync(options => _api.FetchX509SVID(new X509SVIDRequest(), options), _reader.ReadX509, X509Context.None, onProblem, cancellation);

    internal IAsyncEnumerable<TrustBundleSet> WatchX509BundlesAndProblemsAsync(Action<WorkloadApiException> onProblem, CancellationToken cancellation) =>
        WatchAsync(options => _api.FetchX509Bundles(new X509BundlesRequest(), options), _reader.ReadX509Bundles, TrustBundleSet.Empty, onProblem, cancellation);

    internal IAsyncEnumerable<TrustBundleSet> WatchJwtBundlesAndProblemsAsync(Action<WorkloadApiException> onProblem, CancellationToken cancellation) =>
        WatchAsync(options => _api.FetchJWTBundles(new JWTBundlesRequest(), options), _reader.ReadJwtBundles, TrustBundleSet.Empty, onProblem, cancellation);

    private static WITSVIDRequest WitRequest(SpiffeId? subject) => new() { SpiffeId = subject?.ToString() ?? "" };

    private async IAsyncEnumerable<TValue> WatchAsync<TResponse, TValue>(
        Func<CallOptions, AsyncServerStreamingCall<TResponse>> open,
        Func<TResponse, TValue> read,
        TValue withdrawn,
        Action<WorkloadApiException>? onProblem,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var backoff = new Backoff(Options.RetryDelay, Options.MaxRetryDelay, Options.TimeProvider);
        var holdsSomething = false;
        while (true)
        {
            backoff.AttemptStarts();
            using var call = open(new CallOptions(SecurityHeader, cancellationToken: cancellation));
            WorkloadApiException? problem = null;
            while (problem is null)
            {
                (var value, problem) = await NextAsync(call.ResponseStream, read, cancellation).ConfigureAwait(false);
                if (problem is { Failure: WorkloadApiFailure.MalformedResponse })
                {
                    // §4.5: report and discard. What we hold stays in use; the stream may yet bring something better.
                    var level = LevelOf(problem);
                    LogDiscarded(Logger, level, problem.Message);
                    onProblem?.Invoke(problem);
                    problem = null;
                }
                else if (problem is null)
                {
                    backoff.Delivered();
                    holdsSomething = true;
                    yield return value!;
                }
            }

            var endLevel = problem.InnerException is null ? LogLevel.Information : LevelOf(problem);
            LogStreamEnded(Logger, endLevel, problem.Message);
            onProblem?.Invoke(problem);
            if (problem.Failure is WorkloadApiFailure.NoIdentity && holdsSomething)
            {
                holdsSomething = false;
                yield return withdrawn;
            }

            if (!problem.IsWorthRetrying) throw problem;
            await backoff.WaitAsync(refused: problem.Failure is WorkloadApiFailure.NoIdentity, cancellation).ConfigureAwait(false);
        }
    }

    private async Task<(TValue? Value, WorkloadApiException? Problem)> NextAsync<TResponse, TValue>(
        IAsyncStreamReader<TResponse> stream, Func<TResponse, TValue> read, CancellationToken cancellation)
    {
        try
        {
            return await stream.MoveNext(cancellation).ConfigureAwait(false)
                ? (Read(() => read(stream.Current)), null)
                : (default, new WorkloadApiException(WorkloadApiFailure.Unavailable, $"the Workload API at {Endpoint} ended the stream"));
        }
        catch (RpcException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException("the call to the Workload API was cancelled", e, cancellation);
        }
        catch (RpcException e)
        {
            return (default, WorkloadApiException.From(e, Endpoint));
        }
        catch (WorkloadApiException e)
        {
            return (default, e);
        }
    }

    // §4.5: report and discard, whatever is wrong with it: one odd response must not be the last that is read.
    private static T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
#pragma warning disable CA1031 // What the endpoint sent made it throw, and nothing else could.
        catch (Exception e) when (e is not WorkloadApiException)
#pragma warning restore CA1031
        {
            throw WorkloadApiException.Malformed($"reading it failed ({e.GetType().Name})", e);
        }
    }

    // What goes on is told once in a while.
    private LogLevel LevelOf(WorkloadApiException problem) => _troubles.Is(problem.Message, out _) ? LogLevel.Warning : LogLevel.Debug;

    private Task<TValue> FirstAsync<TResponse, TValue>(
        Func<CallOptions, AsyncServerStreamingCall<TResponse>> open, Func<TResponse, TValue> read, CancellationToken cancellation) =>
        CallAsync(
            async options =>
            {
                using var call = open(options);
                var (value, problem) = await NextAsync(call.ResponseStream, read, options.CancellationToken).ConfigureAwait(false);
                return problem is null ? value! : throw problem;
            },
            cancellation);

    private async Task<T> CallAsync<T>(Func<CallOptions, Task<T>> call, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(Options.CallTimeout, Options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        try
        {
            return await call(new CallOptions(SecurityHeader, cancellationToken: either.Token)).ConfigureAwait(false);
        }
        catch (RpcException e) when (!either.IsCancellationRequested)
        {
            throw WorkloadApiException.From(e, Endpoint);
        }
        catch (Exception e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException("the call to the Workload API was cancelled", e, cancellation);
        }
        catch (Exception e) when (timeout.IsCancellationRequested && e is RpcException or OperationCanceledException)
        {
            throw new WorkloadApiException(
                WorkloadApiFailure.Unavailable, $"the Workload API at {Endpoint} did not answer within {Options.CallTimeout.TotalSeconds:0.#} s", e);
        }
    }

    [LoggerMessage(Message = "A Workload API stream ended: {Problem}")]
    private static partial void LogStreamEnded(ILogger logger, LogLevel level, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Left out a part of a Workload API response: {Problem}")]
    private static partial void LogLeftOut(ILogger logger, string problem);

    [LoggerMessage(Message = "Discarded a Workload API response: {Problem}")]
    private static partial void LogDiscarded(ILogger logger, LogLevel level, string problem);
}
