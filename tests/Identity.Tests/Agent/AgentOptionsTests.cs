using System.Net.Sockets;
using Identity.Agent;
using Identity.Agent.Endpoints;

namespace Identity.Tests.Agent;

public sealed class AgentOptionsTests
{
    private static readonly Dictionary<string, string> Nothing = new() { ["HOME"] = "/home/someone" };

    [Fact]
    public void Flags_win_over_environment_and_environment_over_the_file()
    {
        var file = Path.Combine(RunningAgent.NewFolder(), "agent.json");
        File.WriteAllText(file, """{ "server": "file:1", "trust-domain": "file.example", "data-dir": "/file" }""");
        var environment = new Dictionary<string, string>
        {
            ["IDENTITY_AGENT_CONFIG"] = file,
            ["IDENTITY_AGENT_SERVER"] = "env:1",
            ["IDENTITY_AGENT_TRUST_DOMAIN"] = "env.example",
        };
        Assert.True(AgentOptions.TryRead(["--server", "flag:1"], environment, out var options, out var problem), problem);
        Assert.Equal(("flag:1", "env.example", "/file"), (options.Server, options.TrustDomain.Name, options.DataDirectory));
    }

    [Theory]
    [InlineData("""{ "server": "a:1", "server": "b:1" }""", "stands twice")]
    [InlineData("""{ "server": ["a:1"] }""", "must be a text")]
    [InlineData("""[ "server" ]""", "not a JSON object")]
    [InlineData("{", "not JSON at line 1")]
    [InlineData("""{ "sever": "a:1" }""", "the nearest is server")]
    public void A_file_that_cannot_be_understood_is_refused(string text, string problem)
    {
        var file = Path.Combine(RunningAgent.NewFolder(), "agent.json");
        File.WriteAllText(file, text);
        Assert.False(AgentOptions.TryRead(["--config", file], Nothing, out _, out var found));
        Assert.Contains(problem, found, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_variable_takes_nothing_from_the_file()
    {
        var file = Path.Combine(RunningAgent.NewFolder(), "agent.json");
        File.WriteAllText(file, """{ "server": "file:1" }""");
        var environment = new Dictionary<string, string>(Nothing) { ["IDENTITY_AGENT_SERVER"] = "" };
        Assert.True(AgentOptions.TryRead(["--config", file], environment, out var options, out var problem), problem);
        Assert.Equal("file:1", options.Server);
    }

    [Theory]
    [InlineData("--sever", "--server")]
    [InlineData("--join-token", "--join-token-file")]
    [InlineData("--trustdomain", "--trust-domain")]
    public void An_unknown_flag_is_answered_with_the_nearest_known(string wrong, string nearest)
    {
        Assert.False(AgentOptions.TryRead([wrong, "x"], Nothing, out _, out var problem));
        Assert.Contains(nearest, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--server", "nowhere")]
    [InlineData("--server", "host:0")]
    [InlineData("--trust-domain", "Example.org")]
    [InlineData("--trust-bundle", "/no/such/file")]
    [InlineData("--workload-socket", "relative.sock")]
    [InlineData("--config", "/no/such/file")]
    [InlineData("--workload-tcp-unidentified", "127.0.0.1")]
    [InlineData("--workload-tcp-unidentified", "0.0.0.0:8000")]
    [InlineData("--workload-tcp-unidentified", "192.0.2.1:8000")]
    [InlineData("--workload-tcp-unidentified", "localhost:8000")]
    [InlineData("--wit-svid", "yes")]
    public void A_value_that_cannot_be_used_is_named(string flag, string value)
    {
        Assert.False(AgentOptions.TryRead([flag, value], Nothing, out _, out var problem));
        Assert.Contains(value, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_too_long_for_a_socket_is_refused_before_anything_starts()
    {
        Assert.False(AgentOptions.TryRead(["--run-dir", "/" + new string('x', 100)], Nothing, out _, out var problem));
        Assert.Contains("107", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_that_is_left_over_is_replaced_and_one_in_use_is_not()
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "s.sock");
        var stale = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        stale.Bind(new UnixDomainSocketEndPoint(path));
        File.Move(path, path + ".kept"); // Disposing removes what it bound; a crash does not.
        stale.Dispose();
        File.Move(path + ".kept", path);

        using var listener = UnixListener.Bind(new UnixDomainSocketEndPoint(path), UnixListener.OwnerAndGroup);
        listener.Listen();
        Assert.Equal("770", AgentTestExtensions.ModeOf(path));
        var refused = Assert.Throws<StartRefusedException>(() => UnixListener.Bind(new UnixDomainSocketEndPoint(path), UnixListener.OwnerAndGroup));
        Assert.Contains("another process listens", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fifo_in_the_place_of_a_socket_is_refused_and_not_waited_for()
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "fifo");
        using (var making = System.Diagnostics.Process.Start("mkfifo", [path])) await making.WaitForExitAsync(TestContext.Current.CancellationToken);
        // On a thread of its own: nobody writes to it, ever.
        var binding = Task.Factory.StartNew(
            () => UnixListener.Bind(new UnixDomainSocketEndPoint(path), UnixListener.OwnerAndGroup), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => binding.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        Assert.Contains("not a socket", refused.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void A_link_in_the_place_of_a_socket_is_left_alone()
    {
        var folder = RunningAgent.NewFolder();
        var (path, target) = (Path.Combine(folder, "link"), Path.Combine(folder, "target"));
        File.WriteAllText(target, "precious");
        File.CreateSymbolicLink(path, target);
        Assert.Throws<StartRefusedException>(() => UnixListener.Bind(new UnixDomainSocketEndPoint(path), UnixListener.OwnerAndGroup));
        Assert.Equal(target, new FileInfo(path).LinkTarget);
        Assert.Equal("precious", File.ReadAllText(target));
    }

    [Fact]
    public void A_file_in_the_place_of_a_socket_is_left_alone()
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "precious");
        File.WriteAllText(path, "precious");
        Assert.Throws<StartRefusedException>(() => UnixListener.Bind(new UnixDomainSocketEndPoint(path), UnixListener.OwnerAndGroup));
        Assert.Equal("precious", File.ReadAllText(path));
    }
}
