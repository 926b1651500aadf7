// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Health.V1;
using Identity.Server.Endpoints;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Spire.Api.Server.Svid.V1;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;

namespace Identity.Tests.Server.Endpoints;

/// <summary>Strangers who open all the connections and calls there may be keep no agent out, and fill no log.</summary>
public sealed class StrangersAtTheDoorTests : IDisposable
{
    private const int Max = 12;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly List<TcpClient> _flood = [];
    private readonly FakeLogCollector _log = new();

    public void Dispose()
    {
        foreach (var client in _flood) client.Dispose();
    }

    [Theory]
    [InlineData("127.0.0.2")]
    [InlineData("127.0.0.1")] // where the agents are as well
    public async Task A_door_full_of_silent_connections_lets_agents_in_and_keeps_those_there_are(string from)
    {
        await using var server = await StartAsync();
        var connected = await server.AttestAsync();
        using var call = new Sync.SyncClient(connected.Invoker).Subscribe();
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Deadline));
        for (var at = 0; at < 3 * Max; at++) await KnockAsync(server, from);

        // From another address than the flood: nobody who is known has to give way, and who is not known yet is let in.
        if (from != "127.0.0.1")
        {
            var newcomer = await server.AttestAsync("/nodes/other");
            using var second = new Sync.SyncClient(newcomer.Invoker).Subscribe();
            Assert.True(await second.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Deadline));
        }

        await new EntryClient(server.Admin).BatchCreateEntryAsync(new() { Entries = { TestEntries.Host() } });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Deadline));
        Assert.InRange(server.Listeners.GrpcConnections.Count, 1, Max);
    }

    [Fact]
    public async Task A_strangers_watch_ends()
    {
        await using var server = await StartAsync();
        var operators = new Health.HealthClient(server.Admin).Watch(new HealthCheckRequest());
        Assert.True(await operators.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Deadline));

        server.Time.Passed = StrangerBounds.Patience;
        using var watch = new Health.HealthClient(server.Anonymous).Watch(new HealthCheckRequest());
        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Deadline))
            {
                // What it was told before its time was over.
            }
        });
        Assert.False(operators.ResponseStream.MoveNext(CancellationToken.None).IsCompleted);
    }

    [Fact]
    public async Task A_strangers_unfinished_call_ends()
    {
        await using var server = await StartAsync();
        server.Time.Passed = StrangerBounds.Patience;
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, leaf, _, _) => leaf is not null } });
        var body = new Pipe();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"https://{server.Listeners.Grpc}/grpc.health.v1.Health/Check")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StreamContent(body.Reader.AsStream()) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
        };

        // A message of sixteen bytes is announced, and none of them comes.
        await body.Writer.WriteAsync(new byte[] { 0, 0, 0, 0, 16 });
        // The reset meets the sending or the waiting, whichever is first to hear of it.
        var ended = await Assert.ThrowsAnyAsync<Exception>(() => client.SendAsync(request).WaitAsync(Deadline));
        Assert.True(ended is HttpRequestException or OperationCanceledException, ended.ToString());
    }

    [Fact]
    public async Task Of_many_refused_calls_few_are_logged_and_each_is_answered()
    {
        await using var server = await StartAsync();
        var client = new SVID.SVIDClient(server.Anonymous);
        for (var at = 0; at < 200; at++)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => client.NewJWTSVIDAsync(new NewJWTSVIDRequest()).ResponseAsync);
            Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
        }

        Assert.Equal(60, _log.GetSnapshot().Count(line => line.Message.Contains("was refused to a caller", StringComparison.Ordinal)));

        // Strangers keep nobody else out of it.
        var agent = await server.AttestAsync();
        await Assert.ThrowsAsync<RpcException>(() => new SVID.SVIDClient(agent.Invoker).MintJWTSVIDAsync(new MintJWTSVIDRequest()).ResponseAsync);
        Assert.Equal(61, _log.GetSnapshot().Count(line => line.Message.Contains("was refused to a caller", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Of_many_connections_of_other_users_to_the_admin_socket_few_are_logged()
    {
        using var folder = new TemporaryFolder();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var log = new FakeLogger(_log);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(
            folder.At("admin.sock"), listen => listen.Use(next => PeerCredentials.Require(next, _ => false, TimeProvider.System, log))));
        await using var app = builder.Build();
        await app.StartAsync();
        for (var at = 0; at < 200; at++)
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.At("admin.sock")));
            Assert.Equal(0, ReadToEnd(socket));
        }

        Assert.Equal(60, _log.GetSnapshot().Count(line => line.Message.Contains("and users whom a PolicyRole names", StringComparison.Ordinal)));
    }

    private static int ReadToEnd(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[1]);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private Task<RegistryServer> StartAsync() => RegistryServer.StartAsync(
        options => options with { MaxAtDoor = Max },
        builder => builder.Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(_log)));

    private async Task KnockAsync(RegistryServer server, string from)
    {
        var client = new TcpClient(new IPEndPoint(IPAddress.Parse(from), 0));
        _flood.Add(client);
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, server.Listeners.Grpc.Port);
        }
        catch (SocketException)
        {
            // Turned away at once, which is as good.
        }
    }
}
