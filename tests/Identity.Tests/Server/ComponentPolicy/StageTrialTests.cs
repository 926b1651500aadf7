using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.NatsAuthCallout;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class StageTrialTests
{
    private static readonly SpiffeId Clerk = SpiffeId.Parse($"{Shop}/clerk");
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly CapabilityPolicy Current = Of(Permit("shop", capability: "{ natsPublish: orders.new }, { natsSubscribe: orders.done }"));

    [Theory]
    [InlineData("{ natsPublish: orders.new }, { natsSubscribe: orders.done }, { natsPublish: orders.more }", null)]
    [InlineData("{ natsPublish: orders.new }", "subscribe orders.done")]
    [InlineData("{ natsSubscribe: orders.done }", "publish orders.new")]
    [InlineData("start", "would be refused")]
    public void A_login_loses_nothing_unseen(string granted, string? why) => Says(why, Permit("shop", capability: granted));

    [Theory]
    [InlineData("{ natsPublish: orders.> }, { natsSubscribe: orders.* }", null)]
    [InlineData("{ natsPublish: orders.new }, { natsSubscribe: orders.done, queue: workers }", "subscribe orders.done")]
    public void Somebody_who_may_say_the_same_by_other_words_loses_nothing(string granted, string? why) => Says(why, Permit("shop", capability: granted));

    [Theory]
    [InlineData("natsRespond: { max: 5, within: 1m }", null)]
    [InlineData("natsRespond: { max: 9, within: 1h }", null)]
    [InlineData("natsRespond: { max: 4, within: 1m }", "max: 4")]
    [InlineData("natsRespond: { max: 5, within: 59s }", "59s")]
    [InlineData("{ natsSubscribe: orders.done }", "could answer no requests on NATS any more")]
    public void Nobody_loses_the_right_to_answer_unseen(string granted, string? why)
    {
        var current = Of(Permit("shop", capability: "{ natsSubscribe: orders.done }, { natsRespond: { max: 5, within: 1m } }"));
        var candidate = granted.StartsWith('{') ? granted : $"{{ natsSubscribe: orders.done }}, {{ {granted} }}";
        Says(current, why, Permit("shop", capability: candidate));
    }

    [Fact]
    public void A_forbid_beside_what_somebody_says_is_no_loss_and_one_that_is_there_already_is_none_either()
    {
        var current = Of(Permit("shop", capability: "{ natsPublish: orders.> }"), Forbid("guard", capability: "{ natsPublish: orders.secret.> }"));
        Says(current, null, [.. current.Documents.Select(document => document.Source), Forbid("more", capability: "{ natsPublish: parcels.> }")]);
        Says(current, null, [.. current.Documents.Select(document => document.Source), Forbid("more", capability: "{ natsPublish: orders.secret.keys }")]);
        Says(current, "orders.old", [.. current.Documents.Select(document => document.Source), Forbid("more", capability: "{ natsPublish: orders.old }")]);
    }

    [Fact]
    public void A_process_that_was_given_a_token_loses_it_only_by_a_forbid()
    {
        const string Vault = "https://vault.example.com";
        var current = Of(Permit("shop", capability: $"{{ audience: {Vault} }}"));
        Assert.Null(new StageTrial(current, Of(), narrows: true, touchesNats: true, Now).WhyDenied(Clerk, Vault, component: null));
        var forbidden = Of(Forbid("guard", capability: $"{{ audience: {Vault} }}"));
        Assert.Contains("guard/only", new StageTrial(current, forbidden, narrows: false, touchesNats: false, Now).WhyDenied(Clerk, Vault, component: null), StringComparison.Ordinal);
        Assert.Null(new StageTrial(forbidden, forbidden, narrows: false, touchesNats: false, Now).WhyDenied(Clerk, Vault, component: null));
        Assert.NotNull(new StageTrial(current, Of("kind: Nonsense"), narrows: true, touchesNats: true, Now).WhyDenied(Clerk, Vault, component: null));
    }

    [Fact]
    public void What_only_older_nats_servers_would_be_told_less_of_is_seen_and_a_group_beside_it_takes_nothing()
    {
        var current = Of(Permit("shop", capability: "{ natsSubscribe: orders.eu.new }"), Forbid("guard", capability: "{ natsSubscribe: orders.secret.> }"));
        Says(current, "would lose subscribe orders.eu.new on NATS, as nats-server before 2.11.16, and 2.12.0 to 2.12.6 are told",
            Permit("shop", capability: "{ natsSubscribe: orders.> }"), current.Documents.Single(document => document.Name == "guard").Source);
        Says(Current, null, Permit("shop", capability: "{ natsPublish: orders.new }, { natsSubscribe: orders.done }, { natsSubscribe: orders.>, queue: workers }"));
    }

    [Fact]
    public void A_component_that_was_given_a_token_needs_its_permit()
    {
        const string Vault = "https://vault.example.com";
        var current = Of(Permit("shop", capability: $"{{ audience: {Vault} }}"));
        Assert.Contains(Vault, new StageTrial(current, Of(), narrows: true, touchesNats: true, Now).WhyDenied(Clerk, Vault, Principal.Process(Clerk)), StringComparison.Ordinal);
        Assert.Null(new StageTrial(current, Of(), narrows: true, touchesNats: true, Now).WhyDenied(Clerk, "another", Principal.Process(Clerk)));
    }

    [Fact]
    public void A_forbid_within_what_a_login_may_say_is_seen() => Says("orders.new", Current.Documents[0].Source, Forbid("guard", capability: "{ natsPublish: orders.new }"));

    [Fact]
    public void A_forbid_that_means_somebody_else_is_not() =>
        Says(Current, null, Current.Documents[0].Source, Forbid("guard", "{ spiffeId: spiffe://example.org/components/bank }", "{ natsPublish: orders.new }"));

    [Fact]
    public void A_candidate_that_cannot_be_read_denies_everything() => Says("would be refused", "kind: Nonsense");

    private static void Says(string? expected, params string[] candidate) => Says(Current, expected, candidate);

    private static void Says(CapabilityPolicy current, string? expected, params string[] candidate)
    {
        var facts = new LoginFacts(current, new TrustBundleSet(), _ => new LoginStanding.Workload(), 1);
        var why = new StageTrial(current, Of(candidate), narrows: true, touchesNats: true, Now).WhyDenied(Clerk, facts);
        if (expected is null) Assert.Null(why);
        else Assert.Contains(expected, why, StringComparison.Ordinal);
    }

    private static CapabilityPolicy Of(params string[] sources) => CapabilityPolicy.FromSources(sources, 1);
}
