using Spiffe.Net;

namespace Identity.Policy.Tests;

public sealed class NatsPermissionsTests
{
    private static readonly SpiffeId Listener = SpiffeId.Parse("spiffe://example.org/listener");

    private static readonly string Inbox = NatsPermissions.InboxPrefixOf(Listener) + ".>";

    private const string IsListener = "spiffeId: spiffe://example.org/listener";

    [Fact]
    public void No_rules_means_no_login()
    {
        var denied = Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(CapabilityPolicy.Empty, Listener, Samples.Now));
        Assert.Equal("nats login", Assert.Single(denied.Explanation.Refusals).Capability);
    }

    [Theory]
    [InlineData("", "natsSubscribe")]
    [InlineData("forbid|natsSubscribe: greetings.>", "natsSubscribe")]
    [InlineData("permit|natsPublish: greetings.>;forbid|natsPublish: greetings.>", "natsSubscribe")]
    [InlineData("forbid|natsSubscribe: login.>", "natsPublish")]
    public void The_smallest_grant_lets_a_login_in_and_gives_a_subject_that_is_nobody_elses(string rules, string kind)
    {
        var policy = Of(rules);
        var refused = Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Listener, Samples.Now)).Explanation;
        Assert.Equal("nats login", Assert.Single(refused.Refusals).Capability);
        var own = NatsPermissions.OwnSubjectOf(Listener);
        Assert.Contains($"- {kind}: {own}\n", refused.SmallestGrant, StringComparison.Ordinal);

        var mended = CapabilityPolicy.Create([.. policy.Documents, Samples.Document(refused.SmallestGrant!)], revision: 8);
        var allowed = Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(mended, Listener, Samples.Now));
        Assert.Equal(kind == "natsPublish" ? [own.Text] : [], allowed.Publish.Allow);
        Assert.Equal(kind == "natsPublish" ? [Inbox] : [Inbox, own.Text], allowed.Subscribe.Allow);
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(mended, Samples.Greeter, Samples.Now));
    }

    [Fact]
    public void Where_a_rule_forbids_every_subject_no_grant_helps_and_the_rule_is_named()
    {
        var refused = Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(Of("forbid|natsSubscribe: \">\";forbid|natsPublish: \">\""), Listener, Samples.Now)).Explanation;
        Assert.Null(refused.SmallestGrant);
        Assert.Equal(["", "sample/rule-0", "sample/rule-1"], refused.Refusals.Select(refusal => refusal.ForbiddenBy?.ToString() ?? ""));
    }

    private static CapabilityPolicy Of(string rules) => rules.Length == 0 ? CapabilityPolicy.Empty : Samples.Rules(
        [.. rules.Split(';').Select(rule => rule.Split('|')).Select(rule => (rule[0], IsListener, $"{{ {rule[1]} }}"))]);

    [Fact]
    public void A_subscriber_may_publish_nothing()
    {
        var allowed = For((IsListener, "natsSubscribe: greetings.>"));
        Assert.Empty(allowed.Publish.Allow);
        Assert.Equal([">"], allowed.Publish.Deny);
        Assert.Equal([Inbox, "greetings.>"], allowed.Subscribe.Allow);
        Assert.Empty(allowed.Subscribe.Deny);
    }

    [Fact]
    public void A_publisher_may_subscribe_to_its_own_inbox_only()
    {
        var allowed = For((IsListener, "natsPublish: greetings.hello"));
        Assert.Equal(["greetings.hello"], allowed.Publish.Allow);
        Assert.Equal([Inbox], allowed.Subscribe.Allow);
        Assert.Equal(["sample/rule-0"], allowed.DeterminingRules.Select(rule => rule.ToString()));
    }

    [Fact]
    public void An_inbox_is_private_and_valid_and_stable()
    {
        Assert.Equal("_INBOX.3b4caaa7719ece3a", NatsPermissions.InboxPrefixOf(Listener)[..23]);
        Assert.True(NatsSubject.TryParse(Inbox, out _, out _));
        Assert.NotEqual(NatsPermissions.InboxPrefixOf(Listener), NatsPermissions.InboxPrefixOf(Samples.Greeter));
    }

    [Fact]
    public void Wider_subjects_swallow_narrower_ones_and_the_answer_is_sorted()
    {
        var allowed = For((IsListener, "natsPublish: b.c"), (IsListener, "natsPublish: b.*"), (IsListener, "natsPublish: b.>"), (IsListener, "natsPublish: a"), (IsListener, "natsPublish: a"));
        Assert.Equal(["a", "b.>"], allowed.Publish.Allow);
    }

    [Fact]
    public void A_forbid_is_a_deny_where_it_overlaps_and_is_left_out_where_it_does_not()
    {
        var policy = Samples.Rules(
            ("permit", IsListener, "{ natsPublish: a.> }"), ("permit", IsListener, "{ natsPublish: payroll.salaries }"), ("permit", IsListener, "{ natsSubscribe: a.b }"),
            ("forbid", "spiffeIdPrefix: spiffe://example.org", "{ natsPublish: a.secret.* }, { natsPublish: payroll.> }, { natsPublish: z }"));

        var allowed = Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(policy, Listener, Samples.Now));

        Assert.Equal(["a.>"], allowed.Publish.Allow);
        Assert.Equal(["a.secret.*"], allowed.Publish.Deny);
        Assert.Empty(allowed.Subscribe.Deny);
    }

    [Fact]
    public void A_forbid_of_everything_denies_the_login()
    {
        var policy = Samples.Rules(("permit", IsListener, "{ natsPublish: a }"), ("forbid", IsListener, "{ natsPublish: \">\" }, { natsSubscribe: \">\" }"));
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Listener, Samples.Now));
    }

    [Fact]
    public void A_forbid_of_every_subscription_takes_the_inbox_too()
    {
        var allowed = Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(
            Samples.Rules(("permit", IsListener, "{ natsPublish: a }"), ("forbid", IsListener, "{ natsSubscribe: \">\" }")), Listener, Samples.Now));
        Assert.Equal(NatsSide.Nothing, allowed.Subscribe);
    }

    [Fact]
    public void A_rule_about_a_digest_or_a_host_does_not_speak_of_a_process()
    {
        var policy = Samples.Rules(($"permit", $"spiffeId: {Samples.Greeter}, digest: {Samples.Digest}, host: {Samples.Host}", "{ natsPublish: a }"));

        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Samples.Greeter, Samples.Now));
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Samples.Greeter, Samples.OtherDigest, Samples.Host, Samples.Now));
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Samples.Greeter, Samples.Digest, Listener, Samples.Now));
        Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(policy, Samples.Greeter, Samples.Digest, Samples.Host, Samples.Now));
    }

    [Theory]
    [InlineData(">")]
    [InlineData("*.b")]
    [InlineData("$SYS.REQ.USER.AUTH")]
    [InlineData("$JS.API.>")]
    [InlineData("_INBOX.>")]
    [InlineData("_INBOX.*.a")]
    [InlineData("_INBOX_mine.a")]
    [InlineData("_R_.>")]
    [InlineData("_R_.a")]
    [InlineData("_R_x")]
    [InlineData("_GR_.>")]
    [InlineData("_GR_.a.b")]
    public void A_subject_of_the_server_or_of_others_is_not_granted_even_by_a_rule_built_in_code(string subject)
    {
        var rule = Samples.Document(Samples.Source(("permit", IsListener, "start"))).Rules[0] with
        {
            Capabilities = [new Capability.NatsPublish(NatsSubject.Parse(subject)), new Capability.NatsSubscribe(NatsSubject.Parse(subject))],
        };
        var policy = CapabilityPolicy.Create([new PolicyDocument { Name = "code", Rules = [rule], Source = "" }], 1);
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(policy, Listener, Samples.Now));
    }

    [Fact]
    public void A_document_in_force_that_grants_what_cannot_be_granted_any_more_stays_readable_and_grants_the_rest_of_it()
    {
        var source = Samples.Source(("permit", IsListener, "{ natsSubscribe: _R_.> }, { natsPublish: _GR_.a }, { natsSubscribe: greetings.> }"), ("forbid", IsListener, "{ natsSubscribe: _R_.> }"));
        Assert.False(PolicyParser.TryParse(source, out _, out var problems));
        Assert.Equal(2, problems.Count);
        Assert.Contains("cannot be granted", problems[0].Text, StringComparison.Ordinal);

        var policy = CapabilityPolicy.FromSources([source], 1);
        Assert.Null(policy.Unreadable);
        var allowed = Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(policy, Listener, Samples.Now));
        Assert.Equal([Inbox, "greetings.>"], allowed.Subscribe.Allow);
        Assert.Empty(allowed.Publish.Allow);
    }

    [Fact]
    public void Refuses_a_login_whose_answer_would_be_huge()
    {
        var many = string.Join(", ", Enumerable.Range(0, 513).Select(i => $"{{ natsPublish: a.b{i} }}"));
        var denied = Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(Samples.Rules(("permit", IsListener, many)), Listener, Samples.Now));
        Assert.Contains("more than 512 subjects", Assert.Single(denied.Explanation.Refusals).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unreadable_policy_denies_the_login() =>
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(
            CapabilityPolicy.FromSources([Samples.Source(("permit", IsListener, "{ natsPublish: a }")), "?"], 1), Listener, Samples.Now));

    [Fact]
    public void Explains_a_publish_that_the_server_refuses_and_the_smallest_grant_turns_it()
    {
        var source = Samples.Source(("permit", IsListener, "{ natsPublish: greetings.hello }"));
        var salaries = NatsSubject.Parse("payroll.salaries");

        var explanation = NatsExplanation.WhyNot(Samples.Policy(source), Listener, NatsAction.Publish, salaries, Samples.Now);

        Assert.Equal("natsPublish payroll.salaries: no rule permits it; nearest is rule sample/rule-0, which grants natsPublish greetings.hello only", Assert.Single(explanation!.Refusals).ToString());
        Assert.Null(NatsExplanation.WhyNot(Samples.Policy(source, explanation.SmallestGrant!), Listener, NatsAction.Publish, salaries, Samples.Now));
    }

    [Fact]
    public void Explains_a_forbidden_subject_by_its_rule()
    {
        var policy = Samples.Rules(("permit", IsListener, "{ natsPublish: payroll.salaries }"), ("forbid", IsListener, "{ natsPublish: payroll.> }"));
        var explanation = NatsExplanation.WhyNot(policy, Listener, NatsAction.Publish, NatsSubject.Parse("payroll.salaries"), Samples.Now);
        Assert.Equal(new RuleReference("sample", "rule-1"), Assert.Single(explanation!.Refusals).ForbiddenBy);
        Assert.Null(explanation.SmallestGrant);
    }

    private static NatsPermissions.Allowed For(params (string Subject, string Capability)[] rules) => Assert.IsType<NatsPermissions.Allowed>(
        NatsPermissions.For(Samples.Rules([.. rules.Select(rule => ("permit", rule.Subject, $"{{ {rule.Capability} }}"))]), Listener, Samples.Now));
}
