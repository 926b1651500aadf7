using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;

namespace Identity.Testing.WorkloadApi;

/// <summary>
/// A Workload API on a real Unix socket that serves what a test gives it, pushes each change to open streams, and can withdraw all.
/// Holds callers to the security header, as the specification wants.
/// </summary>
public sealed class FakeWorkloadApi : IAsyncDisposable
{
    private readonly string _folder;
    private readonly FakeWorkloadApiService _service = new();
    private WebApplication? _app;

    private FakeWorkloadApi(string folder) => _folder = folder;

    public WorkloadEndpoint Endpoint => WorkloadEndpoint.Parse($"unix://{Socket}");

    /// <summary>Client options for tests: this endpoint, and waits too short to be noticed.</summary>
    public WorkloadApiClientOptions ClientOptions(TimeProvider? timeProvider = null, ILogger? logger = null) => new()
    {
        Endpoint = Endpoint,
        RetryDelay = TimeSpan.FromMilliseconds(10),
        MaxRetryDelay = TimeSpan.FromMilliseconds(50),
        TimeProvider = timeProvider ?? TimeProvider.System,
        Logger = logger ?? NullLogger.Instance,
    };

    /// <summary>Calls of FetchJWTSVID so far.</summary>
    public int JwtCalls => CallsOf("FetchJWTSVID");

    /// <summary>Calls of one RPC so far, those refused included.</summary>
    public int CallsOf(string rpc) => _service.CallsOf(rpc);

    /// <summary>Each request so far, and the value of its security header (SPIFFE Workload Endpoint §3); null when it had none.</summary>
    public IReadOnlyList<(string Rpc, string? SecurityHeader)> Requests => [.. _service.Requests];

    private string Socket => Path.Combine(_folder, "workload.sock");

    public static async Task<FakeWorkloadApi> StartAsync()
    {
        var fake = new FakeWorkloadApi(Directory.CreateTempSubdirectory("fake-workload-api-").FullName);
        await fake.OpenAsync();
        return fake;
    }

    /// <summary>Sent to streams that are open and to those that come.</summary>
    public void Serve(X509SVIDResponse response) => _service.Set(_service.Now with { X509 = response, Refusal = null });

    public void Serve(X509BundlesResponse response) => _service.Set(_service.Now with { X509Bundles = response, Refusal = null });

    public void Serve(JWTBundlesResponse response) => _service.Set(_service.Now with { JwtBundles = response, Refusal = null });

    public void Serve(WITSVIDResponse response) => _service.Set(_service.Now with { Wit = response, Refusal = null });

    public void Serve(WITBundlesResponse response) => _service.Set(_service.Now with { WitBundles = response, Refusal = null });

    /// <summary>Answers each request for tokens; it may wait, or throw.</summary>
    public void ServeJwt(Func<JWTSVIDRequest, Task<JWTSVIDResponse>> answer) => _service.Set(_service.Now with { Jwt = answer, Refusal = null });

    public void ServeValidation(Func<ValidateJWTSVIDRequest, ValidateJWTSVIDResponse> answer) =>
        _service.Set(_service.Now with { Validation = answer, Refusal = null });

    /// <summary>Ends open streams, and all calls until something is served again, with this status.</summary>
    public void Refuse(StatusCode status, string detail = "") => _service.Set(_service.Now with { Refusal = new Status(status, detail) });

    /// <summary>As the other overload, for one RPC only; for good.</summary>
    public void Refuse(string rpc, StatusCode status) => _service.Set(_service.Now with { RefusedRpcs = _service.Now.RefusedRpcs.SetItem(rpc, status) });

    /// <summary>The endpoint ends open streams in order, without an error, and takes new ones.</summary>
    public void EndStreams() => _service.Set(_service.Now with { Generation = _service.Now.Generation + 1 });

    /// <summary>The socket goes away, as when an agent is killed. What is served is kept.</summary>
    public async Task CloseAsync()
    {
        if (_app is null) return;
        _service.Hurry();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _app = null;
        File.Delete(Socket);
    }

    public async Task OpenAsync()
    {
        _service.Reset();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(_service);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(Socket, listen => listen.Protocols = HttpProtocols.Http2));
        _app = builder.Build();
        _app.MapGrpcService<FakeWorkloadApiService>();
        await _app.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
