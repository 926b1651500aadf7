// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using Identity.Policy;
using Identity.Server.DecisionPoints;
using Identity.Server.NatsAuthCallout;
using Identity.Tests.Server.NatsAuthCallout;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Answer = Identity.Server.DecisionPoints.Answer;
using Decision = Identity.V1.Decision;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;
using Principal = Identity.Policy.Principal;
using ShadowOutcome = Identity.V1.ShadowOutcome;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy suggest --denied</c> where rules in modes warn and shadow had a say.</summary>
public sealed class PolicySuggestModesTests : IAsyncLifetime
{
    private const string All = "# Everything that was seen and can be granted is granted already.\n";

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task What_only_a_permit_in_mode_warn_allowed_is_needed_when_that_is_gone()
    {
        await _cli.AppliedAsync(Open("warn"), Permit("shop", capability: Narrow));
        Assert.True(Decide("natsPublish orders.old").Allowed);
        Assert.True(Decide("natsPublish orders.new").Allowed);

        var (output, least) = (await SuggestAsync(), _cli.Write("least.yaml", await SuggestAsync()));
        Assert.StartsWith("# as if open/all were gone, which permits in mode warn\n", output, StringComparison.Ordinal);
        Assert.EndsWith($"    subjects:\n      - spiffeId: {Cart}\n    capabilities:\n      - natsPublish: orders.old\n", output, StringComparison.Ordinal);

        // With it in force the wide one is needed no more.
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", least)).Code);
        await _cli.AppliedAsync(Open("off"));
        Assert.True(Decide("natsPublish orders.old").Allowed);
        Assert.False(Decide("natsPublish orders.other").Allowed);
        await _cli.AppliedAsync(Open("warn"));
        Assert.DoesNotContain("orders.old", await SuggestAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_denied_before_a_permit_in_mode_warn_came_is_needed_still()
    {
        await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        Assert.False(Decide("natsPublish orders.old").Allowed);
        await _cli.AppliedAsync(Open("warn"));
        Assert.Contains("- natsPublish: orders.old\n", await SuggestAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_with_a_permit_in_mode_warn_is_read_as_if_that_were_gone_too()
    {
        var (code, output, error) = await RunOfflineAsync("policy", "suggest", _cli.Write("open.yaml", Open("warn")), "--seen", _cli.Write("seen.txt", $"{Cart} natsPublish orders.old\n"));
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains("# as if open/all were gone", output, StringComparison.Ordinal);
        Assert.Contains("- natsPublish: orders.old\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shadow")]
    [InlineData("warn")]
    public async Task What_only_a_forbid_would_take_is_said_and_not_granted_twice(string mode)
    {
        await _cli.AppliedAsync(Permit("shop", capability: Narrow), Forbid(mode));
        Assert.True(Decide("natsPublish orders.new").Allowed);
        Assert.Equal($"# no grant keeps: {Cart}: natsPublish orders.new (rule later/none would forbid it if it were enforced)\n{All}", await SuggestAsync());

        // It is gone with the rule.
        await _cli.AppliedAsync(Forbid("off"));
        Assert.Equal(All, await SuggestAsync());
    }

    [Fact]
    public async Task What_one_rule_permits_for_now_and_another_will_forbid_is_granted_and_said()
    {
        await _cli.AppliedAsync(Open("warn"), Forbid("shadow"));
        Assert.True(Decide("natsPublish orders.new").Allowed);
        var output = await SuggestAsync();
        Assert.Contains($"# no grant keeps: {Cart}: natsPublish orders.new (rule later/none", output, StringComparison.Ordinal);
        Assert.Contains("- natsPublish: orders.new\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_permit_in_mode_shadow_permits_nothing_so_what_it_would_have_is_needed()
    {
        await _cli.AppliedAsync(Open("shadow"));
        var answer = Decide("natsPublish orders.old");
        Assert.Equal("open/all", Assert.Single(_cli.Server.Decisions.TryGet(answer.DecisionId)!.Shadow).Rule);
        Assert.False(answer.Allowed);
        Assert.Contains("- natsPublish: orders.old\n", await SuggestAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_with_a_warning_is_granted_to_the_bytes_that_started()
    {
        var digest = ComponentDigest.Of("cart"u8).Text;
        await _cli.AppliedAsync(Open("warn").Replace(Wide, "{ import: wasi:io/*@0.2.0 }", StringComparison.Ordinal));
        _cli.Server.Decisions.Record(new Decision
        {
            Kind = DecisionKind.ComponentStart,
            Proven = true,
            Allowed = true,
            Subject = Cart,
            ComponentDigest = digest,
            Warnings = { new Reason { Capability = "wasi:io/poll@0.2.0", Rule = "open/all", Explanation = new RuleWarning("", default) { IsPermit = true }.Text } },
        });
        Assert.EndsWith($"        digest: {digest}\n    capabilities:\n      - import: wasi:io/poll@0.2.0\n", await SuggestAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_to_NATS_says_that_it_does_not_say_what_it_needs()
    {
        using var world = new CalloutWorld(TimeProvider.System.GetUtcNow());
        using var nats = new FakeNatsServer();
        var open = $"kind: CapabilityPolicy\nname: open\nrules:\n  - {{ name: all, effect: permit, mode: warn, subjects: [{{ spiffeId: {CalloutWorld.Subscriber} }}], capabilities: [{{ natsPublish: greetings.> }}] }}\n";
        await _cli.AppliedAsync(open);
        world.Policy = TestPolicy.Of(open);
        var stranger = SpiffeId.Parse("spiffe://example.org/stranger");
        Assert.True(LogIn(world, nats, CalloutWorld.Subscriber));
        Assert.False(LogIn(world, nats, stranger));

        Assert.Equal(
            $"# not granted: {stranger}: a login on NATS was refused, and a login does not say which subjects it needs; write them (natsPublish, natsSubscribe), or name them with --seen\n"
            + $"# not granted: {CalloutWorld.Subscriber}: logged in on NATS with natsPublish greetings.> (open/all), and a login does not say which of the subjects it uses; write them, or name them with --seen\n{All}",
            await SuggestAsync());

        // As it says: written by hand, there is nothing more to say.
        await _cli.AppliedAsync(
            $"kind: CapabilityPolicy\nname: least\nrules:\n  - {{ name: all, effect: permit, subjects: [{{ spiffeId: {CalloutWorld.Subscriber} }}, {{ spiffeId: {stranger} }}], capabilities: [{{ natsPublish: greetings.> }}] }}\n");
        Assert.Equal(All, await SuggestAsync());
    }

    [Fact]
    public async Task A_token_that_a_process_may_have_without_a_permit_is_not_granted_because_a_rule_watches_it()
    {
        await _cli.AppliedAsync("kind: CapabilityPolicy\nname: later\nrules:\n  - { name: none, effect: forbid, mode: shadow, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ audience: https://vault.example.com }] }\n");
        _cli.Server.Decisions.Record(new Decision
        {
            Kind = DecisionKind.WorkloadSvid,
            Proven = true,
            Allowed = true,
            Subject = Cart,
            Shadow = { new ShadowOutcome { Rule = "later/none", Capability = "audience https://vault.example.com" } },
        });
        var output = await SuggestAsync();
        Assert.StartsWith("# no grant keeps: ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("kind: CapabilityPolicy", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("warn", true)]
    [InlineData("off", false)]
    public async Task What_may_be_anybodys_is_counted_and_not_granted(string mode, bool isAllowed)
    {
        await _cli.AppliedAsync(Open(mode));
        Assert.Equal(isAllowed, Decide("natsPublish orders.old", DoorName.WasmCloudPolicyService).Allowed);
        Assert.False(DecideSeveral(DoorName.WasmCloudInterposer).Allowed);
        // As they were told before each reason said whom it is about.
        _cli.Server.Decisions.Record(WithoutPrincipals(_cli.Server.Decisions.List(1, deniedOnly: true)[0]));
        var output = await SuggestAsync();
        Assert.Contains("# not granted: 2 decisions were asked for at doors that prove nobody", output, StringComparison.Ordinal);
        Assert.Contains("# not granted: 1 decision was about several identities", output, StringComparison.Ordinal);
        Assert.EndsWith(All, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_several_components_of_a_workload_were_denied_each_is_granted_by_itself()
    {
        await _cli.AppliedAsync(Permit("shop", $"{{ spiffeId: {Cart} }}", "start"));
        Assert.False(DecideSeveral(DoorName.Grpc).Allowed);
        var output = await SuggestAsync();
        Assert.Contains($"      - spiffeId: {Cart}\n    capabilities:\n      - natsPublish: orders.new\n", output, StringComparison.Ordinal);
        Assert.Contains($"      - spiffeId: {Cart}2\n    capabilities:\n      - natsPublish: orders.old\n      - start\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("not granted", output, StringComparison.Ordinal);

        // Two that may be anybody's are one decision.
        Assert.False(DecideSeveral(DoorName.WasmCloudInterposer).Allowed);
        Assert.Contains("# not granted: 1 decision was asked for at doors that prove nobody", await SuggestAsync(), StringComparison.Ordinal);

        // With it in force there is nothing left to grant.
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", _cli.Write("least.yaml", output))).Code);
        Assert.True(DecideSeveral(DoorName.Grpc).Allowed);
    }

    [Fact]
    public async Task What_rules_in_modes_warn_and_shadow_say_of_several_is_said_of_each()
    {
        await _cli.AppliedAsync(Open("warn").Replace($"[{Wide}]", $"[start, {Wide}]", StringComparison.Ordinal), $"kind: CapabilityPolicy\nname: later\nrules:\n  - {{ name: none, effect: forbid, mode: shadow, subjects: [{{ spiffeId: {Cart} }}], capabilities: [{Narrow}] }}\n");
        Assert.True(DecideSeveral(DoorName.Grpc).Allowed);
        var output = await SuggestAsync();
        Assert.Contains($"# no grant keeps: {Cart}: natsPublish orders.new (rule later/none would forbid it if it were enforced)\n", output, StringComparison.Ordinal);
        Assert.Contains($"      - spiffeId: {Cart}2\n    capabilities:\n      - natsPublish: orders.old\n      - start\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("not granted", output, StringComparison.Ordinal);
    }

    // A workload of two components.
    private Answer DecideSeveral(DoorName door) => _cli.Server.Service<DecisionPoint>().Decide(
        [
            new(Principal.Process(SpiffeId.Parse(Cart)), [CapabilityRequest.Parse("start"), CapabilityRequest.Parse("natsPublish orders.new")]),
            new(Principal.Process(SpiffeId.Parse($"{Cart}2")), [CapabilityRequest.Parse("start"), CapabilityRequest.Parse("natsPublish orders.old")]),
        ],
        new Asking(door));

    private static Decision WithoutPrincipals(Decision decision)
    {
        foreach (var reason in decision.Reasons.Concat(decision.Warnings)) reason.Principal = "";
        foreach (var shadow in decision.Shadow) shadow.Principal = "";
        return decision;
    }

    private Answer Decide(string request, DoorName door = DoorName.Grpc) =>
        _cli.Server.Service<DecisionPoint>().Decide(Principal.Process(SpiffeId.Parse(Cart)), [CapabilityRequest.Parse(request)], door);

    private bool LogIn(CalloutWorld world, FakeNatsServer nats, SpiffeId id)
    {
        var now = TimeProvider.System.GetUtcNow();
        var judgement = world.Responder.Judge(nats.Sealed(world, nats.Request(world, world.Token(id, now), now)), nats.Curve.GetPublicKey(), world.Facts, now, jitter: 0);
        _cli.Server.Decisions.Record(judgement switch
        {
            CalloutJudgement.Admitted admitted => LoginDecision.Of(admitted, 1, world.Responder.OwnId),
            CalloutJudgement.Refused refused => LoginDecision.Of(refused, 1, world.Responder.OwnId, now),
            _ => throw new InvalidOperationException("the login was not answered"),
        });
        return judgement is CalloutJudgement.Admitted;
    }

    private async Task<string> SuggestAsync()
    {
        var (code, output, error) = await _cli.RunAsync("policy", "suggest", "--denied");
        Assert.True(code == ExitCode.Ok, error);
        return output;
    }

    private static string Open(string mode) => $"kind: CapabilityPolicy\nname: open\nrules:\n  - {{ name: all, effect: permit, mode: {mode}, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{Wide}] }}\n";

    private static string Forbid(string mode) => $"kind: CapabilityPolicy\nname: later\nrules:\n  - {{ name: none, effect: forbid, mode: {mode}, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{Narrow}] }}\n";
}
