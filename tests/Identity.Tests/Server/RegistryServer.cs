// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Issuance;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;

namespace Identity.Tests.Server;

/// <summary>A whole identityd on ports and sockets of its own, and clients that reach it as the real ones do.</summary>
internal sealed class RegistryServer : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<IDisposable> _channels = [];
    private RunningServer _server = null!;
    private ServerOptions _options = null!;

    private RegistryServer()
    {
    }

    /// <summary>The server's clock: the machine's, moved on as far as a test asks.</summary>
    public ShiftedTime Time { get; } = new();

    public ControlPlaneLedger Ledger => _server.Ledger;

    public LiveAdmissions Live => _server.Services.GetRequiredService<LiveAdmissions>();

    public Listeners Listeners => _server.Listeners;

    public IServiceProvider Services => _server.Services;

    public DecisionLog Decisions => _server.Services.GetRequiredService<DecisionLog>();

    /// <summary>Where it keeps everything.</summary>
    public string DataFolder => _options.DataDir;

    public string AdminSocket { get; private set; } = "";

    public CallInvoker Admin { get; private set; } = null!;

    public CallInvoker Anonymous { get; private set; } = null!;

    public static Task<RegistryServer> StartAsync(params (string Key, string Value)[] more) => StartAsync(options => options, null, more);

    public static async Task<RegistryServer> StartAsync(
        Func<ServerOptions, ServerOptions> change, Action<Microsoft.AspNetCore.Builder.WebApplicationBuilder>? configure, params (string Key, string Value)[] more)
    {
        var server = new RegistryServer();
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["listen"] = "127.0.0.1:0",
            ["istio-listen"] = "127.0.0.1:0",
            // Nobody listens there; at the default port a nats-server of somebody else might.
            ["nats-url"] = "tls://127.0.0.1:1",
        }).AddInMemoryCollection(more.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value))).Build();
        Assert.True(ServerOptions.TryRead(settings, Path.Combine(server._folder.Path, "data"), out var options, out _));
        server._options = options = change(options);
        server._server = await Identity.Server.Program.StartAsync(options, server.Time, configure);
        server.AdminSocket = options.AdminSocket;
        server.Admin = server.OverSocket(options.AdminSocket);
        server.Anonymous = server.OverTls(null);
        return server;
    }

    public T Service<T>() where T : notnull => _server.Services.GetRequiredService<T>();

    /// <summary>Stops it and starts it anew on the same folder; clients on the admin socket connect again by themselves.</summary>
    public async Task RestartAsync()
    {
        await _server.DisposeAsync();
        _server = await Identity.Server.Program.StartAsync(_options, Time);
    }

    /// <summary>The same, with other settings of the authority.</summary>
    public Task RestartAsync(AuthorityOptions authority)
    {
        _options = _options with { Authority = authority };
        return RestartAsync();
    }

    public async Task<string> CreateTokenAsync(string? alias = "/nodes/local", int ttl = 600) =>
        (await new AgentClient(Admin).CreateJoinTokenAsync(new CreateJoinTokenRequest
        {
            Ttl = ttl,
            AgentId = alias is null ? null : new SPIFFEID { TrustDomain = "example.org", Path = alias },
        })).Value;

    /// <summary>An attested agent, by the ordinary way.</summary>
    public async Task<TestAgent> AttestAsync(string? alias = "/nodes/local")
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var svid = await AttestAsync(await CreateTokenAsync(alias), key);
        var leaf = X509CertificateLoader.LoadCertificate(svid.CertChain[0].Span).CopyWithPrivateKey(key);
        var above = new X509Certificate2Collection(svid.CertChain.Skip(1).Select(c => X509CertificateLoader.LoadCertificate(c.Span)).ToArray());
        var id = SpiffeId.Parse($"spiffe://{svid.Id.TrustDomain}{svid.Id.Path}");
        return new TestAgent(id, OverTls(SslStreamCertificateContext.Create(leaf, above, offline: true)));
    }

    /// <summary>Whoever holds this SVID, on the gRPC port: signed as for an entry, since nobody mints what a role names.</summary>
    public async Task<CallInvoker> AsAsync(string spiffeId)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.True(CertificateSigningRequest.TryParse(RequestOf(spiffeId, key), out var csr, out _));
        var signing = await Service<SigningAuthority>().SignX509Async(
            new X509SigningRequest(SpiffeId.Parse(spiffeId), csr.PublicKey, "a test") { IsLongLived = true }, CancellationToken.None);
        return OverTls(Context(Assert.IsType<X509Signing.Issued>(signing).Svid.Chain, key));
    }

    /// <summary>An X509-SVID that an administrator minted.</summary>
    public async Task<SslStreamCertificateContext> MintAsync(string spiffeId)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var minted = await new Spire.Api.Server.Svid.V1.SVID.SVIDClient(Admin).MintX509SVIDAsync(new() { Csr = ByteString.CopyFrom(RequestOf(spiffeId, key)) });
        return Context([.. minted.Svid.CertChain.Select(certificate => certificate.Memory)], key);
    }

    private static byte[] RequestOf(string spiffeId, ECDsa key)
    {
        var request = new CertificateRequest("CN=ignored", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(spiffeId));
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSigningRequest();
    }

    private static SslStreamCertificateContext Context(IReadOnlyList<ReadOnlyMemory<byte>> chain, ECDsa key)
    {
        var leaf = X509CertificateLoader.LoadCertificate(chain[0].Span).CopyWithPrivateKey(key);
        return SslStreamCertificateContext.Create(leaf, [.. chain.Skip(1).Select(certificate => X509CertificateLoader.LoadCertificate(certificate.Span))], offline: true);
    }

    /// <summary>Another user of this machine, on the admin socket. Only root can play one.</summary>
    public CallInvoker AsUser(uint uid) => OverSocket(AdminSocket, uid);

    public async Task<X509SVID> AttestAsync(string token, ECDsa key, string type = "join_token", byte[]? csr = null)
    {
        using var call = new AgentClient(Anonymous).AttestAgent();
        await call.RequestStream.SendAsync(new AttestAgentRequest
        {
            Params = new()
            {
                Data = new AttestationData { Type = type, Payload = ByteString.CopyFromUtf8(token) },
                Params_ = new AgentX509SVIDParams { Csr = ByteString.CopyFrom(csr ?? Csr(key)) },
            },
        });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.False(call.ResponseStream.Current.Result.Reattestable);
        return call.ResponseStream.Current.Result.Svid;
    }

    public static byte[] Csr(ECDsa key) => new CertificateRequest("CN=ignored", key, HashAlgorithmName.SHA256).CreateSigningRequest();

    public async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels) channel.Dispose();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    private CallInvoker OverSocket(string path, uint? uid = null) => Open("http://localhost", new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            if (uid is { } other) await OtherUser.RunAsync(other, () => socket.Connect(new UnixDomainSocketEndPoint(path)));
            else await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    });

    private CallInvoker OverTls(SslStreamCertificateContext? client)
    {
        var bundles = _server.Services.GetRequiredService<SigningAuthority>().Bundles();
        return Open($"https://localhost:{_server.Listeners.Grpc.Port}", new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = client,
                RemoteCertificateValidationCallback = (_, leaf, chain, _) => X509SvidVerifier.Verify(
                    [leaf!.GetRawCertData(), .. chain!.ChainPolicy.ExtraStore.Select(c => (ReadOnlyMemory<byte>)c.RawData)],
                    bundles,
                    Time.GetUtcNow()) is X509SvidVerification.Verified { Id.Path: "/spire/server" },
            },
        });
    }

    private CallInvoker Open(string address, SocketsHttpHandler handler)
    {
        var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        _channels.Add(channel);
        return channel.CreateCallInvoker();
    }
}

internal sealed record TestAgent(SpiffeId Id, CallInvoker Invoker);

/// <summary>The machine's time, which a test may move on.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _jumped;

    public TimeSpan Shift { get; set; }

    /// <summary>By how much more has passed at each reading of <see cref="GetTimestamp"/> than at the one before: whoever measures was kept waiting that long.</summary>
    public TimeSpan Jump { get; set; }

    /// <summary>A timer that is set to just this long goes off at once.</summary>
    public TimeSpan? Passed { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Shift;

    public override long GetTimestamp() => System.GetTimestamp() + Interlocked.Add(ref _jumped, (long)(Jump.TotalSeconds * TimestampFrequency));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, dueTime == Passed ? TimeSpan.Zero : dueTime, period);
}
