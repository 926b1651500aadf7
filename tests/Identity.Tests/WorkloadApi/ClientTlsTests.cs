using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What a client is told when the server refuses it, which with TLS 1.3 happens after the client's handshake, and when its connection is cut.</summary>
public sealed class ClientTlsTests : IAsyncLifetime
{
    private const string Refused = "the peer ended the connection before it said anything; it may have refused us: see its log";

    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly List<IAsyncDisposable> _owned = [];
    private X509Source _server = null!;
    private X509Source _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private AuthorizedPeers Server => AuthorizedPeers.Exactly(_authority.Id("/server"));

    private AuthorizedPeers Client => AuthorizedPeers.Exactly(_authority.Id("/client"));

    private AuthorizedPeers Other => AuthorizedPeers.Exactly(_authority.Id("/other"));

    public async ValueTask InitializeAsync()
    {
        _server = Own(await Party.StartAsync(new X509SVIDResponse { Svids = { _authority.IssueX509(_authority.Id("/server"), TimeSpan.FromDays(1)) } })).Source;
        _client = Own(await Party.StartAsync(_authority.Respond(_authority.Id("/client")), _clock)).Source;
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Theory]
    [InlineData("ReadAsync, memory")]
    [InlineData("ReadAsync, array")]
    [InlineData("Read, span")]
    [InlineData("Read, array")]
    [InlineData("ReadByte")]
    [InlineData("BeginRead")]
    public async Task A_refusal_is_no_end_of_stream(string way)
    {
        var (accepting, connecting) = await HandshakeAsync(Other);
        await Assert.ThrowsAnyAsync<Exception>(() => accepting);
        await using var connection = await connecting;
        var stream = connection.Stream;
        var buffer = new byte[8];
        for (var i = 0; i < 2; i++)
        {
            var e = await Assert.ThrowsAsync<IOException>(() => way switch
            {
                "ReadAsync, memory" => stream.ReadAsync(buffer.AsMemory(), Cancellation).AsTask(),
#pragma warning disable CA1835 // That way too.
                "ReadAsync, array" => stream.ReadAsync(buffer, 0, 8, Cancellation),
#pragma warning restore CA1835
                "Read, span" => Task.Run(() => stream.Read(buffer.AsSpan()), Cancellation),
                "Read, array" => Task.Run(() => stream.Read(buffer, 0, 8), Cancellation),
                "ReadByte" => Task.Run(() => stream.ReadByte(), Cancellation),
                _ => Task.Factory.FromAsync(stream.BeginRead, stream.EndRead, buffer, 0, 8, null),
            });
            Assert.Equal(Refused, e.Message);
        }
    }

    [Fact]
    public async Task A_server_that_goes_without_a_word_looks_the_same()
    {
        var (accepting, connecting) = await HandshakeAsync(Client);
        await using var connection = await connecting;
        await connection.Stream.WriteAsync("take this"u8.ToArray(), Cancellation);
        await (await accepting).DisposeAsync();
        Assert.Equal(Refused, (await Assert.ThrowsAsync<IOException>(async () => await connection.Stream.ReadAtLeastAsync(new byte[8], 1, cancellationToken: Cancellation))).Message);
    }

    [Fact]
    public async Task After_a_word_of_the_server_its_end_is_an_end()
    {
        var (accepting, connecting) = await HandshakeAsync(Client);
        await using var connection = await connecting;
        await using (var accepted = await accepting)
        {
            await accepted.Stream.WriteAsync("ok"u8.ToArray(), Cancellation);
        }

        using var reader = new StreamReader(connection.Stream);
        Assert.Equal("ok", await reader.ReadToEndAsync(Cancellation));
    }

    [Fact]
    public async Task Nobody_is_blamed_for_a_stream_that_its_owner_has_closed()
    {
        var (accepting, connecting) = await HandshakeAsync(Client);
        await using var accepted = await accepting;
        var connection = await connecting;
        await connection.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await connection.Stream.ReadAtLeastAsync(new byte[8], 1, cancellationToken: Cancellation));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task HttpClient_tells_of_a_refusal_in_words(int version)
    {
        using var http = Http(version);
        var address = await ServeAsync(Other);
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetStringAsync(address, Cancellation));
        AssertInWords(e.ToString(), version);
        if (version == 1) Assert.Equal(HttpRequestError.ResponseEnded, e.HttpRequestError);
    }

    [Fact]
    public async Task Grpc_tells_of_a_refusal_in_words()
    {
        using var channel = SpiffeTls.CreateChannel(await ServeAsync(Other), _client, Server);
        var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);
        for (var i = 0; i < 5; i++)
        {
            var e = await Assert.ThrowsAsync<RpcException>(async () => await client.ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest(), cancellationToken: Cancellation));
            AssertInWords(e.Status.Detail, version: 2);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_connection_that_is_cut_says_why(int version)
    {
        using var http = Http(version);
        using var answer = new StreamReader(await http.GetStreamAsync(new Uri(await ServeAsync(Client), "/endless"), Cancellation));
        Assert.Equal("first", await answer.ReadLineAsync(Cancellation));
        _clock.Advance(TimeSpan.FromHours(2));
        _clock.Advance(TimeSpan.FromSeconds(30));
        var e = await Assert.ThrowsAnyAsync<IOException>(() => answer.ReadLineAsync(Cancellation).AsTask());
        Assert.Contains("an SVID of this connection ended 30 s ago, so it was cut off", e.ToString(), StringComparison.Ordinal);
    }

    // Of a connection that is over before it gets into its pool, HTTP/2 tells no cause.
    private static void AssertInWords(string told, int version)
    {
        Assert.True(
            told.Contains(Refused, StringComparison.Ordinal) || (version == 2 && told.Contains("the server did not complete the HTTP/2 handshake", StringComparison.Ordinal)), told);
        Assert.DoesNotContain("ObjectDisposed", told, StringComparison.Ordinal);
    }

    private HttpClient Http(int version) => new(SpiffeTls.CreateHandler(_client, Server))
    {
        DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0),
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private async Task<Uri> ServeAsync(AuthorizedPeers clients)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_server, clients);
        var app = Own(builder.Build());
        app.MapGet("/endless", async (HttpContext http) =>
        {
            await http.Response.WriteAsync("first\n", http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });
        await app.StartAsync(Cancellation);
        return new Uri(app.Urls.First());
    }

    private async Task<(Task<SpiffeTlsConnection> Accepting, Task<SpiffeTlsConnection> Connecting)> HandshakeAsync(AuthorizedPeers clients)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await far.ConnectAsync(listener.LocalEndpoint, Cancellation);
        var near = await listener.AcceptSocketAsync(Cancellation);
        return (
            SpiffeTls.AcceptAsync(new NetworkStream(near, ownsSocket: true), _server, clients, Cancellation),
            SpiffeTls.ConnectAsync(new NetworkStream(far, ownsSocket: true), _client, Server, Cancellation));
    }

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }
}
