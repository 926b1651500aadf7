using Identity.Testing.Platform;
using Identity.WasmHost;

namespace Identity.Tests.WasmHost;

public sealed class ComponentHostOptionsTests
{
    private static readonly string[] Enough = ["--broker-socket", "unix:///run/agent/broker.sock"];

    public static TheoryData<string, string[]> Mistakes => new()
    {
        { "--broker-sockte is not a setting; the nearest is --broker-socket", ["--broker-sockte", "unix:///a"] },
        { "--nats-url needs a value", [.. Enough, "--nats-url"] },
        { "\"greeter\" is not a flag", ["greeter"] },
        { "broker-socket is not set", [] },
        { "broker-socket: 'tcp://127.0.0.1:1' is not unix:///absolute/path", ["--broker-socket", "tcp://127.0.0.1:1"] },
        { "nats-url: 'nats://127.0.0.1:4222' is not tls://host:port", [.. Enough, "--nats-url", "nats://127.0.0.1:4222"] },
        { "nats-ca: there is no file '/nowhere/ca.pem'", [.. Enough, "--nats-ca", "/nowhere/ca.pem"] },
        { "component: 'Greeter=/bin/true' is not NAME=FILE", [.. Enough, "--component", "Greeter=/bin/true"] },
        { "component: 'greeter' is not NAME=FILE", [.. Enough, "--component", "greeter"] },
        { "component greeter: there is no file '/nowhere'", [.. Enough, "--component", "greeter=/nowhere"] },
        { "component a is named twice", [.. Enough, "--component", "a=/etc/hostname", "--component", "a=/etc/hostname"] },
        { "the configuration file /nowhere.json does not exist", [.. Enough, "--config", "/nowhere.json"] },
    };

    [Fact]
    public void Every_process_tells_its_settings_and_the_page_about_them_has_each()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "configuration.md"));
        var (agent, host, server) = (global::Identity.Agent.AgentOptions.Settings, ComponentHostOptions.Settings, global::Identity.Server.Endpoints.ServerSettings.Names);
        foreach (var (known, help) in ((IReadOnlyDictionary<string, string>, string)[])[(agent.Known, agent.Help("agent")), (host.Known, host.Help("host")), (server.Known, server.Help("server"))])
        {
            foreach (var (key, meaning) in known)
            {
                Assert.Contains($"  --{key} ", help, StringComparison.Ordinal);
                Assert.Contains(meaning, help, StringComparison.Ordinal);
                Assert.Contains($"`--{key}`", page, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Names_what_is_wrong_and_what_was_expected(string expected, string[] arguments)
    {
        Assert.False(Read(arguments, out _, out var problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tls://user:hunter2@127.0.0.1:4222")]
    [InlineData("nats://hunter2@127.0.0.1:4222")]
    public void Repeats_no_password_of_an_address(string url)
    {
        Assert.False(Read([.. Enough, "--nats-url", url], out _, out var problem));
        Assert.Contains("nats-url", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_an_unknown_variable_with_its_prefix()
    {
        var environment = new Dictionary<string, string> { ["IDENTITY_HOST_NATS_URI"] = "tls://127.0.0.1:4222" };
        Assert.False(ComponentHostOptions.TryRead(Enough, environment, out _, out var problem));
        Assert.Equal("IDENTITY_HOST_NATS_URI is not a setting; the nearest is IDENTITY_HOST_NATS_URL", problem);
    }

    [Fact]
    public void Takes_components_from_the_strongest_source_that_names_any()
    {
        var environment = new Dictionary<string, string>
        {
            ["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent/workload.sock",
            ["IDENTITY_HOST_COMPONENT"] = "a=/etc/hostname, b=/etc/hosts",
        };
        Assert.True(ComponentHostOptions.TryRead(Enough, environment, out var options, out var problem), problem);
        Assert.Equal(["a", "b"], options.Components.Select(component => component.Name));
        Assert.True(ComponentHostOptions.TryRead([.. Enough, "--component", "c=/etc/hostname"], environment, out options, out problem), problem);
        Assert.Equal(["c"], options.Components.Select(component => component.Name));
    }

    [Fact]
    public void Prefers_flags_over_variables()
    {
        var environment = new Dictionary<string, string>
        {
            ["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent/workload.sock",
            ["IDENTITY_HOST_TRUST_DOMAIN"] = "variable.example",
        };
        Assert.True(ComponentHostOptions.TryRead([.. Enough, "--trust-domain=flag.example"], environment, out var options, out _));
        Assert.Equal("flag.example", options.TrustDomain.Name);
        Assert.Null(options.Nats);
        Assert.Empty(options.Components);
    }

    private static bool Read(string[] arguments, out ComponentHostOptions? options, out string? problem) => ComponentHostOptions.TryRead(
        arguments, new Dictionary<string, string> { ["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent/workload.sock" }, out options, out problem);
}
