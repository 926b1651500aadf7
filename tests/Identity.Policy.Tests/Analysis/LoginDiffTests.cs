using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What a difference tells of NATS logins, beside what it tells right by right.</summary>
public sealed class LoginDiffTests
{
    private const string Shop = "spiffeId: spiffe://example.org/shop";
    private const string Answers = "{ natsRespond: { max: 1, within: 1m } }";
    private const string Everyone = "spiffeIdPrefix: spiffe://example.org";

    [Fact]
    public void A_permit_that_takes_a_star_away_takes_it_from_the_login()
    {
        var (before, after) = (Policy(Permit(Shop, "{ natsSubscribe: orders.* }")), Policy(Permit(Shop, "{ natsSubscribe: orders.* }"), Permit(Everyone, "{ natsSubscribe: orders.new.items }")));
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        // Everybody else is let in for the first time.
        Assert.Equal(["spiffe://example.org/…: natsSubscribe orders.new.items", "spiffe://example.org/…: NATS login: subscribe _INBOX.….>"], diff.Gained.Select(change => change.ToString()));
        Assert.Empty(diff.On([Of("shop")]).Gained.Where(impact => impact.Change.Login is not null));
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
        Assert.True(lost.Login is { IsWhole: true, Subjects.Length: 513 });
        Assert.Equal("subscribe _INBOX.….>", lost.Login!.Subjects[^1]);
        Assert.StartsWith("spiffe://example.org/shop: NATS login, refused whole where it names too many subjects: publish orders.0, ", lost.ToString(), StringComparison.Ordinal);
        Assert.EndsWith(" and 509 more", lost.ToString(), StringComparison.Ordinal);
        Assert.Equal(["natsPublish more.x", "NATS login: subscribe _INBOX.….>"], diff.Gained.Select(change => change.What));
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(after, lost.Example!.Principal, lost.Example.At));
    }

    // Of a few dozen patterns that overlap in all ways nobody counts the parts; that they are too many is said within the bounds of work, not after minutes.
    [Theory(Timeout = 60_000)]
    [InlineData(30, 60)]
    [InlineData(60, 60)]
    public async Task Patterns_that_overlap_without_end_are_undecided_in_time(int permits, int forbids)
    {
        string[] Patterns(int count, int named)
        {
            var found = new List<string>();
            for (var mask = 0; found.Count < count; mask++)
            {
                if (int.PopCount(mask) == named) found.Add("t." + string.Join('.', Enumerable.Range(0, 13).Select(i => (mask >> i & 1) == 1 ? "a" : "*")) + ".>");
            }

            return [.. found];
        }

        var granted = Permit(Shop, string.Join(", ", Patterns(permits, 3).Select(one => $"{{ natsSubscribe: '{one}' }}")));
        var before = Policy(granted, Forbid(Everyone, string.Join(", ", Patterns(forbids, 4).Select(one => $"{{ natsSubscribe: '{one}', queue: q }}"))));
        var diff = await Task.Run(() => PolicyDiff.Between(before, Policy(granted), Samples.Now), TestContext.Current.CancellationToken);
        Assert.False(diff.IsEmpty);
        Assert.False(diff.IsComplete);
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
        // Nothing else was granted, so nobody is let in any more.
        Assert.Equal(
            ["spiffe://example.org/shop: NATS login: publish $JS.API.STREAM.INFO.ORDERS", "spiffe://example.org/shop: NATS login: subscribe _INBOX.….>"], diff.Lost.Select(change => change.ToString()));
    }

    [Fact]
    public void Who_is_let_in_for_the_first_time_has_an_inbox_and_may_answer_where_that_was_permitted()
    {
        var (before, after) = (Policy(Permit(Everyone, Answers)), Policy(Permit(Everyone, Answers), Permit(Shop, "{ natsPublish: orders.new }")));
        var login = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained, change => change.Login is not null);
        Assert.Equal("spiffe://example.org/shop: NATS login: answer requests, subscribe _INBOX.….>", login.ToString());
        Assert.Equal("natsRespond", login.Example!.Request.ToString());
        Assert.Equal("spiffe://example.org/shop: NATS login: answer requests, subscribe _INBOX.….>", Assert.Single(PolicyDiff.Between(after, before, Samples.Now).Lost, change => change.Login is not null).ToString());

        // Where answers come with it they are a right that is gained.
        var both = PolicyDiff.Between(Policy(), after, Samples.Now).Gained;
        Assert.Equal(["natsRespond 1 1m", "natsPublish orders.new", "NATS login: subscribe _INBOX.….>"], both.Select(change => change.What));

        // Who was let in before, by whatever, gains no inbox.
        var second = Policy(Permit(Everyone, Answers), Permit(Shop, "{ natsSubscribe: orders.done }"), Permit(Everyone, "{ natsPublish: '$JS.x' }"));
        Assert.All(PolicyDiff.Between(second, Policy(Permit(Everyone, Answers), Permit(Shop, "{ natsPublish: orders.new }")), Samples.Now).Gained, change => Assert.Null(change.Login));
    }

    [Fact]
    public void What_only_older_servers_are_not_told_is_told()
    {
        var after = Policy(Permit(Shop, "{ natsSubscribe: orders.> }, { natsSubscribe: orders.eu.new }"), Forbid(Shop, "{ natsSubscribe: orders.us.> }"));
        var before = Policy(Permit(Shop, "{ natsSubscribe: orders.> }, { natsSubscribe: orders.eu.new }"), Forbid(Shop, "{ natsSubscribe: orders.us.> }"), Permit(Shop, "{ natsSubscribe: orders.ca.new }"));
        // To whom all of orders is permitted, one of them more is nothing to a current server.
        var lost = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Lost);
        Assert.True(lost.Login!.IsOnOlder);
        Assert.Equal($"spiffe://example.org/shop: NATS login at {NatsServerKinds.OlderVersions}: subscribe orders.ca.new", lost.ToString());
        Assert.Equal(["spiffe://example.org/shop"], PolicyDiff.Between(before, after, Samples.Now).On([Of("shop"), Of("bank")]).Lost.Select(impact => impact.Principal.Id.ToString()));
        Assert.Empty(PolicyDiff.Between(before, after, Samples.Now).Gained);
    }

    [Fact]
    public void Each_who_is_let_in_is_shown_its_own_inbox()
    {
        var impact = PolicyDiff.Between(Policy(), Policy(Permit(Everyone, "{ natsPublish: orders.new }")), Samples.Now).On([Of("shop"), Of("bank")]);
        Assert.Equal(
            ["shop", "bank"], impact.Gained.Where(gained => gained.Change.Login is not null).Select(gained => (gained.Principal, gained.Request.ToString()) switch
            {
                var (who, request) when request == $"natsSubscribe {NatsPermissions.InboxPrefixOf(who.Id)}.x" => who.Id.Path[1..],
                var (_, request) => request,
            }));
    }

    [Fact]
    public void Whose_inbox_is_forbidden_by_its_name_alone_is_not_guessed()
    {
        string Named(string name) => $"{{ natsSubscribe: {NatsPermissions.InboxPrefixOf(Of(name).Id)}.x }}";
        var before = Policy(Permit(Everyone, "{ natsPublish: orders.new }"));
        Assert.False(PolicyDiff.Between(before, Policy(Permit(Everyone, "{ natsPublish: orders.new }"), Forbid(Everyone, Named("shop"))), Samples.Now).IsComplete);
        Assert.True(PolicyDiff.Between(before, Policy(Permit(Everyone, "{ natsPublish: orders.new }"), Forbid(Shop, Named("bank"))), Samples.Now) is { IsComplete: true, Gained: [], Lost: [] });
        Assert.False(PolicyDiff.Between(before, Policy(Permit(Everyone, "{ natsPublish: orders.new }"), Forbid(Shop, Named("shop"))), Samples.Now).IsEmpty);
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
        AssertPlain(PolicyDiff.Between(both, one, Samples.Now).Lost, 1);
        Assert.Empty(PolicyDiff.Between(both, one, Samples.Now).Gained);
        AssertPlain(PolicyDiff.Between(both, Policy(), Samples.Now).Lost, 2);
        AssertPlain(PolicyDiff.Between(one, Policy(Permit(Shop, first), Forbid(Everyone, first)), Samples.Now).Lost, 1);

        // Beside it only that nobody is let in any more.
        static void AssertPlain(IEnumerable<AuthorityChange> changes, int count)
        {
            Assert.Equal(count, changes.Count(change => change.Kind == AuthorityChangeKind.Authority));
            Assert.All(changes.Where(change => change.Kind != AuthorityChangeKind.Authority), change => Assert.Equal("NATS login: subscribe _INBOX.….>", change.What));
        }
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
