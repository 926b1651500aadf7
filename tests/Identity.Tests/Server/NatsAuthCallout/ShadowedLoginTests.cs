using Identity.Server.NatsAuthCallout;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>A login's decision says what rules in modes shadow and warn would make of it. That it is counted: <see cref="NatsLoginBackendTests"/>.</summary>
public sealed class ShadowedLoginTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly CalloutWorld _world = new(Now);
    private readonly FakeNatsServer _server = new();

    [Fact]
    public void A_login_that_a_forbid_would_cost_a_subject_is_let_in_and_says_so()
    {
        _world.Policy = TestPolicy.Of(CalloutWorld.Rules + Rule("forbid", "shadow", "natsPublish: greetings.hello") + Rule("forbid", "warn", "natsSubscribe: greetings.bye"));
        var login = Assert.IsType<CalloutJudgement.Admitted>(Judge(CalloutWorld.Subscriber));
        Assert.Equal(["greetings.>"], login.Publish.Allow);
        Assert.Empty(login.Publish.Deny);

        var decision = LoginDecision.Of(login, 1, _world.Responder.OwnId);

        var outcome = Assert.Single(decision.Shadow);
        Assert.Equal(("nats/forbid-shadow", "natsPublish greetings.hello", false), (outcome.Rule, outcome.Capability, outcome.WouldAllow));
        var warning = Assert.Single(decision.Warnings);
        Assert.Equal(("nats/forbid-warn", "natsSubscribe greetings.bye", "would forbid it if it were enforced"), (warning.Rule, warning.Capability, warning.Explanation));
    }

    [Fact]
    public void A_login_that_a_permit_would_let_in_is_refused_and_says_so()
    {
        _world.Policy = TestPolicy.Of("kind: CapabilityPolicy\nname: nats\nrules:\n" + Rule("permit", "shadow", "natsPublish: greetings.hello").TrimStart('\n'));
        var refused = Assert.IsType<CalloutJudgement.Refused>(Judge(CalloutWorld.Subscriber));
        Assert.Equal(LoginRefusal.Policy, refused.Cause);
        var outcome = Assert.Single(LoginDecision.Of(refused, 1, _world.Responder.OwnId, Now).Shadow);
        Assert.Equal(("nats/permit-shadow", true), (outcome.Rule, outcome.WouldAllow));
    }

    [Fact]
    public void A_component_is_meant_by_the_digest_of_its_admission()
    {
        var digest = Identity.Policy.ComponentDigest.Of("greeter"u8);
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(digest, SpiffeId.Parse("spiffe://example.org/hosts/local"));
        var rule = Rule("forbid", "shadow", "natsPublish: greetings.hello");
        _world.Policy = TestPolicy.Of(CalloutWorld.Rules + rule.Replace("spiffeIdPrefix: spiffe://example.org", $"digest: {digest.Text}", StringComparison.Ordinal));
        Assert.Single(LoginDecision.Of(Assert.IsType<CalloutJudgement.Admitted>(Judge(CalloutWorld.Greeter)), 1, _world.Responder.OwnId).Shadow);
        Assert.Empty(LoginDecision.Of(Assert.IsType<CalloutJudgement.Admitted>(Judge(CalloutWorld.Subscriber)), 1, _world.Responder.OwnId).Shadow);
    }

    [Fact]
    public void Who_has_no_standing_is_told_nothing_of_rules()
    {
        _world.Policy = TestPolicy.Of(CalloutWorld.Rules + Rule("forbid", "shadow", "natsPublish: greetings.hello"));
        _world.Standings[CalloutWorld.Subscriber] = new LoginStanding.Refused("it is banned");
        Assert.Empty(LoginDecision.Of(Assert.IsType<CalloutJudgement.Refused>(Judge(CalloutWorld.Subscriber)), 1, _world.Responder.OwnId, Now).Shadow);
    }

    public void Dispose()
    {
        _world.Dispose();
        _server.Dispose();
    }

    private CalloutJudgement Judge(SpiffeId id) => _world.Responder.Judge(
        _server.Sealed(_world, _server.Request(_world, _world.Token(id, Now), Now)), _server.Curve.GetPublicKey(), _world.Facts, Now, jitter: 0);

    private static string Rule(string effect, string mode, string capability) =>
        $"\n  - {{ name: {effect}-{mode}, effect: {effect}, mode: {mode}, subjects: [{{ spiffeIdPrefix: spiffe://example.org }}], capabilities: [{{ {capability} }}] }}";
}
