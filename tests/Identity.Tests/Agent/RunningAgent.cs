using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Agent;
using Identity.Agent.ControlPlane;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;

namespace Identity.Tests.Agent;

/// <summary>The shipped agent in this process, on sockets of its own.</summary>
internal sealed class RunningAgent : IAsyncDisposable
{
    public static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    public static readonly Metadata WorkloadHeader = new() { { "workload.spiffe.io", "true" } };
    public static readonly Metadata BrokerHeader = new() { { "broker.spiffe.io", "true" } };

    private readonly WebApplication _app;
    private readonly List<IDisposable> _channels = [];

    private RunningAgent(WebApplication app, AgentOptions options) => (_app, Options) = (app, options);

    public AgentOptions Options { get; }

    public IServiceProvider Services => _app.Services;

    public SpiffeWorkloadAPI.SpiffeWorkloadAPIClient Workload => new(WorkloadChannel());

    /// <summary>Sockets need short paths, so not below the test's own folder.</summary>
    public static string NewFolder() => Directory.CreateTempSubdirectory("ia-").FullName;

    public static AgentOptions OptionsFor(FakeControlPlane plane, string folder, string? token = "token-1", IPEndPoint? tcp = null, bool wit = false)
    {
        var bundle = Path.Combine(folder, "bundle.pem");
        File.WriteAllText(bundle, plane.Bundle.ToPem());
        var tokenFile = Path.Combine(folder, "token");
        if (token is not null) File.WriteAllText(tokenFile, token + "\n");
        return new AgentOptions
        {
            Server = $"127.0.0.1:{plane.Port}",
            TrustDomain = FakeControlPlane.Domain,
            TrustBundleFile = bundle,
            JoinTokenFile = token is null ? null : tokenFile,
            DataDirectory = Path.Combine(folder, "data"),
            WorkloadSocket = Path.Combine(folder, "workload.sock"),
            BrokerSocket = Path.Combine(folder, "broker.sock"),
            UnidentifiedTcp = tcp,
            ServesWitSvids = wit,
        };
    }

    public static async Task<RunningAgent> StartAsync(FakeControlPlane plane, AgentOptions options, TextWriter? output = null, Action<WebApplicationBuilder>? also = null, bool waitsForView = true)
    {
        var app = AgentApplication.Build(options, plane.Time, output ?? TextWriter.Null, builder =>
        {
            builder.Logging.ClearProviders();
            also?.Invoke(builder);
        });
        try
        {
            await app.StartAsync(TestContext.Current.CancellationToken);
            var agent = new RunningAgent(app, options);
            if (waitsForView) await app.Services.GetRequiredService<ViewHolder>().First.WaitAsync(TestContext.Current.CancellationToken);
            return agent;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    public static Task<RunningAgent> StartAsync(FakeControlPlane plane) => StartAsync(plane, OptionsFor(plane, NewFolder()));

    public GrpcChannel WorkloadChannel() => Open(new SocketsHttpHandler { ConnectCallback = Connect(Options.WorkloadSocket) }, "http://localhost");

    public GrpcChannel TcpChannel() => Open(new SocketsHttpHandler(), $"http://{Options.UnidentifiedTcp}");

    /// <summary>The Workload API through a process that connects to it and passes on what it is given and told.</summary>
    public SpiffeWorkloadAPI.SpiffeWorkloadAPIClient WorkloadThrough(RelayProcess relay) =>
        new(Open(new SocketsHttpHandler { ConnectCallback = (_, _) => ValueTask.FromResult(relay.Stream) }, "http://localhost"));

    /// <summary>A connection to the broker as its holder; null presents nothing.</summary>
    public GrpcChannel BrokerChannel(X509Svid? identity)
    {
#pragma warning disable CA5359 // What is tested is whom the agent lets in.
        var tls = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            TargetHost = "agent",
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        };
#pragma warning restore CA5359
        if (identity is not null) tls.ClientCertificateContext = SslStreamCertificateContext.Create(identity.Leaf, [.. identity.Intermediates], offline: true);
        return Open(new SocketsHttpHandler { ConnectCallback = Connect(Options.BrokerSocket), SslOptions = tls }, "https://agent");
    }

    /// <summary>Until the agent goes by what the control plane has told last.</summary>
    public async Task FollowsAsync(FakeControlPlane plane)
    {
        var views = Services.GetRequiredService<ViewHolder>();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        await foreach (var _ in Services.GetRequiredService<ChangeFeed>().WatchAsync(deadline.Token))
        {
            if (views.Current?.Revision == plane.Revision) return;
        }
    }

    public async Task StopAsync()
    {
        foreach (var channel in _channels) channel.Dispose();
        _channels.Clear();
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    public ValueTask DisposeAsync() => new(StopAsync());

    private GrpcChannel Open(SocketsHttpHandler handler, string address)
    {
        var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        _channels.Add(channel);
        return channel;
    }

    private static Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> Connect(string path) => async (_, cancellation) =>
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    };
}

/// <summary>What tests of the agent have in common.</summary>
internal static class AgentTestExtensions
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static string OwnUid => "unix:uid:" + File.ReadLines("/proc/self/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];

#pragma warning disable CA1416 // These tests run where the agent does, on Linux.
    /// <summary>A file's mode in octal.</summary>
    public static string ModeOf(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);
#pragma warning restore CA1416

    /// <summary>The next message, or a failure that says what was waited for.</summary>
    public static async Task<T> NextAsync<T>(this IAsyncStreamReader<T> stream)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Patience);
        Assert.True(await stream.MoveNext(deadline.Token), $"the stream ended without another {typeof(T).Name}");
        return stream.Current;
    }

    public static async Task<RpcException> RefusedAsync(StatusCode expected, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.True(expected == refused.StatusCode, $"expected {expected}, was refused with {refused}");
        return refused;
    }

    /// <summary>The next report of one kind, passing over others.</summary>
    public static async Task<V1.AgentReport> NextReportAsync(this FakeControlPlane plane, V1.AgentReport.ReportOneofCase kind)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Patience);
        while (true)
        {
            var report = await plane.Reports.Reader.ReadAsync(deadline.Token);
            if (report.ReportCase == kind) return report;
        }
    }
}
