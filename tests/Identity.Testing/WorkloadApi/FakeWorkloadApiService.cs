using System.Collections.Concurrent;
using System.Collections.Immutable;
using Grpc.Core;
using Spiffe.WorkloadApi.V1;

namespace Identity.Testing.WorkloadApi;

/// <summary>The service behind <see cref="FakeWorkloadApi"/>.</summary>
internal sealed class FakeWorkloadApiService : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
{
    private const string SecurityHeader = "workload.spiffe.io";

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, int> _calls = new();
    private Answers _now = new();
    private TaskCompletionSource _changed = NewSignal();

    public Answers Now
    {
        get
        {
            lock (_lock) return _now;
        }
    }

    public ConcurrentQueue<(string Rpc, string? SecurityHeader)> Requests { get; } = [];

    public int CallsOf(string rpc) => _calls.GetValueOrDefault(rpc);

    public void Set(Answers answers)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            _now = answers;
            changed = _changed;
            _changed = NewSignal();
        }

        changed.SetResult();
    }

    /// <summary>Breaks streams off so that the server can stop.</summary>
    public void Hurry() => Set(Now with { IsClosing = true });

    public void Reset() => Set(Now with { IsClosing = false });

    public override Task FetchX509SVID(X509SVIDRequest request, IServerStreamWriter<X509SVIDResponse> stream, ServerCallContext context) =>
        StreamAsync(answers => answers.X509, stream, context);

    public override Task FetchX509Bundles(X509BundlesRequest request, IServerStreamWriter<X509BundlesResponse> stream, ServerCallContext context) =>
        StreamAsync(answers => answers.X509Bundles, stream, context);

    public override Task FetchJWTBundles(JWTBundlesRequest request, IServerStreamWriter<JWTBundlesResponse> stream, ServerCallContext context) =>
        StreamAsync(answers => answers.JwtBundles, stream, context);

    public override Task FetchWITSVID(WITSVIDRequest request, IServerStreamWriter<WITSVIDResponse> stream, ServerCallContext context) =>
        Now.Wit is null ? base.FetchWITSVID(request, stream, context) : StreamAsync(answers => answers.Wit, stream, context);

    public override Task FetchWITBundles(WITBundlesRequest request, IServerStreamWriter<WITBundlesResponse> stream, ServerCallContext context) =>
        Now.WitBundles is null ? base.FetchWITBundles(request, stream, context) : StreamAsync(answers => answers.WitBundles, stream, context);

    public override Task<JWTSVIDResponse> FetchJWTSVID(JWTSVIDRequest request, ServerCallContext context)
    {
        Count(context);
        return (Check(context).Jwt ?? throw NoIdentity())(request);
    }

    public override Task<ValidateJWTSVIDResponse> ValidateJWTSVID(ValidateJWTSVIDRequest request, ServerCallContext context)
    {
        Count(context);
        return Task.FromResult((Check(context).Validation ?? throw NoIdentity())(request));
    }

    private async Task StreamAsync<T>(Func<Answers, T?> select, IServerStreamWriter<T> stream, ServerCallContext context)
        where T : class
    {
        Count(context);
        T? sent = null;
        var generation = Now.Generation;
        while (true)
        {
            Task changed;
            lock (_lock) changed = _changed.Task;
            var answers = Check(context);
            if (answers.Generation != generation) return;
            var next = select(answers) ?? throw NoIdentity();
            if (!ReferenceEquals(next, sent)) await stream.WriteAsync(next, context.CancellationToken);
            sent = next;
            await changed.WaitAsync(context.CancellationToken);
        }
    }

    private void Count(ServerCallContext context)
    {
        Requests.Enqueue((Rpc(context), context.RequestHeaders.GetValue(SecurityHeader)));
        _calls.AddOrUpdate(Rpc(context), 1, (_, count) => count + 1);
    }

    private static string Rpc(ServerCallContext context) => context.Method[(context.Method.LastIndexOf('/') + 1)..];

    // SPIFFE Workload Endpoint §3: absent or different means InvalidArgument.
    private Answers Check(ServerCallContext context)
    {
        if (context.RequestHeaders.GetValue(SecurityHeader) != "true") throw new RpcException(new Status(StatusCode.InvalidArgument, "security header missing"));
        var answers = Now;
        if (answers.IsClosing) throw new RpcException(new Status(StatusCode.Unavailable, "closing"));
        if (answers.RefusedRpcs.TryGetValue(Rpc(context), out var status)) throw new RpcException(new Status(status, ""));
        return answers.Refusal is { } refusal ? throw new RpcException(refusal) : answers;
    }

    private static RpcException NoIdentity() => new(new Status(StatusCode.PermissionDenied, "no identity issued"));

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal sealed record Answers
    {
        public X509SVIDResponse? X509 { get; init; }

        public X509BundlesResponse? X509Bundles { get; init; }

        public JWTBundlesResponse? JwtBundles { get; init; }

        public WITSVIDResponse? Wit { get; init; }

        public WITBundlesResponse? WitBundles { get; init; }

        public Func<JWTSVIDRequest, Task<JWTSVIDResponse>>? Jwt { get; init; }

        public Func<ValidateJWTSVIDRequest, ValidateJWTSVIDResponse>? Validation { get; init; }

        public Status? Refusal { get; init; }

        public ImmutableDictionary<string, StatusCode> RefusedRpcs { get; init; } = ImmutableDictionary<string, StatusCode>.Empty;

        public int Generation { get; init; }

        public bool IsClosing { get; init; }
    }
}
