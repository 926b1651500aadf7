// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using Identity.Policy;
using Identity.Server.DecisionPoints;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy suggest</c>: the least that would have been enough.</summary>
public sealed class PolicySuggestCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Suggest_writes_what_the_server_denied_and_it_turns_the_answer()
    {
        await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var asked = CapabilityRequest.Parse("natsPublish orders.old");
        var point = _cli.Server.Service<DecisionPoint>();
        Assert.False(point.Decide(Principal.Process(SpiffeId.Parse(Cart)), [asked], DoorName.Grpc).Allowed);

        var (code, output, _) = await _cli.RunAsync("policy", "suggest", "--denied", "--name", "shop-more");

        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("natsPublish: orders.old", output, StringComparison.Ordinal);
        Assert.DoesNotContain("orders.new", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", _cli.Write("more.yaml", output))).Code);
        Assert.True(point.Decide(Principal.Process(SpiffeId.Parse(Cart)), [asked], DoorName.Grpc).Allowed);
        Assert.StartsWith("# Everything that was seen", (await _cli.RunAsync("policy", "suggest", "--denied")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(DoorName.WasmCloudPolicyService), false)]
    [InlineData(nameof(DoorName.WasmCloudInterposer), false)]
    [InlineData(nameof(DoorName.KubernetesAdmission), false)]
    [InlineData(nameof(DoorName.KubernetesAdmission), true)]
    public async Task Suggest_grants_nothing_that_a_stranger_asked_for_unless_told_to(string door, bool isProven)
    {
        await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var asking = new Asking(Enum.Parse<DoorName>(door)) { IsProven = isProven };
        Assert.False(_cli.Server.Service<DecisionPoint>().Decide(Principal.Process(SpiffeId.Parse(Cart)), [CapabilityRequest.Parse("natsPublish bank.transfer")], asking).Allowed);

        var (code, output, _) = await _cli.RunAsync("policy", "suggest", "--denied");

        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal(isProven, output.Contains("bank.transfer", StringComparison.Ordinal));
        Assert.Equal(!isProven, output.Contains("# not granted: 1 decision was asked for at doors that prove nobody", StringComparison.Ordinal));
        Assert.Contains("natsPublish: bank.transfer", (await _cli.RunAsync("policy", "suggest", "--denied", "--unproven")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Suggest_writes_what_a_component_file_needs_to_start()
    {
        var component = _cli.Write("probe.wasm", ProbeComponent.Bytes);
        var (code, output, error) = await CliServer.RunOfflineAsync("policy", "suggest", "--component", $"{Cart}={component}");
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains(Cart, output, StringComparison.Ordinal);
        Assert.True(PolicyParser.TryParse(output, out _, out _), output);
        Assert.Contains($"digest: {ComponentDigest.Of(ProbeComponent.Bytes).Text}\n", output, StringComparison.Ordinal);
        Assert.EndsWith("    capabilities:\n      - export: '#run'\n      - import: 'acme:probe/store@1.0.0#get'\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "nothing was seen")]
    [InlineData(ExitCode.Usage, "no file '/no/such.wasm'", "--component", "/no/such.wasm")]
    [InlineData(ExitCode.Refused, "is not a component", "--component", "spiffe://example.org/a=/etc/hostname")]
    [InlineData(ExitCode.Unavailable, "no server answers", "--denied")]
    public async Task Suggest_says_what_is_missing(int expected, string problem, params string[] arguments)
    {
        var (code, _, error) = await CliServer.RunOfflineAsync(["policy", "suggest", .. arguments]);
        Assert.Equal(expected, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }
}
