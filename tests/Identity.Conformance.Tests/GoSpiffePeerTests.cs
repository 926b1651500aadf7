using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Identity.Testing.Platform;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>
/// A workload written with go-spiffe beside one written with our SDK, both served by the shipped agent: they know each other, and only each other. The platform ends
/// what it started.
/// </summary>
[Trait(Rule.Peer, "go-spiffe")]
public sealed class GoSpiffePeerTests(AgentFixture agent)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly SpiffeId Ours = SpiffeId.Parse("spiffe://example.org/tests");
    private static readonly SpiffeId Theirs = SpiffeId.Parse("spiffe://example.org/go-peer");
    private static readonly SpiffeId Nobody = SpiffeId.Parse("spiffe://example.org/nobody");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    [Trait(Rule.Trait, "WLAPI-07")]
    [Trait(Rule.Trait, "WLAPI-09")]
    public async Task A_go_spiffe_workload_sees_rotations_on_its_open_stream()
    {
        var platform = await PlatformAsync();
        // By its path the same program is somebody else.
        File.Copy(Peers.TlsPeer, agent.RotatingPeer);
        var peer = await platform.StartAsync("go-watch", agent.RotatingPeer, ["watch"], IsRotating, Cancellation);
        for (var seen = 1; seen < 3; seen++)
        {
            var before = peer.Lines().Where(IsRotating).Distinct().ToHashSet();
            await peer.LineAsync(line => IsRotating(line) && !before.Contains(line), Deadline, Cancellation);
        }

        // It would have come back by itself had the stream ended, and said so.
        Assert.Equal("", await File.ReadAllTextAsync(peer.LogFile, Cancellation));

        static bool IsRotating(string line) => line.StartsWith("svid spiffe://example.org/go-rotating ", StringComparison.Ordinal);
    }

    [Fact]
    [Trait(Rule.Trait, "X509-23")]
    public async Task A_go_spiffe_server_and_our_client_know_each_other()
    {
        var platform = await PlatformAsync();
        await using var source = await SourceAsync(platform);
        var peer = await platform.StartAsync("go-server", Peers.TlsPeer, ["serve", Ours.ToString()], line => line.StartsWith("address ", StringComparison.Ordinal), Cancellation);
        var address = IPEndPoint.Parse(peer.Lines()[0]["address ".Length..]);

        await using (var connection = await SpiffeTls.ConnectAsync(await ConnectAsync(address), source, AuthorizedPeers.Exactly(Theirs), Cancellation))
        {
            Assert.Equal(Theirs, connection.Peer);
            using var reader = new StreamReader(connection.Stream);
            Assert.Equal("hello", await reader.ReadLineAsync(Cancellation));
        }

        await peer.LineAsync(line => line == $"client {Ours}", Deadline, Cancellation);
        await Assert.ThrowsAsync<AuthenticationException>(async () => await SpiffeTls.ConnectAsync(await ConnectAsync(address), source, AuthorizedPeers.Exactly(Nobody), Cancellation));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-23")]
    public async Task A_go_spiffe_server_refuses_our_client_when_it_expects_another()
    {
        var platform = await PlatformAsync();
        await using var source = await SourceAsync(platform);
        var peer = await platform.StartAsync("go-other-server", Peers.TlsPeer, ["serve", Nobody.ToString()], line => line.StartsWith("address ", StringComparison.Ordinal), Cancellation);
        var address = IPEndPoint.Parse(peer.Lines()[0]["address ".Length..]);
        var refused = await Record.ExceptionAsync(async () =>
        {
            await using var connection = await SpiffeTls.ConnectAsync(await ConnectAsync(address), source, AuthorizedPeers.Exactly(Theirs), Cancellation);
            // With TLS 1.3 a client learns of its refusal with the first read.
            if (await connection.Stream.ReadAsync(new byte[1], Cancellation) == 0) throw new IOException("the server closed the connection");
        });
        Assert.True(refused is AuthenticationException or IOException, $"{refused}");
        await peer.LineAsync(line => line == "refused", Deadline, Cancellation);
        Assert.DoesNotContain(peer.Lines(), line => line.StartsWith("client ", StringComparison.Ordinal));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-23")]
    public async Task Our_server_and_a_go_spiffe_client_know_each_other()
    {
        var platform = await PlatformAsync();
        await using var source = await SourceAsync(platform);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = listener.LocalEndpoint.ToString()!;

        var dialling = DialAsync(platform, Ours, address);
        await using (var connection = await SpiffeTls.AcceptAsync(new NetworkStream(await listener.AcceptSocketAsync(Cancellation), ownsSocket: true), source, AuthorizedPeers.Exactly(Theirs), Cancellation))
        {
            Assert.Equal(Theirs, connection.Peer);
            await connection.Stream.WriteAsync("good day\n"u8.ToArray(), Cancellation);
            var (code, output, error) = await dialling;
            Assert.True(code == 0, error);
            Assert.Equal($"server {Ours} said good day\n", output);
        }

        // Who is not expected is refused by go-spiffe, and whom we do not expect by us.
        dialling = DialAsync(platform, Nobody, address);
        await RefusedAsync(listener, source, Theirs);
        Assert.NotEqual(0, (await dialling).Code);
        dialling = DialAsync(platform, Ours, address);
        await RefusedAsync(listener, source, Nobody);
        Assert.NotEqual(0, (await dialling).Code);
    }

    private static async Task RefusedAsync(TcpListener listener, X509Source source, SpiffeId expected)
    {
        var transport = new NetworkStream(await listener.AcceptSocketAsync(Cancellation), ownsSocket: true);
        var refused = await Record.ExceptionAsync(async () =>
        {
            await using var connection = await SpiffeTls.AcceptAsync(transport, source, AuthorizedPeers.Exactly(expected), Cancellation);
            // With TLS 1.3 a client that refuses us shows it with the first read.
            if (await connection.Stream.ReadAsync(new byte[1], Cancellation) == 0) throw new IOException("the client closed the connection");
        });
        Assert.True(refused is AuthenticationException or IOException, $"{refused}");
    }

    private static Task<(int Code, string Output, string Error)> DialAsync(LocalPlatform platform, SpiffeId server, string address) =>
        LocalPlatform.RunAsync(Peers.TlsPeer, ["dial", server.ToString(), address], platform.WorkloadEnvironment(), Cancellation);

    private static async Task<NetworkStream> ConnectAsync(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address, Cancellation);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static Task<X509Source> SourceAsync(LocalPlatform platform) =>
        X509Source.CreateAsync(new WorkloadApiClientOptions { Endpoint = WorkloadEndpoint.Parse($"unix://{platform.WorkloadSocket}") }, cancellation: Cancellation);

    private Task<LocalPlatform> PlatformAsync()
    {
        Peers.OrSkip(File.Exists(Peers.TlsPeer), Peers.HowToGetGoSpiffe);
        return agent.PlatformAsync();
    }
}
