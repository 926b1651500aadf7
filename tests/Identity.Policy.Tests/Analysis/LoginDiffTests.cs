using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What a difference tells of NATS logins, beside what it tells right by right.</summary>
public sealed class LoginDiffTests
{
    private const string Shop = "spiffeId: spiffe://example.org/shop";
    private const string Everyone = "spiffeIdPrefix: spiffe://example.org";

    [Fact]
    public void A_permit_that_takes_a_star_away_takes_it_from_the_login()
    {
        var (before, after) = (Policy(Permit(Shop, "{ natsSubscribe: orders.* }")), Policy(Permit(Shop, "{ natsSubscribe: orders.* }"), Permit(Everyone, "{ natsSubscribe: orders.new.items }")));
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        Assert.Equal(AuthorityChangeKind.Authority, Assert.Single(diff.Gained).Kind);
        var lost = Assert.Single(diff.Lost);
        Assert.Equal("spiffe://example.org/shop: NATS login: subscribe orders.*", lost.ToString());
        Assert.Equal(("p/r1", "p/r0"), (lost.Rule.ToString(), Assert.Single(lost.Beside).Rule.ToString()));
        Assert.Equal(("natsSubscribe orders.x", "spiffe://example.org/shop"), (lost.Example!.Request.ToString(), lost.Example.Principal.Id.ToString()));
        Assert.Equal(["spiffe://example.org/shop"], diff.On([Of("shop"), Of("bank")]).Lost.Select(impact => impact.Principal.Id.ToString()));

        // And back: the login says more.
        Assert.True(PolicyDiff.Widens(after, before, Samples.Now));
        Assert.Equal("spiffe://example.org/shop: NATS login: subscribe orders.*", Assert.Single(PolicyDiff.Between(after, before, Samples.Now).Gained).ToString());
    }

    [Fact]
    public void A_forbid_of_one_key_takes_reading_of_all_from_the_login()
    {
        const string Bucket = "{ bucket: carts, access: [read, write] }";
        var diff = PolicyDiff.Between(Policy(Permit(Shop, Bucket)), Policy(Permit(Shop, Bucket), Forbid(Shop, "{ bucket: carts, keys: secret, access: [read] }")), Samples.Now);
        var lost = Assert.Single(diff.Lost, change => change.Kind == AuthorityChangeKind.Login);
        Assert.Equal(["publish $JS.API.DIRECT.GET.KV_carts.$KV.carts.> without $JS.API.DIRECT.GET.KV_carts.$KV.carts.secret"], lost.Login!.Subjects);
        Assert.Contains(diff.Lost, change => change is { Kind: AuthorityChangeKind.Authority, What: "bucket carts/secret read" });
        Assert.Empty(diff.Gained);
    }

