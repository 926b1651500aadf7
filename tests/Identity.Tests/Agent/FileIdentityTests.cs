using Identity.Agent.WorkloadAttestation;

namespace Identity.Tests.Agent;

public sealed class FileIdentityTests : IDisposable
{
    private readonly string _folder = RunningAgent.NewFolder();

    [Fact]
    public void Is_the_same_for_every_way_to_one_file()
    {
        var file = Write("a");
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), file);
        using var open = File.OpenHandle(file);
        Assert.NotNull(FileIdentity.Of(open));
        Assert.Equal(FileIdentity.Of(open), FileIdentity.Of(file));
        Assert.Equal(FileIdentity.Of(open), FileIdentity.Of(Path.Combine(_folder, "link")));
    }

    [Fact]
    public void Tells_apart_two_files_of_the_same_content_and_one_that_took_the_place_of_another()
    {
        var (file, other) = (Write("a"), Write("b"));
        using var open = File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Assert.NotEqual(FileIdentity.Of(open), FileIdentity.Of(other));
        File.Move(other, file, overwrite: true);
        Assert.NotEqual(FileIdentity.Of(open), FileIdentity.Of(file));
    }

    [Fact]
    public void Tells_which_mount_a_file_is_on()
    {
        Assert.SkipUnless(Environment.OSVersion.Version >= new Version(5, 8), "this kernel does not number mounts for statx");
        var here = Assert.NotNull(FileStamp.Of(Write("a")));
        var proc = Assert.NotNull(FileStamp.Of("/proc/self/status"));
        Assert.NotEqual(0ul, here.Mount);
        Assert.NotEqual(here.Mount, proc.Mount);
        Assert.Equal(here, FileStamp.Of(Path.Combine(_folder, "a")));
    }

    [Fact]
    public void Sees_no_file_where_none_is()
    {
        Assert.Null(FileIdentity.Of(Path.Combine(_folder, "none")));
        Assert.Null(FileIdentity.Of(""));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, "the same");
        return path;
    }
}
