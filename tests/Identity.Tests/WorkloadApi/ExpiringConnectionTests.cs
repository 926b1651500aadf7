using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What becomes of a connection when the SVID it was made with ends. The server's clock is ours, everything else is real.</summary>
public sealed class ExpiringConnectionTests : IAsyncLifetime
{
    private static readonly TimeSpan Short = TimeSpan.FromHours(1);
    private static readonly TimeSpan Long = TimeSpan.FromDays(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly FakeLogCollector _log = new();
    private readonly TaskCompletionSource _started = new();
    private readonly TaskCompletionSource _mayAnswer = new();
    private readonly TaskCompletionSource _aborted = new();
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly List<IAsyncDisposable> _owned = [];
    private FakeWorkloadApi _api = null!;
    private X509Source _server = null!;
    private int _requests;

    public static TheoryData<string> Transports => [TlsTransport.Http1, TlsTransport.Http2, TlsTransport.Calls];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SpiffeId ServerId => _authority.Id("/server");

    private SpiffeId ClientId => _authority.Id("/client");

    public async ValueTask InitializeAsync()
    {
        _api = Own(await FakeWorkloadApi.StartAsync());
        _api.Serve(Issue(ServerId, Long));
        _server = Own(await X509Source.CreateAsync(_api.ClientOptions(_clock), cancellation: Cancellation));
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_client_that_rotates_is_served_on_when_the_svid_of_its_connection_expires(string transport)
    {
        var via = TlsTransport.Named(transport);
        var (running, port) = await via.ServeAsync(_server, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        Own(running);
        var (client, api) = await ClientAsync(Short);
        using var session = via.Open(port, client, AuthorizedPeers.Exactly(ServerId));
        Assert.Equal(ClientId.ToString(), await session.AskAsync(Cancellation));

        var before = client.Current;
        api.Serve(Issue(_authority.Id("/client/2"), Long));
        await X509SourceTests.Until(client, context => !ReferenceEquals(context, before));
        _clock.Advance(2 * Short);
        Assert.Equal("spiffe://example.org/client/2", await AskAcrossTheEndAsync(session));
        _clock.Advance(2 * Short);
        Assert.Equal("spiffe://example.org/client/2", await session.AskAsync(Cancellation));
    }

    [Fact]
    public async Task An_idle_connection_ends_when_the_svid_of_its_client_expires()
    {
        await using var connection = await ConnectAsync(await ServeAsync(), Short);
        _clock.Advance(2 * Short);
        Assert.Equal(0, await connection.Stream.ReadAsync(new byte[1], Cancellation));
        Assert.Contains(
            "not believed any more, and its connection ends: the X.509-SVID of spiffe://example.org/client, or an authority above it, expired at ",
            Assert.Single(Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_idle_connection_ends_though_the_logger_that_is_told_fails()
    {
        await using var connection = await ConnectAsync(await ServeAsync(alsoTold: new FailingLogger()), Short);
        _clock.Advance(2 * Short);
        Assert.Equal(0, await connection.Stream.ReadAsync(new byte[1], Cancellation));
    }

    [Fact]
    public async Task An_idle_connection_ends_within_a_minute_of_the_withdrawal_of_its_authority()
    {
        await using var connection = await ConnectAsync(await ServeAsync(), Long);
        await DistrustAsync();
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, await connection.Stream.ReadAsync(new byte[1], Cancellation));
    }

    [Fact]
    public async Task A_connection_stays_while_its_peer_is_believed()
    {
        var address = await ServeAsync();
        var peers = 0;
        using var http = new HttpClient(SpiffeTls.CreateHandler((await ClientAsync(Long)).Client, AuthorizedPeers.Exactly(ServerId), _ => peers++));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("hello spiffe://example.org/client", await http.GetStringAsync(address, Cancellation));
            _clock.Advance(2 * Short);
        }

        Assert.Equal((1, 0), (peers, Warnings().Count));
    }

    [Fact]
    public async Task A_request_that_runs_is_answered_and_is_the_last_of_its_connection()
    {
        var address = await ServeAsync();
        using var http = new HttpClient(SpiffeTls.CreateHandler((await ClientAsync(Short)).Client, AuthorizedPeers.Exactly(ServerId)));
        var answer = http.GetAsync(new Uri(address, "/slow"), Cancellation);
        await _started.Task.WaitAsync(Cancellation);
        _clock.Advance(2 * Short);
        _mayAnswer.SetResult();
        using var response = await answer;
        Assert.Equal((HttpStatusCode.OK, true), (response.StatusCode, response.Headers.ConnectionClose));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    public async Task A_request_that_never_ends_is_cut_half_a_minute_after_its_connection_is_nobodys(int version, bool isWithdrawn)
    {
        var address = await ServeAsync();
        using var http = new HttpClient(SpiffeTls.CreateHandler((await ClientAsync(Short)).Client, AuthorizedPeers.Exactly(ServerId)))
        {
            DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0),
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        Assert.True(_lines.Writer.TryWrite("first"));
        using var answer = new StreamReader(await http.GetStreamAsync(new Uri(address, "/lines"), Cancellation));
        Assert.Equal("first", await answer.ReadLineAsync(Cancellation));
        async Task AssertRunsAsync()
        {
            Assert.True(_lines.Writer.TryWrite("still here"));
            Assert.Equal("still here", await answer.ReadLineAsync(Cancellation));
        }

        if (isWithdrawn) await DistrustAsync();
        _clock.Advance(isWithdrawn ? TimeSpan.FromMinutes(1) : Short + TimeSpan.FromMinutes(1));
        await AssertRunsAsync();
        _clock.Advance(TimeSpan.FromSeconds(29));
        await AssertRunsAsync();
        _clock.Advance(TimeSpan.FromSeconds(1));
        await _aborted.Task.WaitAsync(Patience, Cancellation);
        await Assert.ThrowsAnyAsync<IOException>(() => answer.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience, Cancellation));
    }

    [Fact]
    public async Task An_idle_connection_ends_when_our_own_svid_on_it_expires_and_nobody_is_to_blame()
    {
        await PushAsync(Issue(ServerId, Short));
        await using var connection = await ConnectAsync(await ServeAsync(), Long);
        await PushAsync(Issue(ServerId, Long));
        _clock.Advance(2 * Short);
        Assert.Equal(0, await connection.Stream.ReadAsync(new byte[1], Cancellation));
        Assert.Empty(Warnings());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_over_a_connection_that_is_nobodys_reaches_no_endpoint(bool isEndpointOfItsOwn)
    {
        var address = await ServeAsync(isEndpointOfItsOwn: isEndpointOfItsOwn);
        using var http = new HttpClient(SpiffeTls.CreateHandler((await ClientAsync(Long)).Client, AuthorizedPeers.Exactly(ServerId)));
        Assert.Equal("hello spiffe://example.org/client", await http.GetStringAsync(address, Cancellation));
        await DistrustAsync();
        using var response = await http.GetAsync(address, Cancellation);
        Assert.Equal((HttpStatusCode.Unauthorized, "", true), (response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation), response.Headers.ConnectionClose));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(address, Cancellation));
        Assert.Equal(1, _requests);
        Assert.Single(Warnings(), warning => warning.StartsWith("A TLS peer is not believed any more", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_hosts_loggers_learn_once_why_a_client_was_refused_however_often_it_tries()
    {
        var address = await ServeAsync(AuthorizedPeers.Exactly(_authority.Id("/other")));
        using var http = new HttpClient(SpiffeTls.CreateHandler((await ClientAsync(Long)).Client, AuthorizedPeers.Exactly(ServerId)));
        for (var i = 0; i < 2; i++) await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(address, Cancellation));
        Assert.Equal("Refused a TLS peer: spiffe://example.org/client is not authorized; expected spiffe://example.org/other", Assert.Single(Warnings()));

        _clock.Advance(TimeSpan.FromSeconds(11));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(address, Cancellation));
        Assert.Equal(2, Warnings().Count);
    }

    // A request that crosses the end of its connection on the wire may fail with HTTP/2, as it may whenever a server closes one; the next is sent over a new one.
    private static async Task<string> AskAcrossTheEndAsync(TlsTransport.Session session)
    {
        try
        {
            return await session.AskAsync(Cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or RpcException)
        {
            return await session.AskAsync(Cancellation);
        }
    }

    private X509SVIDResponse Issue(SpiffeId id, TimeSpan lifetime) => new() { Svids = { _authority.IssueX509(id, lifetime) } };

    private List<string> Warnings() =>
        [.. _log.GetSnapshot().Where(entry => entry.Level >= LogLevel.Warning && entry.Category == typeof(SpiffeTls).FullName).Select(entry => entry.Message)];

    // The server trusts another authority from now on.
    private async Task DistrustAsync()
    {
        var svid = _authority.IssueX509(ServerId, Long);
        svid.Bundle = ByteString.CopyFrom(new TestAuthority().X509Bundle);
        await PushAsync(new X509SVIDResponse { Svids = { svid } });
    }

    private async Task PushAsync(X509SVIDResponse response)
    {
        var before = _server.Current;
        _api.Serve(response);
        await X509SourceTests.Until(_server, context => !ReferenceEquals(context, before));
    }

    // As the ten lines of docs/sdk.md do it, or as one endpoint among others.
    private async Task<Uri> ServeAsync(AuthorizedPeers? clients = null, bool isEndpointOfItsOwn = false, ILoggerProvider? alsoTold = null)
    {
        clients ??= AuthorizedPeers.Exactly(ClientId);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Debug).Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(_log));
        if (alsoTold is not null) builder.Services.AddSingleton(alsoTold);
        if (isEndpointOfItsOwn)
        {
            // A filter that answers whatever it sees must not be the first to see it.
            builder.Services.AddSingleton<IStartupFilter>(new AnsweringFilter());
            builder.Services.AddSpiffeTls();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(_server, clients)));
        }
        else
        {
            builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_server, clients);
        }

        var app = Own(builder.Build());
        app.MapGet("/", (HttpContext http) =>
        {
            Interlocked.Increment(ref _requests);
            return $"hello {http.GetPeerSpiffeId()}";
        });
        app.MapGet("/slow", async () =>
        {
            _started.SetResult();
            await _mayAnswer.Task;
        });
        app.MapGet("/lines", async (HttpContext http) =>
        {
            http.RequestAborted.Register(_aborted.SetResult);
            await foreach (var line in _lines.Reader.ReadAllAsync(http.RequestAborted))
            {
                await http.Response.WriteAsync(line + "\n", http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
        });
        await app.StartAsync(Cancellation);
        return new Uri(app.Urls.First());
    }

    private async Task<(X509Source Client, FakeWorkloadApi Api)> ClientAsync(TimeSpan lifetime)
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve(Issue(ClientId, lifetime));
        return (Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation)), api);
    }

    // A request and its answer, after which the server has surely finished the handshake; then nothing.
    private async Task<SpiffeTlsConnection> ConnectAsync(Uri address, TimeSpan lifetime)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, address.Port, Cancellation);
        var connection = await SpiffeTls.ConnectAsync(
            new NetworkStream(socket, ownsSocket: true), (await ClientAsync(lifetime)).Client, AuthorizedPeers.Exactly(ServerId), Cancellation);
        await connection.Stream.WriteAsync("HEAD / HTTP/1.1\r\nHost: server\r\n\r\n"u8.ToArray(), Cancellation);
        var answer = "";
        var next = new byte[256];
        while (!answer.EndsWith("\r\n\r\n", StringComparison.Ordinal)) answer += System.Text.Encoding.ASCII.GetString(next, 0, await connection.Stream.ReadAsync(next, Cancellation));
        return connection;
    }

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }

    private sealed class FailingLogger : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) throw new InvalidOperationException("the disk is full");
        }

        public void Dispose()
        {
        }
    }

    private sealed class AnsweringFilter : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, then) =>
            {
                if (context.GetPeerSpiffeId() is not null) return then(context);
                context.Response.StatusCode = StatusCodes.Status418ImATeapot;
                return Task.CompletedTask;
            });
            next(app);
        };
    }
}