    [Fact]
    public void A_login_with_one_subject_too_many_is_lost_whole()
    {
        string Subjects(int count) => string.Join(", ", Enumerable.Range(0, count).Select(number => $"{{ natsPublish: orders.{number} }}"));
        var (before, after) = (Policy(Permit(Shop, Subjects(512))), Policy(Permit(Shop, Subjects(512)), Permit(Everyone, "{ natsPublish: more.x }")));
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        var lost = Assert.Single(diff.Lost);
        Assert.True(lost.Login is { IsWhole: true, Subjects.Length: 512 });
        Assert.StartsWith("spiffe://example.org/shop: NATS login, refused whole where it names too many subjects: publish orders.0, ", lost.ToString(), StringComparison.Ordinal);
        Assert.EndsWith(" and 508 more", lost.ToString(), StringComparison.Ordinal);
        Assert.Equal("natsPublish more.x", Assert.Single(diff.Gained).What);
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(after, lost.Example!.Principal, lost.Example.At));
    }

    [Fact]
    public void A_forbid_that_reaches_where_replies_arrive_is_told()
    {
        var diff = PolicyDiff.Between(Policy(Permit(Shop, "{ natsPublish: orders.new }")), Policy(Permit(Shop, "{ natsPublish: orders.new }"), Forbid(Everyone, "{ natsSubscribe: '>' }")), Samples.Now);
        var lost = Assert.Single(diff.Lost);
        Assert.Equal("spiffe://example.org/shop: NATS login: subscribe _INBOX.….>", lost.ToString());
        Assert.Equal($"natsSubscribe {NatsPermissions.InboxPrefixOf(Of("shop").Id)}.x", lost.Example!.Request.ToString());
        Assert.Empty(diff.Gained);
    }

    [Fact]
    public void A_forbid_to_publish_everything_is_told_of_what_reaches_JetStream()
    {
        var diff = PolicyDiff.Between(Policy(Permit(Shop, "{ stream: ORDERS, access: [info] }")), Policy(Permit(Shop, "{ stream: ORDERS, access: [info] }"), Forbid(Shop, "{ natsPublish: '>' }")), Samples.Now);
        Assert.Equal("spiffe://example.org/shop: NATS login: publish $JS.API.STREAM.INFO.ORDERS", Assert.Single(diff.Lost).ToString());
    }

    [Fact]
    public void It_begins_when_a_rule_ends()
    {
        PolicyRule[] Rules(DateTimeOffset? end) =>
        [
            new() { Name = "star", Effect = RuleEffect.Permit, Subjects = [new PolicySubject { SpiffeId = Of("shop").Id }], Capabilities = [Capability.Parse("natsSubscribe orders.*")] },
            new() { Name = "below", Effect = RuleEffect.Permit, Subjects = [new PolicySubject { SpiffeId = Of("shop").Id }], Capabilities = [Capability.Parse("natsSubscribe orders.new.items")], Expires = end },
        ];
        var end = Samples.Now.AddHours(1);
        var gained = Assert.Single(PolicyDiff.Between(SmallWorld.Policy(Rules(null)), SmallWorld.Policy(Rules(end)), Samples.Now).Gained);
        Assert.Equal((AuthorityChangeKind.Login, end), (gained.Kind, gained.Example!.At));
    }

    [Theory]
    [InlineData("{ natsPublish: orders.new }", "{ natsSubscribe: orders.> }")]
    [InlineData("{ natsSubscribe: orders.* }", "{ natsSubscribe: bills.new.items }")]
    [InlineData("{ bucket: carts, access: [read] }", "{ stream: ORDERS, access: [read] }")]
    public void What_single_rights_explain_is_not_told_again(string first, string second)
    {
        var (both, one) = (Policy(Permit(Shop, first), Permit(Everyone, second)), Policy(Permit(Shop, first)));
        Assert.Equal(AuthorityChangeKind.Authority, Assert.Single(PolicyDiff.Between(both, one, Samples.Now).Lost).Kind);
        Assert.Empty(PolicyDiff.Between(both, one, Samples.Now).Gained);
        Assert.All(PolicyDiff.Between(both, Policy(), Samples.Now).Lost, change => Assert.Equal(AuthorityChangeKind.Authority, change.Kind));
        Assert.All(PolicyDiff.Between(one, Policy(Permit(Shop, first), Forbid(Everyone, first)), Samples.Now).Lost, change => Assert.Equal(AuthorityChangeKind.Authority, change.Kind));
    }

    [Fact]
    public void What_too_much_work_leaves_open_counts_as_a_change_of_both_directions()
    {
        var (before, after) = (Policy(Permit(Shop, "{ natsSubscribe: orders.* }")), Policy(Permit(Shop, "{ natsSubscribe: orders.* }"), Permit(Everyone, "{ natsSubscribe: orders.new.items }")));
        var diff = PolicyDiff.Between(before, after, Samples.Now, work: 0);
        Assert.False(diff.IsComplete);
        Assert.Contains(diff.Lost, change => change is { Kind: AuthorityChangeKind.Undecided, What: "NATS login" });
        Assert.Contains(diff.Gained, change => change is { Kind: AuthorityChangeKind.Undecided, What: "NATS login" });
    }

    private static Principal Of(string name) => new() { Id = SpiffeId.Parse($"spiffe://example.org/{name}") };

    private static string Permit(string subject, string capabilities) => $"effect: permit, subjects: [{{ {subject} }}], capabilities: [{capabilities}]";

    private static string Forbid(string subject, string capabilities) => $"effect: forbid, subjects: [{{ {subject} }}], capabilities: [{capabilities}]";

    private static CapabilityPolicy Policy(params string[] rules) => CapabilityPolicy.FromSources(
        rules.Length == 0 ? [] : [$"kind: CapabilityPolicy\nname: p\nrules:\n{string.Concat(rules.Select((rule, number) => $"- {{ name: r{number}, {rule} }}\n"))}"], 1);
}
