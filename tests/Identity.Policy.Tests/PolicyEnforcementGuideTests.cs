using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>The example of docs/policy-enforcement.md does what the page says.</summary>
public sealed partial class PolicyEnforcementGuideTests
{
    private const string Consumer = "wasmcloud:messaging/consumer@0.2.0";

    private static readonly SpiffeId Courier = SpiffeId.Parse("spiffe://example.org/components/courier");

    private readonly CapabilityPolicy _policy = Samples.Policy(Example().Match(File.ReadAllText(Samples.RepositoryFile("docs/policy-enforcement.md"))).Groups[1].Value);

    [Fact]
    public void The_courier_starts_with_the_function_it_is_granted_and_may_be_run()
    {
        var admitted = Assert.IsType<Decision.Admitted>(Decide("publish"));
        Assert.Equal(["publish"], Assert.Single(admitted.Grants).Functions);
        Assert.Equal("run", Assert.Single(admitted.Exports).Import);
        var nats = Assert.IsType<NatsPermissions.Allowed>(admitted.Nats);
        Assert.Contains("parcels.sent", nats.Publish.Allow);
        Assert.Contains("$JS.API.CONSUMER.MSG.NEXT.ORDERS.courier", nats.Publish.Allow);
        Assert.Contains("$JS.API.DIRECT.GET.KV_settings.$KV.settings.courier.>", nats.Publish.Allow);
        Assert.DoesNotContain("$JS.API.STREAM.INFO.KV_settings", nats.Publish.Allow);
    }

    [Fact]
    public void A_function_that_is_not_granted_refuses_the_start_and_is_named()
    {
        var denied = Assert.IsType<Decision.Denied>(Decide("publish", "request"));
        Assert.StartsWith($"{Consumer}#request: no rule permits it", denied.Refusals[0].ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("audience https://vault.example.com", true)]
    [InlineData("audience https://bank.example.com", false)]
    [InlineData("export #run", true)]
    [InlineData("export #init", false)]
    public void What_it_may_ask_and_what_may_be_called(string request, bool allowed) =>
        Assert.Equal(allowed, PolicyDecision.Decide(_policy, Principal.Component(Courier, Samples.Digest, Samples.Host), CapabilityRequest.Parse(request), Samples.Now).Allowed);

    private Decision Decide(params string[] functions) => ComponentAdmission.Decide(
        _policy,
        new ComponentStart(Courier, Samples.Host, Samples.Digest, "courier", new ComponentImports([new ComponentImport(Consumer, ImportKind.Instance, [.. functions])])
        {
            Exports = [new ComponentExport("run", ImportKind.Function, ImmutableArray<string>.Empty)],
        }),
        Samples.Now);

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();
}
