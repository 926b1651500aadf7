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
        var path = Path.Combine(RunningAgent.NewFolder(), "p.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var process = Process.Start(new ProcessStartInfo("perl", ConnectAndWait(path))
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

    [Fact]
    public async Task Gives_the_path_to_the_program_that_is_there_for_the_agent_too()
    {
        var program = CopyOfPerl();
        var selectors = await AttestAsync(path => [program, .. ConnectAndWait(path)]);
        Assert.Contains($"unix:path:{program}", selectors);
    }

    [Fact]
    public async Task Gives_no_path_to_a_program_that_shows_itself_there_in_a_mount_namespace_of_its_own()
    {
        var program = CopyOfPerl();
        var folder = Path.GetDirectoryName(program)!;
        string[] InNamespace(string script, params string[] words) => ["unshare", "--map-root-user", "--mount", "sh", "-ec", script, .. words];
        using (var trial = Start(InNamespace("mount -t tmpfs none \"$0\"", folder)))
        {
            var problem = await trial.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await trial.WaitForExitAsync(TestContext.Current.CancellationToken);
            if (trial.ExitCode != 0) Assert.Skip($"NOT TESTED, a spoofed unix:path: this machine lets nobody make a mount namespace ({problem.Trim()}).");
        }

        var selectors = await AttestAsync(path => InNamespace(
            "cp \"$0\" \"$1.copy\"; mount -t tmpfs none \"$2\"; cp \"$1.copy\" \"$0\"; shift 2; exec \"$0\" \"$@\"", [program, path, folder, .. ConnectAndWait(path)]));
        Assert.DoesNotContain(selectors, s => s.StartsWith("unix:path:", StringComparison.Ordinal));
        // What is not a matter of names it keeps.
        Assert.Contains(OwnUid, selectors);
        Assert.Contains($"unix:sha256:{Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(program, TestContext.Current.CancellationToken)))}", selectors);
    }

    /// <summary>What is found out about a process that this command becomes, which must connect to the socket it is given.</summary>
    private static async Task<IReadOnlySet<string>> AttestAsync(Func<string, string[]> command)
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "p.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var process = Start(command(path));
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(TimeSpan.FromSeconds(60));
            using var accepted = await listener.AcceptAsync(deadline.Token);
            using var peer = PeerConnection.Of(accepted);
            Assert.Equal(process.Id, peer!.Pid);
            using var attestor = new WorkloadAttestor(new AccountNames());
            return Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer, withHash: true, deadline.Token)).Selectors;
        }
        finally
        {
            process.Kill();
        }
    }

    private static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..])
    {
        RedirectStandardInput = true,
        RedirectStandardError = true,
    })!;

    // Perl is part of every Debian.
    private static string[] ConnectAndWait(string path) => ["-MIO::Socket::UNIX", "-e", $"$s=IO::Socket::UNIX->new(Peer=>'{path}') or die; <STDIN>"];

    private static string CopyOfPerl()
    {
        var program = Path.Combine(RunningAgent.NewFolder(), "program");
        File.Copy("/usr/bin/perl", program);
        return program;
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
