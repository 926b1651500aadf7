using System.Collections;
using Identity.Server;
using Identity.Server.DecisionPoints;
using Identity.Server.Endpoints;

namespace Identity.Tests.Server.DecisionPoints;

public sealed class DecisionPointsOptionsTests
{
    [Fact]
    public void Everything_is_shut_by_default()
    {
        var options = Read().DecisionPoints;
        Assert.Null(options.AuthZen);
        Assert.Null(options.Admission);
        Assert.Null(options.WasmCloud);
        Assert.False(options.Clients.Contains(Spiffe.Net.SpiffeId.Parse("spiffe://example.org/x")));
    }

    [Theory]
    [InlineData("spiffe://example.org/gateways/edge", "spiffe://example.org/gateways/edge", true)]
    [InlineData("spiffe://example.org/gateways/edge", "spiffe://example.org/gateways/edge/x", false)]
    [InlineData("spiffe://example.org/gateways/*", "spiffe://example.org/gateways/edge", true)]
    [InlineData("spiffe://example.org/gateways/*", "spiffe://example.org/gateways", false)]
    [InlineData("spiffe://example.org/gateways/*", "spiffe://example.org/gateways2/edge", false)]
    [InlineData("spiffe://example.org/gateways/*", "spiffe://other.org/gateways/edge", false)]
    [InlineData("spiffe://example.org/*", "spiffe://example.org/x", true)]
    [InlineData("spiffe://example.org/*", "spiffe://example.org.evil.com/x", false)]
    public void Names_decision_clients_by_id_or_by_whole_segments(string setting, string id, bool named) =>
        Assert.Equal(named, Read("--decision-client", setting).DecisionPoints.Clients.Contains(Spiffe.Net.SpiffeId.Parse(id)));

    [Theory]
    [InlineData("decision-client", "edge")]
    [InlineData("decision-client", "spiffe://example.org")]
    [InlineData("decision-client", "spiffe://example.org/a*")]
    [InlineData("decision-client", "*")]
    [InlineData("authzen-listen", "127.0.0.1:8443")]
    [InlineData("authzen-listen", "https://localhost:8443")]
    [InlineData("authzen-listen", "https://127.0.0.1")]
    [InlineData("authzen-listen", "http://0.0.0.0:8180")]
    [InlineData("authzen-listen", "http://192.0.2.1:8180")]
    [InlineData("authzen-url", "http://pdp.example.org")]
    [InlineData("authzen-url", "https://pdp.example.org/")]
    [InlineData("authzen-url", "https://pdp.example.org/tenant")]
    [InlineData("authzen-url", "https://user@pdp.example.org")]
    [InlineData("authzen-url", "https://pdp.example.org?x")]
    [InlineData("admission-listen", "0.0.0.0")]
    [InlineData("admission-listen", "https://0.0.0.0:9443")]
    [InlineData("admission-certificate-file", "/tls.crt")]
    [InlineData("wasmcloud-nats-url", "http://127.0.0.1:4222")]
    [InlineData("wasmcloud-nats-url", "nats://nats.example.org:4222")]
    [InlineData("wasmcloud-nats-url", "tls://user:secret@127.0.0.1:4222")]
    [InlineData("wasmcloud-nats-url", "tls://127.0.0.1:4222")]
    [InlineData("wasmcloud-nats-certificate-file", "/tls.crt")]
    [InlineData("wasmcloud-policy-topic", "wasmcloud.policy")]
    [InlineData("wasmcloud-gate-prefix", "gate.runtime.host")]
    public void Refuses_settings_that_make_no_sense_or_would_be_open_to_strangers(string key, string value)
    {
        var problems = Problems($"--{key}", value);
        Assert.Contains(problems, problem => problem.Contains(key, StringComparison.Ordinal));
        Assert.DoesNotContain("secret", string.Join(' ', problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wasmcloud-policy-topic", "wasmcloud.>")]
    [InlineData("wasmcloud-policy-topic", "wasmcloud policy")]
    [InlineData("wasmcloud-policy-topic", "$SYS.REQ.USER.AUTH")]
    [InlineData("wasmcloud-policy-topic", "wasmcloud..policy")]
    [InlineData("wasmcloud-policy-changes-topic", "wasmcloud.policy")]
    [InlineData("wasmcloud-gate-prefix", "runtime.host")]
    [InlineData("wasmcloud-gate-prefix", "runtime")]
    [InlineData("wasmcloud-gate-prefix", "runtime.host.gate")]
    [InlineData("wasmcloud-host-prefix", "*.host")]
    [InlineData("wasmcloud-refusals-subject", ">")]
    public void Refuses_subjects_that_are_none_or_lie_in_each_other(string key, string value)
    {
        string[] others = key == "wasmcloud-policy-topic" ? [] : ["--wasmcloud-policy-topic", "wasmcloud.policy"];
        Assert.NotEmpty(Problems(["--wasmcloud-nats-url", "nats://127.0.0.1:4222", $"--{key}", value, .. others]));
    }

    [Fact]
    public void Takes_what_belongs_together()
    {
        var options = Read(
            "--wasmcloud-nats-url", "nats://127.0.0.1:4222", "--wasmcloud-policy-topic", "wasmcloud.policy", "--wasmcloud-policy-changes-topic", "wasmcloud.policy.changes",
            "--wasmcloud-gate-prefix", "gate.runtime.host", "--authzen-listen", "http://[::1]:8180", "--admission-listen", "0.0.0.0:9443").DecisionPoints;
        Assert.Equal(("wasmcloud.policy", "runtime.host"), (options.WasmCloud!.PolicyTopic, options.WasmCloud.HostPrefix));
        Assert.True(options.AuthZen!.IsPlain);
        Assert.Null(options.Admission!.CertificateFile);
    }

    private static ServerOptions Read(params string[] flags)
    {
        Assert.True(ServerOptions.TryRead(ServerSettings.Gather(flags, new Hashtable()), "/data", out var options, out var problems), string.Join("; ", problems));
        return options;
    }

    private static IReadOnlyList<string> Problems(params string[] flags)
    {
        Assert.False(ServerOptions.TryRead(ServerSettings.Gather(flags, new Hashtable()), "/data", out _, out var problems));
        return problems;
    }
}
