using System.Collections;
using Identity.Server;
using Identity.Server.Endpoints;
using Xunit;

namespace Identity.Tests.Server.Endpoints;

public sealed class ServerSettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--data-dri x", "the nearest is --data-dir")]
    [InlineData("--trustdomain x", "the nearest is --trust-domain")]
    [InlineData("--listen", "--listen needs a value")]
    [InlineData("listen x", "is not a flag")]
    [InlineData("--listen a --listen b", "was given twice")]
    [InlineData("--config /does/not/exist", "does not exist")]
    public void Refuses_flags_nobody_knows(string flags, string problem) => Refuses(() => ServerSettings.Gather(flags.Split(' '), new Hashtable()), problem);

    [Fact]
    public void Refuses_a_misspelt_variable() => Refuses(
        () => ServerSettings.Gather([], new Hashtable { ["IDENTITYD_LISTN"] = "x" }), "IDENTITYD_LISTN is not a setting; the nearest is IDENTITYD_LISTEN");

    [Theory]
    [InlineData("""{ "listne": "127.0.0.1:1" }""", "the nearest is listen")]
    [InlineData("""{ "listen": { "port": 1 } }""", "must be a text")]
    [InlineData("{ not json", "cannot be read")]
    public void Refuses_a_file_it_does_not_understand(string text, string problem)
    {
        File.WriteAllText(_folder.At("c.json"), text);
        Refuses(() => ServerSettings.Gather(["--config", _folder.At("c.json")], new Hashtable()), problem);
    }

    [Fact]
    public void Prefers_flags_to_variables_to_the_file()
    {
        File.WriteAllText(_folder.At("c.json"), """{ "listen": "file", "trust-domain": "file", "nats-url": "file", "dns-name": ["a", "b"] }""");
        var settings = ServerSettings.Gather(
            ["--config", _folder.At("c.json"), "--listen=flag"],
            new Hashtable { ["IDENTITYD_LISTEN"] = "variable", ["IDENTITYD_TRUST_DOMAIN"] = "variable" });
        Assert.Equal(("flag", "variable", "file"), (settings["listen"], settings["trust-domain"], settings["nats-url"]));
        Assert.Equal(["a", "b"], ServerSettings.List(settings, "dns-name"));
    }

    [Theory]
    [InlineData("--trust-domain", "Example.org")]
    [InlineData("--listen", "localhost:8081")]
    [InlineData("--listen", "127.0.0.1")]
    [InlineData("--listen", "::1")]
    [InlineData("--listen", "::1:8081")]
    [InlineData("--listen", "[::1]")]
    [InlineData("--listen", "[::1]8081")]
    [InlineData("--istio-listen", "[::1]:99999")]
    [InlineData("--istio-listen", "127.0.0.1:99999")]
    [InlineData("--nats-url", "nats://127.0.0.1:4222")]
    [InlineData("--nats-url", "tls://user:secret@127.0.0.1:4222")]
    [InlineData("--dns-name", "not a name")]
    [InlineData("--selector-type", "not:a-type")]
    public void Refuses_values_that_make_no_sense(string flag, string value)
    {
        Assert.False(ServerOptions.TryRead(ServerSettings.Gather([flag, value], new Hashtable()), "/data", out _, out var problems));
        Assert.StartsWith(flag[2..], Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:8081")]
    [InlineData("0.0.0.0:0")]
    [InlineData("[::1]:8081")]
    [InlineData("[::]:8081")]
    [InlineData("[2001:db8::1]:443")]
    public void Listens_at_addresses_of_both_families(string text)
    {
        Assert.True(ServerOptions.TryRead(ServerSettings.Gather(["--listen", text, "--istio-listen", text], new Hashtable()), "/data", out var options, out var problems), string.Join(' ', problems));
        Assert.Equal((text, text), ($"{options.Listen}", $"{options.IstioListen}"));
    }

    [Fact]
    public void Needs_no_setting_at_all()
    {
        Assert.True(ServerOptions.TryRead(ServerSettings.Gather([], new Hashtable()), "/data", out var options, out _));
        Assert.Equal(("example.org", "127.0.0.1:8081", "/data/admin.sock"), (options.TrustDomain.Name, $"{options.Listen}", options.AdminSocket));
    }

    private static void Refuses(Action gather, string problem)
    {
        var refusal = Assert.Throws<CannotStartException>(gather);
        Assert.Equal(2, refusal.ExitCode);
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }
}
