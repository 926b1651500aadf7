using Identity.Testing.Platform;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>Workloads written with go-spiffe against the shipped agent: what it serves is what go-spiffe accepts.</summary>
[Trait(Rule.Peer, "go-spiffe")]
public sealed class GoSpiffeTests(AgentFixture agent)
{
    [Fact]
    [Trait(Rule.Trait, "WLAPI-01")]
    [Trait(Rule.Trait, "WLAPI-04")]
    [Trait(Rule.Trait, "WLAPI-13")]
    [Trait(Rule.Trait, "WLAPI-24")]
    [Trait(Rule.Trait, "WLAPI-28")]
    public async Task A_go_spiffe_workload_fetches_validates_and_uses_its_SVIDs()
    {
        Peers.OrSkip(File.Exists(Peers.SvidClient), Peers.HowToGetGoSpiffe);
        var platform = await agent.PlatformAsync();
        var (code, output, error) = await LocalPlatform.RunAsync(
            Peers.SvidClient, ["spiffe://example.org/service"], platform.WorkloadEnvironment(), TestContext.Current.CancellationToken);
        Assert.True(code == 0, error);
        Assert.Equal(
            [
                "x509-svid spiffe://example.org/go-client certificates 2",
                "jwt-svid spiffe://example.org/go-client",
                "validated spiffe://example.org/go-client",
                "refused another audience",
                "mtls spiffe://example.org/go-client",
            ],
            output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>SPIKE's command line asks the Workload API who it is, and dials its server only if it may. Its server is not there: that is how far it gets.</summary>
    [Theory]
    [InlineData("example.org", "Failed to connect to SPIKE Nexus")]
    [InlineData("other.example", "you need a 'pilot' SPIFFE ID")]
    [Trait(Rule.Trait, "WLAPI-13")]
    public async Task SPIKE_learns_its_SPIFFE_ID_from_the_agent(string trustDomainOfPilots, string expected)
    {
        Peers.OrSkip(File.Exists(Peers.Spike), Peers.HowToGetGoSpiffe);
        var platform = await agent.PlatformAsync();
        var environment = platform.WorkloadEnvironment();
        environment["SPIKE_TRUST_ROOT_PILOT"] = trustDomainOfPilots;
        // A port that nobody listens on.
        environment["SPIKE_NEXUS_API_URL"] = $"https://127.0.0.1:{platform.Ports.Nats}";
        var (code, output, error) = await LocalPlatform.RunAsync(Peers.Spike, ["secret", "list"], environment, TestContext.Current.CancellationToken);
        Assert.True((output + error).Contains(expected, StringComparison.Ordinal), $"spike exited with {code}: {output}{error}");
    }
}
