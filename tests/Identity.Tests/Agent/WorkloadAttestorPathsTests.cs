using System.Security.Cryptography;
using Identity.Agent.WorkloadAttestation;
using static Identity.Tests.Agent.AgentTestExtensions;

namespace Identity.Tests.Agent;

/// <summary>The path of a program and its hash, whatever others do to its file.</summary>
public sealed class WorkloadAttestorPathsTests : WorkloadAttestorTest
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Gives_no_path_and_no_hash_to_a_program_whose_file_was_deleted_or_replaced(bool isReplaced)
    {
        var program = CopyOfPerl();
        var (listener, path) = Listen();
        using var accepting = listener;
        using var process = Start([program, .. ConnectAndWait(path)]);
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        using var peer = Processes.TryConnect(accepted)!;
        var attestor = Attestor;
        var before = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: true)).Selectors;
        Assert.Contains($"unix:path:{program}", before);
        if (isReplaced) File.Move(CopyOfPerl(), program, overwrite: true);
        else File.Delete(program);
        var after = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: true));
        Assert.Equal(before.Where(s => !s.StartsWith("unix:path:", StringComparison.Ordinal) && !s.StartsWith("unix:sha256:", StringComparison.Ordinal)).Order(), after.Selectors.Order());
        Assert.Contains("replaced or deleted after it started", after.WithoutPath, StringComparison.Ordinal);
        process.Kill();
    }

    [Fact]
    public async Task Gives_no_path_that_a_reader_would_take_for_several_lines()
    {
        var program = Path.Combine(RunningAgent.NewFolder(), "a\n  - unix:uid:0");
        File.Copy("/usr/bin/perl", program);
        var selectors = await AttestAsync(path => [program, .. ConnectAndWait(path)]);
        Assert.DoesNotContain(selectors, s => s.StartsWith("unix:path:", StringComparison.Ordinal));
    }

    [Fact]
    [Trait("rule", "WLEP-10")]
    public async Task Locks_that_others_hold_on_what_it_reads_blind_it_to_nothing()
    {
        var program = CopyOfPerl();
        var folder = OpenFolder();
        var (users, groups) = (Path.Combine(folder, "passwd"), Path.Combine(folder, "group"));
        var own = uint.Parse(OwnUid["unix:uid:".Length..], System.Globalization.CultureInfo.InvariantCulture);
        await File.WriteAllTextAsync(users, $"me:x:{own}:0::/:/bin/sh\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(groups, "us:x:4294967294:\n", TestContext.Current.CancellationToken);
        var (listener, path) = Listen();
        using var accepting = listener;
        using var process = Start([program, .. ConnectAndWait(path)]);
        using var accepted = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        var proc = $"/proc/{process.Id}";

        // As flock(1) does it: whoever may read a file may lock it.
        var locks = new[] { $"{proc}/status", $"{proc}/stat", $"{proc}/cgroup", program, users, groups }
            .Select(file => File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.None)).ToList();
        using (var peer = Processes.TryConnect(accepted)!)
        {
            var attestor = new WorkloadAttestor(new AccountNames(users, groups), new SystemdUnits(), Files, Hashes);
            var selectors = Assert.IsType<PeerAttestation.Attested>(await attestor.AttestAsync(peer.Process, withHash: true)).Selectors;
            Assert.Contains($"unix:path:{program}", selectors);
            Assert.Contains("unix:user:me", selectors);
            Assert.Contains($"unix:sha256:{Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync("/usr/bin/perl", TestContext.Current.CancellationToken)))}", selectors);
        }

        locks.ForEach(held => held.Dispose());
        process.Kill();
    }

    [Fact]
    public async Task Knows_a_program_whose_path_is_longer_than_the_kernel_can_say_by_all_but_its_path()
    {
        var folder = RunningAgent.NewFolder();
        var selectors = await AttestAsync(path =>
        [
            "perl", "-e", "chdir shift; my $d = '0' x 200; for (1..30) { mkdir $d; chdir $d or die } system('cp', '/usr/bin/perl', 'p'); exec './p', @ARGV or die", folder,
            .. ConnectAndWait(path),
        ]);
        Assert.DoesNotContain(selectors, s => s.StartsWith("unix:path:", StringComparison.Ordinal));
        Assert.Contains(OwnUid, selectors);
    }

    [Fact]
    public void Is_remembered_by_a_short_word_however_many_groups_a_process_is_in()
    {
        var many = new PeerAttestation.Attested(Enumerable.Range(0, 1000).Select(i => $"unix:supplementary_gid:{i}").ToHashSet());
        var more = new PeerAttestation.Attested(Enumerable.Range(0, 1001).Select(i => $"unix:supplementary_gid:{i}").ToHashSet());
        Assert.Equal(44, many.Key.Length);
        Assert.NotEqual(many.Key, more.Key);
    }

    [Fact]
    public async Task Gives_the_path_to_the_program_that_is_there_for_the_agent_too()
    {
        var program = CopyOfPerl();
        var selectors = await AttestAsync(path => [program, .. ConnectAndWait(path)]);
        Assert.Contains($"unix:path:{program}", selectors);
    }

    [Fact]
    [Trait("rule", "WLEP-11")]
    [Trait("needs", "mount namespaces")]
    public async Task Gives_no_path_and_no_hash_to_a_program_that_shows_itself_there_in_a_mount_namespace_of_its_own()
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
        // Its file system might be one that gives the agent other bytes than those that run.
        Assert.DoesNotContain(selectors, s => s.StartsWith("unix:sha256:", StringComparison.Ordinal));
    }
}
