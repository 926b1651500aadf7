using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Identity.Agent.WorkloadAttestation;
using static Identity.Tests.Agent.AgentTestExtensions;

namespace Identity.Tests.Agent;

public sealed class WorkloadAttestorTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Knows_its_own_process_by_user_path_and_hash(bool withPidFd)
    {
        var (accepted, client) = await ConnectAsync();
        using (accepted)
        using (client)
        {
            using var peer = PeerConnection.Of(accepted, withPidFd);
            Assert.NotNull(peer);
            Assert.Equal(Environment.ProcessId, peer.Pid);
            using var attestor = new WorkloadAttestor(new AccountNames());
            var attested = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer, withHash: true, TestContext.Current.CancellationToken));
            var executable = Environment.ProcessPath!;
            Assert.Contains(OwnUid, attested.Selectors);
            Assert.Contains($"unix:path:{executable}", attested.Selectors);
            Assert.Contains($"unix:sha256:{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(executable)))}", attested.Selectors);
            Assert.All(attested.Selectors, s => Assert.StartsWith("unix:", s, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Hashes_nothing_unless_asked()
    {
        var (accepted, client) = await ConnectAsync();
        using (accepted)
        using (client)
        {
            using var peer = PeerConnection.Of(accepted);
            using var attestor = new WorkloadAttestor(new AccountNames("/no/such/file", "/no/such/file"));
            var attested = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer!, withHash: false, TestContext.Current.CancellationToken));
            Assert.DoesNotContain(attested.Selectors, s => s.StartsWith("unix:sha256:", StringComparison.Ordinal) || s.StartsWith("unix:user:", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Refuses_a_peer_that_has_died_though_its_connection_is_still_read(bool withPidFd)
    {
        // Perl is part of every Debian: a process that connects and waits.
        var path = Path.Combine(RunningAgent.NewFolder(), "p.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var process = Process.Start(new ProcessStartInfo("perl", ["-MIO::Socket::UNIX", "-e", $"$s=IO::Socket::UNIX->new(Peer=>'{path}') or die; <STDIN>"])
        {
            RedirectStandardInput = true,
        })!;
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        using var peer = PeerConnection.Of(accepted, withPidFd);
        Assert.Equal(process.Id, peer!.Pid);
        Assert.True(peer.IsAlive());

        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.False(peer.IsAlive());
        using var attestor = new WorkloadAttestor(new AccountNames());
        Assert.IsType<PeerAttestation.Refused>(await attestor.AttestAsync(peer, withHash: true, TestContext.Current.CancellationToken));
    }

    private static async Task<(Socket Accepted, Socket Client)> ConnectAsync()
    {
        var endpoint = new UnixDomainSocketEndPoint(Path.Combine(RunningAgent.NewFolder(), "p.sock"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endpoint);
        listener.Listen();
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(endpoint, TestContext.Current.CancellationToken);
        return (await listener.AcceptAsync(TestContext.Current.CancellationToken), client);
    }
}
