using Identity.Agent.WorkloadAttestation;

namespace Identity.Tests.Agent;

public sealed class SystemdUnitsTests : IDisposable
{
    private readonly string _root = RunningAgent.NewFolder();

    [Theory]
    [InlineData("0::/system.slice/nginx.service", "nginx.service")]
    [InlineData("0::/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service")]
    [InlineData("0::/init.scope", "init.scope")]
    [InlineData("0::/user.slice/user-1000.slice/session-3.scope", "session-3.scope")]
    [InlineData("0::/system.slice/docker-0123.scope/payload", "docker-0123.scope")]
    [InlineData("0::/system.slice/_cgroup.service", "cgroup.service")]
    [InlineData("12:pids:/x\n1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service", "a.service")]
    public void Finds_the_unit_of_a_control_group(string groups, string unit) => Assert.Equal(unit, SystemdUnits.UnitOf(groups + "\n"));

    [Theory]
    [InlineData("0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", "user@1000.service")]
    [InlineData("0::/system.slice/build.service/system.slice/nginx.service", "build.service")]
    [InlineData("0::/system.slice/build.service/nginx.service", "build.service")]
    public void Believes_no_name_below_a_unit_that_may_have_been_delegated(string groups, string unit) => Assert.Equal(unit, SystemdUnits.UnitOf(groups + "\n"));

    [Theory]
    [InlineData("")]
    [InlineData("0::/")]
    [InlineData("0::/system.slice")]
    [InlineData("0::/docker/0123/system.slice/nginx.service")]
    [InlineData("0::/../../system.slice/nginx.service")]
    [InlineData("0::/system.slice/.service")]
    [InlineData("0::/system.slice/a b.service")]
    [InlineData("0::/system.slice/a.service (deleted)")]
    [InlineData("1:cpu:/system.slice/a.service")]
    public void Finds_no_unit_where_systemd_made_none(string groups) => Assert.Null(SystemdUnits.UnitOf(groups + "\n"));

    [Fact]
    public void Names_the_unit_and_the_file_that_systemd_reads_first()
    {
        Write("usr/lib/systemd/system/nginx.service");
        var overriding = Write("etc/systemd/system/nginx.service");
        var template = Write("usr/lib/systemd/system/getty@.service");
        var units = Booted();
        Assert.Equal(["systemd:id:nginx.service", $"systemd:fragment_path:{overriding}"], units.SelectorsOf("0::/system.slice/nginx.service\n"));
        Assert.Equal(["systemd:id:getty@tty1.service", $"systemd:fragment_path:{template}"], units.SelectorsOf("0::/system.slice/getty@tty1.service\n"));
        Assert.Equal(["systemd:id:none.service"], units.SelectorsOf("0::/system.slice/none.service\n"));
    }

    [Fact]
    public void Says_nothing_where_systemd_does_not_run() =>
        Assert.Empty(new SystemdUnits(_root).SelectorsOf("0::/system.slice/nginx.service\n"));

    [Fact]
    public void Says_nothing_from_within_a_namespace_where_paths_begin_at_somebody_elses_group()
    {
        Directory.CreateDirectory(Path.Combine(_root, "run/systemd/system"));
        LinkNamespace("cgroup:[4026532000]");
        Assert.Empty(new SystemdUnits(_root).SelectorsOf("0::/system.slice/nginx.service\n"));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private SystemdUnits Booted()
    {
        Directory.CreateDirectory(Path.Combine(_root, "run/systemd/system"));
        LinkNamespace("cgroup:[4026531835]");
        return new SystemdUnits(_root);
    }

    private void LinkNamespace(string target)
    {
        Directory.CreateDirectory(Path.Combine(_root, "proc/self/ns"));
        File.CreateSymbolicLink(Path.Combine(_root, "proc/self/ns/cgroup"), target);
    }

    private string Write(string file)
    {
        var path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "[Service]\n");
        return path;
    }
}
