using System.Security.Cryptography;
using Identity.Agent.WorkloadAttestation;
using Microsoft.Win32.SafeHandles;

namespace Identity.Tests.Agent;

public sealed class ExecutableHashesTests
{
    [Fact]
    public async Task A_user_with_many_large_programs_is_never_more_than_one_ahead_of_anybody_else()
    {
        var folder = RunningAgent.NewFolder();
        using var hashes = new ExecutableHashes(TimeProvider.System);
        List<SafeFileHandle> programs = [.. Enumerable.Range(0, 4).Select(i => Large(Path.Combine(folder, $"{i}")))];
        var theirs = programs.ConvertAll(program => hashes.OfAsync(program, mayKeep: false, uid: 1000).AsTask());
        using var small = File.OpenHandle("/bin/true");

        var ours = await hashes.OfAsync(small, mayKeep: false, uid: 1001);

        Assert.InRange(theirs.Count(hashing => hashing.IsCompleted), 0, 1);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes("/bin/true"))), ours.Hash);
        Assert.All(await Task.WhenAll(theirs), found => Assert.NotNull(found.Hash));
        Assert.Equal(0, hashes.Users);
        programs.ForEach(program => program.Dispose());
        Directory.Delete(folder, recursive: true);
    }

    // Sparse: nothing of it is on the disk.
    private static SafeFileHandle Large(string file)
    {
        using (var stream = File.Create(file)) stream.SetLength(64 << 20);
        return File.OpenHandle(file);
    }
}
