using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Identity.Agent;
using Identity.Agent.WorkloadAttestation;
using static Identity.Tests.Agent.AgentTestExtensions;

namespace Identity.Tests.Agent;

public sealed class WorkloadAttestorTests : WorkloadAttestorTest
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("rule", "WLEP-10")]
    [Trait("rule", "WLEP-11")]
    public async Task Knows_its_own_process_by_user_path_and_hash(bool withPidFd)
    {
        var (accepted, client) = await ConnectAsync();
        using (accepted)
        using (client)
        {
            using var peer = Processes.TryConnect(accepted, withPidFd);
            Assert.NotNull(peer);
            Assert.Equal(Environment.ProcessId, peer.Pid);
            var attested = Assert.IsType<PeerAttestation.Attested>(await Attestor.AttestAsync(peer.Process, withHash: true));
            var executable = Environment.ProcessPath!;
            Assert.Contains(OwnUid, attested.Selectors);
            Assert.Contains($"unix:path:{executable}", attested.Selectors);
            Assert.Contains($"unix:sha256:{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(executable)))}", attested.Selectors);
            Assert.All(attested.Selectors, s => Assert.Matches("^(unix|systemd):", s));
        }
    }

    [Fact]
    public async Task Hashes_nothing_unless_asked()
    {
        var (accepted, client) = await ConnectAsync();
        using (accepted)
        using (client)
        {
            using var peer = Processes.TryConnect(accepted);
            var attestor = new WorkloadAttestor(new AccountNames("/no/such/file", "/no/such/file"), new SystemdUnits(), Files, Hashes);
            var attested = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer!.Process, withHash: false));
            Assert.DoesNotContain(attested.Selectors, s => s.StartsWith("unix:sha256:", StringComparison.Ordinal) || s.StartsWith("unix:user:", StringComparison.Ordinal));
        }
    }

    [Fact]
    [Trait("rule", "WLEP-10")]
    [Trait("needs", "root")]
    public async Task Knows_user_group_and_supplementary_groups_by_number_and_by_name_where_they_have_one()
    {
        if (!Environment.IsPrivilegedProcess) Assert.Skip("NOT TESTED, the groups of another user's process: only root may start one.");
        var folder = OpenFolder();
        var (users, groups) = (Path.Combine(folder, "passwd"), Path.Combine(folder, "group"));
        File.WriteAllText(users, "root:x:0:0:root:/root:/bin/sh\nshop:x:54321:54322:Shop:/home/shop:/bin/sh\n");
        File.WriteAllText(groups, "root:x:0:\nshops:x:54322:\nprinters:x:54323:shop\n");
        var path = Path.Combine(folder, "p.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        OpenToAll(path);
        listener.Listen();
        using var relay = RelayProcess.Start(path, "setpriv", "--reuid", "54321", "--regid", "54322", "--groups", "54323,54324");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        using var accepted = await listener.AcceptAsync(deadline.Token);
        using var peer = Processes.TryConnect(accepted)!;

        var attestor = new WorkloadAttestor(new AccountNames(users, groups), new SystemdUnits(), Files, Hashes);
        var attested = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: false));
        Assert.Equal(
            [
                "unix:gid:54322", "unix:group:shops", "unix:path:/usr/bin/perl", "unix:supplementary_gid:54323", "unix:supplementary_gid:54324",
                "unix:supplementary_group:printers", "unix:uid:54321", "unix:user:shop",
            ],
            attested.Selectors.Where(selector => selector.StartsWith("unix:", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
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
        using var peer = Processes.TryConnect(accepted, withPidFd);
        Assert.Equal(process.Id, peer!.Pid);
        Assert.True(peer.IsAlive());

        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.False(peer.IsAlive());
        Assert.IsType<PeerAttestation.Refused>(await Attestor.AttestAsync(peer.Process, withHash: true));
    }

    [Fact]
    public void Does_not_guess_by_number_where_the_kernel_knows_of_no_peer()
    {
        using var nobody = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (!PidFd.TryOfPeer(nobody, out var pidfd)) Assert.Skip("NOT TESTED, SO_PEERPIDFD: the kernel is older than 6.5.");
        Assert.Null(pidfd);
    }

    [Fact]
    [Trait("rule", "WLEP-11")]
    [Trait("needs", "root")]
    public async Task Does_not_take_a_process_for_the_dead_one_whose_number_it_was_given()
    {
        const string last = "/proc/sys/kernel/ns_last_pid";
        var (listener, path) = Listen();
        using var accepting = listener;
        using var first = Start(["perl", .. ConnectAndWait(path)]);
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        using var peer = Processes.TryConnect(accepted)!;
        Assert.IsType<PeerAttestation.Attested>(await Attestor.AttestAsync(peer.Process, withHash: false));
        first.Kill();
        await first.WaitForExitAsync(TestContext.Current.CancellationToken);

        // The same program again, with the same number, and connected as well.
        for (var attempt = 0; attempt < 200; attempt++)
        {
            try
            {
                await File.WriteAllTextAsync(last, (peer.Pid - 1).ToString(System.Globalization.CultureInfo.InvariantCulture), TestContext.Current.CancellationToken);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Assert.Skip("NOT TESTED, reuse of a process number: only root may choose the next one.");
            }

            using var second = Start(["perl", .. ConnectAndWait(path)]);
            using var again = await listener.AcceptAsync(TestContext.Current.CancellationToken);
            try
            {
                if (second.Id != peer.Pid) continue;
                using var other = Processes.TryConnect(again)!;
                Assert.NotSame(peer.Process, other.Process);
                Assert.False(peer.IsAlive());
                Assert.IsType<PeerAttestation.Refused>(await Attestor.AttestAsync(peer.Process, withHash: false));
                Assert.IsType<PeerAttestation.Attested>(await Attestor.AttestAsync(other.Process, withHash: false));
                return;
            }
            finally
            {
                second.Kill();
            }
        }

        Assert.Fail("in 200 attempts others were faster to take the process number");
    }

    [Fact]
    public async Task Tells_when_the_process_ends_whose_connection_a_child_goes_on_with()
    {
        var (listener, path) = Listen();
        using var accepting = listener;
        using var relay = RelayProcess.StartWithChild(path);
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        using var peer = Processes.TryConnect(accepted)!;
        var ended = new TaskCompletionSource();
        using var telling = peer.Process.Ended.Register(ended.SetResult);
        Assert.False(ended.Task.IsCompleted);
        relay.End();
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.False(peer.IsAlive());
    }

    [Fact]
    public async Task Shares_what_it_knows_of_a_process_among_its_connections_and_forgets_it_with_the_last()
    {
        var (first, client1) = await ConnectAsync();
        var (second, client2) = await ConnectAsync();
        using var sockets = new Disposables(first, client1, second, client2);
        var one = Processes.TryConnect(first)!;
        var two = Processes.TryConnect(second)!;
        Assert.Same(one.Process, two.Process);
        var change = new ChangeFeed().Current;
        Assert.Same(await Attestor.AttestAsync(one.Process, false, change), await Attestor.AttestAsync(two.Process, false, change));
        one.Dispose();
        one.Dispose(); // Counted once.
        Assert.Equal(1, Processes.Count);
        Assert.True(two.IsAlive());
        two.Dispose();
        Assert.Equal(0, Processes.Count);
    }

    [Fact]
    [Trait("rule", "WLEP-11")]
    public async Task Sees_the_program_that_a_process_became()
    {
        var program = CopyOfPerl();
        var (listener, path) = Listen();
        using var accepting = listener;
        using var relay = RelayProcess.StartAndBecome(path, program);
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        using var peer = Processes.TryConnect(accepted)!;
        var attestor = Attestor;
        var before = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: true));
        Assert.DoesNotContain($"unix:path:{program}", before.Selectors);
        await relay.Stream.WriteAsync(new byte[] { 1 }, TestContext.Current.CancellationToken);
        await relay.Stream.WriteAsync("x"u8.ToArray(), TestContext.Current.CancellationToken);
        // It passes on what it is given once it is the other program.
        Assert.Equal(1, await accepted.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken));
        var after = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: true));
        Assert.Contains($"unix:path:{program}", after.Selectors);
        Assert.Single(after.Selectors, s => s.StartsWith("unix:path:", StringComparison.Ordinal));
    }
}
