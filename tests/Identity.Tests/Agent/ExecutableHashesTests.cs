using System.Security.Cryptography;
using Identity.Agent.WorkloadAttestation;
using Microsoft.Win32.SafeHandles;

namespace Identity.Tests.Agent;

public sealed class ExecutableHashesTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly ExecutableHash Found = new("found", IsFinal: true);

    [Fact]
    public async Task A_user_with_many_large_programs_is_never_more_than_one_ahead_of_anybody_else()
    {
        var folder = RunningAgent.NewFolder();
        using var hashes = new ExecutableHashes(TimeProvider.System);
        List<SafeFileHandle> programs = [.. Enumerable.Range(0, 4).Select(i => Large(Path.Combine(folder, $"{i}")))];
        var theirs = programs.ConvertAll(program => hashes.OfAsync(program, uid: 1000).AsTask());
        using var small = UnlockedFile.TryOpenUnread("/bin/true")!;

        var ours = await hashes.OfAsync(small, uid: 1001);

        Assert.InRange(theirs.Count(hashing => hashing.IsCompleted), 0, 1);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes("/bin/true"))), ours.Hash);
        Assert.All(await Task.WhenAll(theirs), found => Assert.NotNull(found.Hash));
        Assert.Equal(0, hashes.Users);
        programs.ForEach(program => program.Dispose());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Readers_that_the_kernel_keeps_hold_up_their_own_users_and_nobody_else()
    {
        var clock = new WatchedClock(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));
        using var kept = UnlockedFile.TryOpenUnread("/bin/true")!;
        using var other = UnlockedFile.TryOpenUnread("/bin/false")!;
        using var third = UnlockedFile.TryOpenUnread("/bin/cat")!;
        using var kernel = new ManualResetEventSlim();
        using var asked = new CountdownEvent(2);
        using var hashes = new ExecutableHashes(clock, read: (file, _) =>
        {
            if (!ReferenceEquals(file, kept)) return Found;
            if (!kernel.IsSet) asked.Signal();
            kernel.Wait(CancellationToken.None);
            return Found;
        });
        var one = hashes.OfAsync(kept, uid: 1000).AsTask();
        var two = hashes.OfAsync(kept, uid: 1001).AsTask();
        Assert.True(asked.Wait(Patience, TestContext.Current.CancellationToken));
        clock.Advance(TimeSpan.FromSeconds(20));
        Assert.False((await one.WaitAsync(Patience, TestContext.Current.CancellationToken)).IsFinal);
        Assert.False((await two.WaitAsync(Patience, TestContext.Current.CancellationToken)).IsFinal);

        // Both still wait in the kernel.
        Assert.Equal(Found, await hashes.OfAsync(other, uid: 1002).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken));
        var again = hashes.OfAsync(third, uid: 1000).AsTask();
        clock.Advance(TimeSpan.FromSeconds(20));
        Assert.False((await again.WaitAsync(Patience, TestContext.Current.CancellationToken)).IsFinal);

        kernel.Set();
        Assert.Equal(Found, await hashes.OfAsync(third, uid: 1000).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_name_that_the_kernel_cannot_look_up_holds_up_its_own_user_and_nobody_else()
    {
        var clock = new WatchedClock(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));
        using var kernel = new ManualResetEventSlim();
        var files = new NamedFiles(clock, look: path =>
        {
            if (path == "/kept") kernel.Wait();
            return FileIdentity.Of("/bin/true");
        });
        var kept = files.FindAsync("/kept", uid: 1000).AsTask();
        Assert.NotNull(await files.FindAsync("/other", uid: 1001).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken));
        var own = files.FindAsync("/other", uid: 1000).AsTask();
        Assert.False(own.IsCompleted);
        await clock.AwaitedAsync(clock.GetUtcNow().AddSeconds(10), count: 2);
        clock.Advance(TimeSpan.FromSeconds(10));
        // Not that there is no such file.
        await Assert.ThrowsAsync<IOException>(() => kept.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<IOException>(() => own.WaitAsync(Patience, TestContext.Current.CancellationToken));
        kernel.Set();
        Assert.NotNull(await files.FindAsync("/other", uid: 1000).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_file_is_looked_at_without_asking_for_its_content()
    {
        // Whoever opens a pipe to read waits for one who writes.
        var pipe = Path.Combine(RunningAgent.NewFolder(), "pipe");
        using (var made = System.Diagnostics.Process.Start("mkfifo", [pipe])) made.WaitForExit();
        using var file = UnlockedFile.TryOpenUnread(pipe);
        Assert.Equal(FileIdentity.Of(pipe), FileIdentity.Of(file!));
        Assert.NotNull(FileIdentity.Of(pipe));
        Assert.Null(UnlockedFile.TryOpenUnread("/no/such/file"));
    }

    [Fact]
    public void A_file_whose_way_is_in_memory_is_the_same_there()
    {
        var there = FileIdentity.Of("/bin/true");
        // Null on a kernel before 5.12.
        Assert.Equal(there, FileIdentity.OfCached("/bin/true") ?? there);
        Assert.Null(FileIdentity.OfCached("/no/such/file"));
    }

    // Sparse: nothing of it is on the disk.
    private static SafeFileHandle Large(string file)
    {
        using (var stream = File.Create(file)) stream.SetLength(64 << 20);
        return UnlockedFile.TryOpenUnread(file)!;
    }
}
