using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Google.Protobuf;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>The same promises for every way to use the SDK's TLS, over real sockets, each refusal on either side.</summary>
public sealed class SpiffeTlsTransportTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("other.test");
    private readonly List<IAsyncDisposable> _owned = [];

    public static TheoryData<string> Transports => [TlsTransport.Streams, TlsTransport.Http1, TlsTransport.Http2, TlsTransport.Calls];

    public static MatrixTheoryData<string, bool> TransportsAndSides => new(Transports.Select(row => row.Data), [true, false]);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SpiffeId ServerId => _authority.Id("/server");

    private SpiffeId ClientId => _authority.Id("/client");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Both_sides_rotate_without_a_restart(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        var (via, port) = await ServeAsync(transport, server, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        using var open = via.Open(port, client.Source, AuthorizedPeers.Exactly(ServerId));
        Assert.Equal(ClientId.ToString(), await open.AskAsync(Cancellation));

        // What is open goes on as it began; a pool takes the new identity with the next request.
        await client.PushAsync(_authority.Respond(_authority.Id("/client/2")));
        Assert.Equal(transport == TlsTransport.Streams ? ClientId.ToString() : "spiffe://example.org/client/2", await open.AskAsync(Cancellation));
        await server.PushAsync(_authority.Respond(_authority.Id("/server/2")));
        await open.AskAsync(Cancellation);
        using var fresh = via.Open(port, client.Source, AuthorizedPeers.Exactly(_authority.Id("/server/2")));
        Assert.Equal("spiffe://example.org/client/2", await fresh.AskAsync(Cancellation));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task The_authority_rotates_under_open_servers_and_clients(string transport)
    {
        var next = new TestAuthority();
        X509SVIDResponse From(TestAuthority issuer, SpiffeId id, params TestAuthority[] trusted)
        {
            var svid = issuer.IssueX509(id);
            svid.Bundle = ByteString.CopyFrom([.. trusted.SelectMany(authority => authority.X509Bundle)]);
            return new X509SVIDResponse { Svids = { svid } };
        }

        var server = await PartyAsync(From(_authority, ServerId, _authority));
        var client = await PartyAsync(From(_authority, ClientId, _authority));
        var (via, port) = await ServeAsync(transport, server, AuthorizedPeers.Exactly(ClientId));
        async Task<string> AskAsync()
        {
            using var session = via.Open(port, client.Source, AuthorizedPeers.Exactly(ServerId));
            return await session.AskAsync(Cancellation);
        }

        await server.PushAsync(From(_authority, ServerId, _authority, next));
        await client.PushAsync(From(_authority, ClientId, _authority, next));
        await AskAsync();
        await server.PushAsync(From(next, ServerId, _authority, next));
        await AskAsync();
        await client.PushAsync(From(next, ClientId, next));
        await AskAsync();

        // Whoever stayed behind is refused once the old authority is gone.
        await client.PushAsync(From(_authority, ClientId, next));
        await server.PushAsync(From(next, ServerId, next));
        await Assert.ThrowsAnyAsync<Exception>(AskAsync);
    }

    [Theory]
    [MemberData(nameof(TransportsAndSides))]
    public async Task A_wrong_id_is_refused(string transport, bool atServer)
    {
        var wrong = AuthorizedPeers.Exactly(_authority.Id("/someone/else"));
        await AssertRefusedAsync(
            transport, await PartyAsync(_authority.Respond(ServerId)), await PartyAsync(_authority.Respond(ClientId)), atServer, "is not authorized",
            clients: atServer ? wrong : null, servers: atServer ? null : wrong);
    }

    [Theory]
    [MemberData(nameof(TransportsAndSides))]
    [Trait("rule", "WLAPI-12")]
    public async Task Another_trust_domain_is_refused_without_federation(string transport, bool atServer)
    {
        // One of them knows both trust domains, so that it is the other's refusal that is seen.
        var refuser = await PartyAsync(_authority.Respond(_authority.Id("/refuser")));
        var stranger = await PartyAsync(_other.Respond(_other.Id("/stranger"), _authority));
        await AssertRefusedAsync(
            transport, atServer ? refuser : stranger, atServer ? stranger : refuser, atServer, "there is no trust bundle for the trust domain other.test");
    }

    [Theory]
    [MemberData(nameof(Transports))]
    [Trait("rule", "WLAPI-12")]
    public async Task Another_trust_domain_is_admitted_with_federation(string transport)
    {
        var server = await PartyAsync(_authority.Respond(_authority.Id("/services/1"), _other));
        var client = await PartyAsync(_other.Respond(_other.Id("/client"), _authority));
        var (via, port) = await ServeAsync(transport, server, AuthorizedPeers.MembersOf(_other.TrustDomain));
        using var session = via.Open(port, client.Source, AuthorizedPeers.Under(_authority.Id("/services")));
        Assert.Equal("spiffe://other.test/client", await session.AskAsync(Cancellation));
    }

    [Theory]
    [MemberData(nameof(TransportsAndSides))]
    public async Task The_same_name_from_another_authority_is_refused(string transport, bool atServer)
    {
        var impostor = new TestAuthority();
        var response = impostor.Respond(atServer ? ClientId : ServerId);
        response.Svids[0].Bundle = ByteString.CopyFrom(_authority.X509Bundle);
        var honest = await PartyAsync(_authority.Respond(atServer ? ServerId : ClientId));
        var forged = await PartyAsync(response);
        await AssertRefusedAsync(transport, atServer ? honest : forged, atServer ? forged : honest, atServer, "the chain");
    }

    [Theory]
    [MemberData(nameof(TransportsAndSides))]
    public async Task An_expired_peer_is_refused(string transport, bool atServer)
    {
        // Its own clock is behind, so that it offers what it should not.
        var past = TimeProvider.System.GetUtcNow().AddMinutes(-30);
        X509SVIDResponse Issue(SpiffeId id, TimeSpan lifetime) => new() { Svids = { _authority.IssueX509(id, lifetime, now: past) } };
        var late = await PartyAsync(Issue(atServer ? ClientId : ServerId, TimeSpan.FromMinutes(20)), new FakeTimeProvider(past));
        var honest = await PartyAsync(Issue(atServer ? ServerId : ClientId, TimeSpan.FromHours(2)));
        await AssertRefusedAsync(transport, atServer ? honest : late, atServer ? late : honest, atServer, "expired");
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_client_without_a_certificate_is_refused(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var (_, port) = await ServeAsync(transport, server, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        await AssertFailsAsync(port, new SslClientAuthenticationOptions { TargetHost = "", EnabledSslProtocols = SslProtocols.Tls13, RemoteCertificateValidationCallback = Anyone });
        Assert.Contains("it sent no certificate", server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_client_with_tls_1_2_is_refused(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        var (_, port) = await ServeAsync(transport, server, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        var options = SpiffeTls.ClientOptions(client.Source, AuthorizedPeers.Exactly(ServerId));
        options.EnabledSslProtocols = SslProtocols.Tls12;
        await AssertFailsAsync(port, options);

        // The same with TLS 1.3 gets in, so it was the version.
        options.EnabledSslProtocols = SslProtocols.Tls13;
        await using var stream = await ConnectAsync(port, options);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_server_with_tls_1_2_is_refused(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        await using var old = new PlainTlsServer(() =>
        {
            var options = SpiffeTls.ServerOptions(server.Source, AuthorizedPeers.Exactly(ClientId));
            options.EnabledSslProtocols = SslProtocols.Tls12;
            return options;
        });
        using var session = TlsTransport.Named(transport).Open(old.Port, client.Source, AuthorizedPeers.Exactly(ServerId));
        await Assert.ThrowsAnyAsync<Exception>(() => session.AskAsync(Cancellation));
        Assert.Equal(0, old.Handshakes);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Servers_resume_no_session(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        var (_, port) = await ServeAsync(transport, server, AuthorizedPeers.Exactly(ClientId));
        await using var relay = new HelloRelay(port);
        await ResumeAsync(relay, client.Source);
        Assert.Equal([false, false, false], relay.Resumed);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Clients_offer_no_session_to_resume(string transport)
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        await using var tempting = new PlainTlsServer(() => Resumable(server.Source));
        await using var relay = new HelloRelay(tempting.Port);
        for (var i = 0; i < 3; i++)
        {
            // It greets with something that is no protocol's answer; the client has read the session tickets by then.
            using var session = TlsTransport.Named(transport).Open(relay.Port, client.Source, AuthorizedPeers.Exactly(ServerId));
            await Record.ExceptionAsync(() => session.AskAsync(Cancellation));
        }

        Assert.True(tempting.Handshakes > 0);
        Assert.Equal([false, false, false], relay.OffersToResume);
    }

    [Fact]
    public async Task The_two_tests_above_would_see_a_resumption()
    {
        var server = await PartyAsync(_authority.Respond(ServerId));
        var client = await PartyAsync(_authority.Respond(ClientId));
        await using var tempting = new PlainTlsServer(() => Resumable(server.Source));
        await using var relay = new HelloRelay(tempting.Port);
        await ResumeAsync(relay, client.Source);
        Assert.Contains(true, relay.OffersToResume);
        Assert.Contains(true, relay.Resumed);
    }

    private static bool Anyone(object sender, object? certificate, object? chain, SslPolicyErrors errors) => true;

    private static SslServerAuthenticationOptions Resumable(X509Source source) => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(source.Svid.Leaf, [.. source.Svid.Intermediates], offline: true),
        EnabledSslProtocols = SslProtocols.Tls13,
    };

    // Three connections of a client that would like to resume.
    private static async Task ResumeAsync(HelloRelay relay, X509Source source)
    {
        var identity = SslStreamCertificateContext.Create(source.Svid.Leaf, [.. source.Svid.Intermediates], offline: true);
        for (var i = 0; i < 3; i++)
        {
            await using var stream = await ConnectAsync(relay.Port, new SslClientAuthenticationOptions
            {
                TargetHost = "resume.test",
                ClientCertificateContext = identity,
                EnabledSslProtocols = SslProtocols.Tls13,
                RemoteCertificateValidationCallback = Anyone,
            });

            // Tickets come after the handshake, with the first read.
            await stream.WriteAsync("?\r\n\r\n"u8.ToArray(), Cancellation);
            Assert.True(await stream.ReadAsync(new byte[16], Cancellation) > 0);
        }
    }

    private async Task AssertRefusedAsync(
        string transport, Party server, Party client, bool atServer, string reason,
        AuthorizedPeers? clients = null, AuthorizedPeers? servers = null)
    {
        var anyone = AuthorizedPeers.Matching(_ => true, "anyone");
        var (via, port) = await ServeAsync(transport, server, clients ?? anyone);
        using var session = via.Open(port, client.Source, servers ?? anyone);
        await Assert.ThrowsAnyAsync<Exception>(() => session.AskAsync(Cancellation));
        Assert.Contains("Refused a TLS peer: ", (atServer ? server : client).Log, StringComparison.Ordinal);
        Assert.Contains(reason, (atServer ? server : client).Log, StringComparison.Ordinal);
        Assert.DoesNotContain("Refused a TLS peer", (atServer ? client : server).Log, StringComparison.Ordinal);
    }

    private static async Task AssertFailsAsync(int port, SslClientAuthenticationOptions options) =>
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var stream = await ConnectAsync(port, options);
            await stream.WriteAsync("?"u8.ToArray(), Cancellation);
            if (await stream.ReadAsync(new byte[1], Cancellation) == 0) throw new IOException("closed");
        });

    private static async Task<SslStream> ConnectAsync(int port, SslClientAuthenticationOptions options)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port, Cancellation);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsClientAsync(options, Cancellation);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private async Task<(TlsTransport Via, int Port)> ServeAsync(string transport, Party server, AuthorizedPeers clients)
    {
        var via = TlsTransport.Named(transport);
        var (running, port) = await via.ServeAsync(server.Source, clients);
        _owned.Add(running);
        return (via, port);
    }

    private async Task<Party> PartyAsync(X509SVIDResponse response, TimeProvider? clock = null)
    {
        var party = await Party.StartAsync(response, clock);
        _owned.Add(party);
        return party;
    }

    /// <summary>A server without the SDK: whatever the options say, then a greeting.</summary>
    private sealed class PlainTlsServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _running;
        private int _handshakes;

        public PlainTlsServer(Func<SslServerAuthenticationOptions> options)
        {
            _listener.Start();
            _running = RunAsync(options);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Handshakes => Volatile.Read(ref _handshakes);

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            _listener.Dispose();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stopping.Dispose();
        }

        // One after another: the tests ask so.
        private async Task RunAsync(Func<SslServerAuthenticationOptions> options)
        {
            var shared = options();
            while (true)
            {
                using var socket = await _listener.AcceptSocketAsync(_stopping.Token);
                await using var stream = new SslStream(new NetworkStream(socket));
                await Record.ExceptionAsync(async () =>
                {
                    await stream.AuthenticateAsServerAsync(shared, _stopping.Token);
                    Interlocked.Increment(ref _handshakes);
                    await stream.WriteAsync("no protocol\n"u8.ToArray(), _stopping.Token);
                    await stream.CopyToAsync(Stream.Null, _stopping.Token);
                });
            }
        }
    }
}
