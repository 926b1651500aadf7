using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Grpc.Core;
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

public sealed class SpiffeTlsTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly List<IAsyncDisposable> _owned = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SpiffeId ServerId => _authority.Id("/server");

    private SpiffeId ClientId => _authority.Id("/client");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Fact]
    public async Task Both_ends_learn_who_the_other_is()
    {
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId), AuthorizedPeers.Exactly(ClientId), await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId));
        await using var atServer = await server;
        await using var atClient = await client;
        Assert.Equal((ClientId, ServerId), (atServer.Peer, atClient.Peer));
        Assert.Equal(SslProtocols.Tls13, atClient.Stream.SslProtocol);
    }

    [Fact]
    public async Task The_client_refuses_a_server_with_another_id_and_says_so()
    {
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId), AuthorizedPeers.Exactly(ClientId), await SourceAsync(ClientId), AuthorizedPeers.Exactly(_authority.Id("/other")));
        var e = await Assert.ThrowsAsync<AuthenticationException>(() => client);
        Assert.Contains("spiffe://example.org/server is not authorized; expected spiffe://example.org/other", e.Message, StringComparison.Ordinal);
        await AssertRefusedAsync(server);
    }

    [Fact]
    public async Task The_server_refuses_a_client_with_another_id_and_says_so()
    {
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId), AuthorizedPeers.Exactly(_authority.Id("/other")), await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId));
        var e = await Assert.ThrowsAsync<AuthenticationException>(() => server);
        Assert.Contains("spiffe://example.org/client is not authorized", e.Message, StringComparison.Ordinal);
        await AssertRefusedAsync(client);
    }

    [Fact]
    public async Task The_same_name_in_an_unknown_trust_domain_is_nobody()
    {
        var stranger = new TestAuthority("stranger.test");
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId), AuthorizedPeers.Matching(_ => true, "anyone"), await SourceAsync(stranger.Id("/client"), stranger), AuthorizedPeers.Matching(_ => true, "anyone"));
        var e = await Assert.ThrowsAsync<AuthenticationException>(() => client);
        Assert.Contains("no trust bundle for the trust domain example.org", e.Message, StringComparison.Ordinal);
        await AssertRefusedAsync(server);
    }

    [Fact]
    public async Task The_same_id_from_another_authority_is_refused()
    {
        var impostor = new TestAuthority();
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId, impostor), AuthorizedPeers.Exactly(ClientId), await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId));
        await Assert.ThrowsAsync<AuthenticationException>(() => client);
        await AssertRefusedAsync(server);
    }

    [Fact]
    public async Task A_federated_peer_is_verified_with_its_own_bundle()
    {
        var other = new TestAuthority("other.test");
        var (server, client) = await HandshakeAsync(
            await SourceAsync(ServerId, federated: other), AuthorizedPeers.Exactly(other.Id("/client")),
            await SourceAsync(other.Id("/client"), other, _authority), AuthorizedPeers.Exactly(ServerId));
        await using var atServer = await server;
        await using var atClient = await client;
        Assert.Equal(other.Id("/client"), atServer.Peer);
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_refused()
    {
        var (near, far) = await ConnectAsync();
        var accepting = SpiffeTls.AcceptAsync(near, await SourceAsync(ServerId), AuthorizedPeers.Exactly(ClientId), Cancellation);
        await using var bare = new SslStream(far);
        await ReadAfterAsync(bare, bare.AuthenticateAsClientAsync(Trusting(SslProtocols.Tls13), Cancellation));
        var e = await Assert.ThrowsAnyAsync<Exception>(() => accepting);
        Assert.Contains("it sent no certificate", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_1_2_is_refused_at_both_ends()
    {
        var source = await SourceAsync(ServerId);
        var (near, far) = await ConnectAsync();
        var accepting = SpiffeTls.AcceptAsync(near, source, AuthorizedPeers.Exactly(ClientId), Cancellation);
        await using var old = new SslStream(far);
        await Assert.ThrowsAnyAsync<Exception>(() => old.AuthenticateAsClientAsync(Trusting(SslProtocols.Tls12), Cancellation));
        await Assert.ThrowsAnyAsync<Exception>(() => accepting);

        var (near2, far2) = await ConnectAsync();
        await using var oldServer = new SslStream(near2);
        var serving = oldServer.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions { ServerCertificate = source.Svid.Leaf, EnabledSslProtocols = SslProtocols.Tls12 }, Cancellation);
        await Assert.ThrowsAnyAsync<Exception>(() => SpiffeTls.ConnectAsync(far2, source, AuthorizedPeers.Exactly(ServerId), Cancellation));
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
    }

    [Fact]
    public async Task Sessions_are_never_resumed()
    {
        var source = await SourceAsync(ServerId);
        Assert.False(SpiffeTls.ServerOptions(source, AuthorizedPeers.Exactly(ClientId)).AllowTlsResume);
        Assert.False(SpiffeTls.ClientOptions(source, AuthorizedPeers.Exactly(ClientId)).AllowTlsResume);
    }

    [Fact]
    public async Task A_peer_that_expired_is_refused()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var peer = await SourceAsync(ServerId);
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve(new X509SVIDResponse { Svids = { _authority.IssueX509(ClientId, TimeSpan.FromDays(2)) } });
        var client = Own(await X509Source.CreateAsync(api.ClientOptions(clock), cancellation: Cancellation));
        clock.Advance(TimeSpan.FromHours(2));
        var (server, connecting) = await HandshakeAsync(peer, AuthorizedPeers.Exactly(ClientId), client, AuthorizedPeers.Exactly(ServerId));
        var e = await Assert.ThrowsAsync<AuthenticationException>(() => connecting);
        Assert.Contains("expired", e.Message, StringComparison.Ordinal);
        await AssertRefusedAsync(server);
    }

    [Fact]
    public async Task A_withdrawn_authority_counts_with_the_next_connection()
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        var other = new TestAuthority("other.test");
        api.Serve(_authority.Respond(ServerId, other));
        var server = Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation));
        var client = await SourceAsync(other.Id("/client"), other, _authority);
        var peers = AuthorizedPeers.Exactly(other.Id("/client"));

        var (accepting, connecting) = await HandshakeAsync(server, peers, client, AuthorizedPeers.Exactly(ServerId));
        await (await accepting).DisposeAsync();
        await (await connecting).DisposeAsync();

        api.Serve(_authority.Respond(ServerId));
        await X509SourceTests.Until(server, context => context.Bundles.Bundles.Count == 1);
        (accepting, connecting) = await HandshakeAsync(server, peers, client, AuthorizedPeers.Exactly(ServerId));
        await Assert.ThrowsAsync<AuthenticationException>(() => accepting);
        await AssertRefusedAsync(connecting);
    }

    [Fact]
    public async Task Without_an_identity_there_is_no_handshake()
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve(_authority.Respond(ServerId));
        var source = Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation));
        api.Refuse(StatusCode.PermissionDenied);
        await X509SourceTests.Until(source, context => context.Svids.Count == 0);
        Assert.Throws<WorkloadApiException>(() => SpiffeTls.ServerOptions(source, AuthorizedPeers.Exactly(ClientId)));
        Assert.Throws<WorkloadApiException>(() => SpiffeTls.ClientOptions(source, AuthorizedPeers.Exactly(ClientId)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Kestrel_and_HttpClient_talk_and_see_rotation_without_a_restart(int version)
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve(_authority.Respond(ServerId));
        var server = Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation));
        var address = await ServeAsync(server, AuthorizedPeers.Under(_authority.Id("/clients")));
        var client = await SourceAsync(_authority.Id("/clients/1"));
        var seen = new List<SpiffeId>();

        async Task<string> AskAsync(AuthorizedPeers peers)
        {
            using var http = new HttpClient(SpiffeTls.CreateHandler(client, peers, seen.Add))
            {
                DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0),
                DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            return await http.GetStringAsync(address, Cancellation);
        }

        Assert.Equal($"spiffe://example.org/clients/1 HTTP/{version}", (await AskAsync(AuthorizedPeers.Exactly(ServerId)))[..^2]);
        api.Serve(_authority.Respond(_authority.Id("/server/2")));
        await X509SourceTests.Until(server, context => context.Default?.Id == _authority.Id("/server/2"));
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(AuthorizedPeers.Exactly(ServerId)));
        Assert.Contains("server/2 is not authorized", e.ToString(), StringComparison.Ordinal);
        await AskAsync(AuthorizedPeers.Exactly(_authority.Id("/server/2")));
        Assert.Equal([ServerId, _authority.Id("/server/2")], seen);
    }

    [Fact]
    public async Task Kestrel_refuses_a_client_with_another_id()
    {
        var address = await ServeAsync(await SourceAsync(ServerId), AuthorizedPeers.Exactly(_authority.Id("/other")));
        using var http = new HttpClient(SpiffeTls.CreateHandler(await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId)));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetStringAsync(address, Cancellation));
    }

    [Fact]
    public async Task The_handler_refuses_to_talk_in_the_clear()
    {
        using var http = new HttpClient(SpiffeTls.CreateHandler(await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId)));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetStringAsync("http://127.0.0.1:9", Cancellation));
    }

    [Fact]
    public async Task Grpc_goes_over_it()
    {
        var address = await ServeAsync(await SourceAsync(ServerId), AuthorizedPeers.Exactly(ClientId));
        using var channel = SpiffeTls.CreateChannel(address, await SourceAsync(ClientId), AuthorizedPeers.Exactly(ServerId));
        var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);

        // Nobody serves it there; that the HTTP answer reaches us at all means that both ends agreed on who they are.
        var e = await Assert.ThrowsAsync<RpcException>(async () => await client.FetchJWTSVIDAsync(new JWTSVIDRequest(), cancellationToken: Cancellation));
        Assert.Equal(StatusCode.Unimplemented, e.StatusCode);
    }

    private async Task<Uri> ServeAsync(X509Source source, AuthorizedPeers peers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSpiffeTls();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(source, peers)));
        var app = builder.Build();
        app.MapGet("/", (HttpContext http) => $"{http.GetPeerSpiffeId()} {http.Request.Protocol}{(http.Request.Protocol.Contains('.', StringComparison.Ordinal) ? "" : ".0")}");
        await app.StartAsync(Cancellation);
        _owned.Add(app);
        return new Uri($"https://127.0.0.1:{new Uri(app.Urls.First()).Port}");
    }

    private async Task<X509Source> SourceAsync(SpiffeId id, TestAuthority? authority = null, params TestAuthority[] federated)
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve((authority ?? _authority).Respond(id, federated));
        return Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation));
    }

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }

    private static async Task<(Task<SpiffeTlsConnection> Server, Task<SpiffeTlsConnection> Client)> HandshakeAsync(
        X509Source server, AuthorizedPeers clients, X509Source client, AuthorizedPeers servers)
    {
        var (near, far) = await ConnectAsync();
        var accepting = SpiffeTls.AcceptAsync(near, server, clients, Cancellation);
        var connecting = SpiffeTls.ConnectAsync(far, client, servers, Cancellation);
        await Task.WhenAny(Task.WhenAll(accepting, connecting), Task.Delay(TimeSpan.FromSeconds(30), Cancellation));
        return (accepting, connecting);
    }

    // Whoever finishes the handshake first learns when it reads that the other end refused it.
    private static async Task AssertRefusedAsync(Task<SpiffeTlsConnection> client) =>
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var connection = await client;
            if (await connection.Stream.ReadAsync(new byte[1], Cancellation) == 0) throw new IOException("closed");
        });

    private static async Task ReadAfterAsync(SslStream stream, Task handshake) =>
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await handshake;
            if (await stream.ReadAsync(new byte[1], Cancellation) == 0) throw new IOException("closed");
        });

    private static SslClientAuthenticationOptions Trusting(SslProtocols protocols) => new()
    {
        TargetHost = "",
        EnabledSslProtocols = protocols,
        // The client of these tests is the one that is tested by the server, not the other way round.
        RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
    };

    private static async Task<(NetworkStream Near, NetworkStream Far)> ConnectAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await far.ConnectAsync(listener.LocalEndpoint, Cancellation);
        return (new NetworkStream(await listener.AcceptSocketAsync(Cancellation), true), new NetworkStream(far, true));
    }
}
