using System.Net;
using System.Threading.Channels;
using Google.Protobuf;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What becomes of a client's pooled connections when SVIDs and bundles change. The client's clock is ours, everything else is real.</summary>
public sealed class RotatingHandlerTests : IAsyncLifetime
{
    private static readonly TimeSpan Short = TimeSpan.FromHours(1);
    private static readonly TimeSpan Long = TimeSpan.FromDays(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly List<SpiffeId> _connections = [];
    private readonly List<SocketsHttpHandler> _pools = [];
    private WebApplication _app = null!;
    private Party _server = null!;
    private Party _client = null!;
    private int _requests;

    public static TheoryData<int> Versions => [1, 2];

    public static MatrixTheoryData<int, bool> VersionsAndSides => new([1, 2], [true, false]);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SpiffeId ServerId => _authority.Id("/server");

    private SpiffeId ClientId => _authority.Id("/client");

    public async ValueTask InitializeAsync()
    {
        _server = await Party.StartAsync(Issue(ServerId, Long));
        _client = await Party.StartAsync(Issue(ClientId, Short), _clock);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_server.Source, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        _app = builder.Build();
        _app.MapGet("/", (HttpContext http) =>
        {
            Interlocked.Increment(ref _requests);
            return http.GetPeerSpiffeId()!.Path;
        });
        _app.MapGet("/lines", async (HttpContext http) =>
        {
            await foreach (var line in _lines.Reader.ReadAllAsync(http.RequestAborted))
            {
                await http.Response.WriteAsync(line + "\n", http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
        });
        await _app.StartAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_new_svid_counts_with_the_next_request(int version)
    {
        using var http = Open(version);
        Assert.Equal(["/client", "/client"], [await AskAsync(http), await AskAsync(http)]);
        await _client.PushAsync(Issue(_authority.Id("/client/2"), Long));
        Assert.Equal(["/client/2", "/client/2"], [await AskAsync(http), await AskAsync(http)]);
        Assert.Equal(2, _connections.Count);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_withdrawn_authority_counts_with_the_next_request(int version)
    {
        using var http = Open(version);
        await AskAsync(http);
        var svid = _authority.IssueX509(ClientId, Long);
        svid.Bundle = ByteString.CopyFrom(new TestAuthority().X509Bundle);
        await _client.PushAsync(new X509SVIDResponse { Svids = { svid } });
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(http));
        Assert.Contains("the TLS peer is refused", e.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, _requests);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    [Trait("rule", "WLAPI-10")]
    [Trait("rule", "WLAPI-19")]
    public async Task A_withdrawn_svid_is_not_used_on_a_connection_that_is_open(int version)
    {
        // With the real clock, by which it asks again.
        await using var client = await Party.StartAsync(Issue(ClientId, Short));
        using var http = Open(version, client);
        await AskAsync(http);
        await client.WithdrawAsync();
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(http));
        Assert.Equal(WorkloadApiFailure.NoIdentity, Assert.IsType<WorkloadApiException>(e.InnerException).Failure);
        Assert.Equal(1, _requests);

        await client.PushAsync(Issue(ClientId, Long));
        Assert.Equal("/client", await AskAsync(http));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_expired_svid_is_not_used_on_a_connection_that_is_open(int version)
    {
        using var http = Open(version);
        await AskAsync(http);
        _clock.Advance(2 * Short);
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(http));
        Assert.Contains("expired", Assert.IsType<WorkloadApiException>(e.InnerException).Message, StringComparison.Ordinal);
        Assert.Equal(1, _requests);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_connection_gets_no_request_after_the_servers_svid_on_it_has_expired(int version)
    {
        await _server.PushAsync(Issue(ServerId, Short));
        await _client.PushAsync(Issue(ClientId, Long));
        using var http = Open(version);
        await AskAsync(http);
        await _server.PushAsync(Issue(_authority.Id("/server/2"), Long));
        await AskAsync(http);
        Assert.Equal([ServerId], _connections);
        _clock.Advance(2 * Short);
        await AskAsync(http);
        Assert.Equal([ServerId, _authority.Id("/server/2")], _connections);
    }

    [Fact]
    public async Task A_handler_made_in_the_last_second_of_an_svid_is_as_good_as_any_once_there_is_a_newer_one()
    {
        _clock.SetUtcNow(_client.Source.Svid.NotAfter.AddSeconds(-1));
        using var http = Open(2);
        await AskAsync(http);
        await _client.PushAsync(Issue(ClientId, Long));
        for (var i = 0; i < 3; i++)
        {
            await AskAsync(http);
            _clock.Advance(Short);
        }

        Assert.Equal((2, 2), (_connections.Count, _pools.Count));
        Assert.All(_pools, pool => Assert.Equal(TimeSpan.FromMinutes(10), pool.PooledConnectionLifetime));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_answer_that_is_under_way_outlasts_rotation(int version)
    {
        using var http = Open(version);
        using var answer = await StartLinesAsync(http);
        for (var i = 2; i <= 4; i++)
        {
            await _client.PushAsync(Issue(_authority.Id($"/client/{i}"), Long));
            Assert.Equal($"/client/{i}", await AskAsync(http));
            await AssertRunsAsync(answer);
        }

        _lines.Writer.Complete();
        Assert.Null(await answer.ReadLineAsync(Cancellation));
    }

    [Theory]
    [MemberData(nameof(VersionsAndSides))]
    public async Task An_answer_that_never_ends_is_cut_half_a_minute_after_an_svid_of_its_connection_has_expired(int version, bool isOurs)
    {
        await _server.PushAsync(Issue(ServerId, isOurs ? Long : Short));
        await _client.PushAsync(Issue(ClientId, isOurs ? Short : Long));
        using var http = Open(version);
        using var answer = await StartLinesAsync(http);
        await _server.PushAsync(Issue(ServerId, Long));
        await _client.PushAsync(Issue(ClientId, Long));

        _clock.Advance(Short + TimeSpan.FromMinutes(1));
        await AssertRunsAsync(answer);
        _clock.Advance(TimeSpan.FromSeconds(29));
        await AssertRunsAsync(answer);
        Assert.Equal("/client", await AskAsync(http));
        _clock.Advance(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<IOException>(() => answer.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience, Cancellation));
        Assert.Equal("/client", await AskAsync(http));
    }

    [Fact]
    public async Task It_serves_those_who_wait_in_a_thread_too()
    {
        using var http = Open(1);
        using var request = new HttpRequestMessage(HttpMethod.Get, _app.Urls.First()) { Version = HttpVersion.Version11 };
        using var response = await Task.Run(() => http.Send(request, Cancellation), Cancellation);
        Assert.Equal("/client", await response.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task A_closed_handler_sends_nothing()
    {
        using var handler = new HttpMessageInvoker(SpiffeTls.CreateHandler(_client.Source, AuthorizedPeers.Exactly(ServerId)));
        using var first = new HttpRequestMessage(HttpMethod.Get, _app.Urls.First());
        (await handler.SendAsync(first, Cancellation)).Dispose();
        handler.Dispose();
        using var second = new HttpRequestMessage(HttpMethod.Get, _app.Urls.First());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => handler.SendAsync(second, Cancellation));
    }

    private X509SVIDResponse Issue(SpiffeId id, TimeSpan lifetime) => new() { Svids = { _authority.IssueX509(id, lifetime) } };

    private HttpClient Open(int version, Party? client = null) => new(SpiffeTls.CreateHandler(
        (client ?? _client).Source, AuthorizedPeers.MembersOf(_authority.TrustDomain), _connections.Add, _pools.Add))
    {
        BaseAddress = new Uri(_app.Urls.First()),
        DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0),
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static Task<string> AskAsync(HttpClient http) => http.GetStringAsync("/", Cancellation);

    private async Task<StreamReader> StartLinesAsync(HttpClient http)
    {
        Assert.True(_lines.Writer.TryWrite("first"));
        var answer = new StreamReader(await http.GetStreamAsync("/lines", Cancellation));
        Assert.Equal("first", await answer.ReadLineAsync(Cancellation));
        return answer;
    }

    private async Task AssertRunsAsync(StreamReader answer)
    {
        Assert.True(_lines.Writer.TryWrite("still here"));
        Assert.Equal("still here", await answer.ReadLineAsync(Cancellation));
    }
}
