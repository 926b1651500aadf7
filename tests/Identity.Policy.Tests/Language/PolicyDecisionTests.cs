using Spiffe.Net;

namespace Identity.Policy.Tests.Language;

public sealed class PolicyDecisionTests
{
    private static readonly Principal Greeter = Principal.Component(Samples.Greeter, Samples.Digest, Samples.Host);

    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";

    [Fact]
    public void The_default_decision_says_no() => Assert.Equal((false, RefusalReason.NotGranted), (default(CapabilityDecision).Allowed, default(CapabilityDecision).Reason));

    [Fact]
    public void Without_rules_nothing_is_allowed()
    {
        foreach (var thing in PlainMeaning.Things) Assert.False(PolicyDecision.Decide(CapabilityPolicy.Empty, Greeter, CapabilityRequest.Parse(thing), Samples.Now).Allowed);
    }

    [Fact]
    public void A_forbid_by_a_name_holds_where_names_are_untold_also_when_no_signer_is()
    {
        var forbid = Samples.Rules(("permit", IsGreeter, "start"), ("forbid", "signer: release@example.org", "start"));
        var untold = Greeter with { Signers = default, Unknown = PrincipalAttributes.NamedSigner };
        Assert.False(PolicyDecision.Decide(forbid, untold, CapabilityRequest.Parse("start"), Samples.Now).Allowed);
        Assert.True(PolicyDecision.Decide(forbid, Greeter with { Signers = [], Unknown = PrincipalAttributes.None }, CapabilityRequest.Parse("start"), Samples.Now).Allowed);
    }

    // Every attribute: has it, has another, is known to have none, is not told.
    [Theory]
    [InlineData("digest: {digest}", PrincipalAttributes.Digest)]
    [InlineData("signer: release@example.org", PrincipalAttributes.Signer)]
    [InlineData("image: ghcr.io/acme/shop:1.0", PrincipalAttributes.Image)]
    [InlineData("imagePrefix: ghcr.io/acme", PrincipalAttributes.Image)]
    [InlineData("host: spiffe://example.org/hosts/local", PrincipalAttributes.Host)]
    [InlineData("hostPrefix: spiffe://example.org/hosts", PrincipalAttributes.Host)]
    [InlineData("namespace: shop", PrincipalAttributes.Namespace)]
    [InlineData("lattice: default", PrincipalAttributes.Lattice)]
    public void A_permit_needs_the_attribute_and_a_forbid_gives_way_only_to_another(string subject, PrincipalAttributes attribute)
    {
        subject = subject.Replace("{digest}", Samples.Digest.Text, StringComparison.Ordinal);
        var permit = Samples.Rules(("permit", subject, "start"));
        var forbid = Samples.Rules(("permit", IsGreeter, "start"), ("forbid", subject, "start"));
        var has = new Principal
        {
            Id = Samples.Greeter,
            Digest = Samples.Digest,
            Signers = [SignerName.Parse("other"), SignerName.Parse("release@example.org")],
            Image = ImageReference.Parse("ghcr.io/acme/shop:1.0"),
            Host = Samples.Host,
            Namespace = "shop",
            Lattice = "default",
        };
        var another = new Principal
        {
            Id = Samples.Greeter,
            Digest = Samples.OtherDigest,
            Signers = [SignerName.Parse("other")],
            Image = ImageReference.Parse("ghcr.io/acme2/shop:1.0"),
            Host = SpiffeId.Parse("spiffe://example.org/hosts2/local"),
            Namespace = "shop2",
            Lattice = "default2",
        };
        var none = new Principal { Id = Samples.Greeter };

        Assert.Equal((true, false, false, false), (Starts(permit, has), Starts(permit, another), Starts(permit, none), Starts(permit, has with { Unknown = attribute })));
        Assert.Equal((false, true, true, false), (Starts(forbid, has), Starts(forbid, another), Starts(forbid, none), Starts(forbid, none with { Unknown = attribute })));
        Assert.Equal(attribute, Decide(forbid, "start", none with { Unknown = attribute }).Untold);
        Assert.Equal(PrincipalAttributes.None, Decide(forbid, "start", has).Untold);
    }

    [Fact]
    public void A_refusal_for_what_was_not_told_says_what()
    {
        var forbid = Samples.Rules(("permit", IsGreeter, "start"), ("forbid", $"digest: {Samples.OtherDigest}, namespace: shop", "start"));
        var refusal = Assert.Single(Explain(forbid, "start", new Principal { Id = Samples.Greeter, Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Namespace }).Refusals);
        Assert.Equal((RefusalReason.Forbidden, PrincipalAttributes.Digest | PrincipalAttributes.Namespace), (refusal.Reason, refusal.Untold));
        Assert.Contains("whether it means this caller depends on its digest and namespace, which were not told", refusal.Detail, StringComparison.Ordinal);

        var permit = Samples.Rules(("permit", $"{IsGreeter}, signer: release@example.org", "start"));
        var miss = Assert.Single(Explain(permit, "start", Greeter).Refusals);
        Assert.Equal((PrincipalAttributes.Signer, "depends on the caller's signers, which were not told"), (miss.Untold, miss.NearestMiss?.Lacks));
    }

    [Theory]
    [InlineData("ghcr.io/acme/shop:1.0", "ghcr.io/acme/shop:1.0", true)]
    [InlineData("ghcr.io/acme/shop:1.0", "ghcr.io/acme/shop:1.0@{digest}", false)]
    [InlineData("ghcr.io/acme/shop@{digest}", "ghcr.io/acme/shop:1.0@{digest}", true)]
    [InlineData("ghcr.io/acme/shop@{digest}", "ghcr.io/acme/shop:1.0@{other}", false)]
    [InlineData("ghcr.io/acme/shop:1.0@{digest}", "ghcr.io/acme/shop:1.1@{digest}", true)]
    [InlineData("ghcr.io/acme/shop:1.0@{digest}", "ghcr.io/acme/shop:1.0@{other}", false)]
    [InlineData("ghcr.io/acme/shop:1.0@{digest}", "ghcr.io/acme/shop:1.0", false)]
    public void An_image_is_what_the_rule_states_of_it(string rule, string image, bool means)
    {
        var (stated, actual) = (Fill(rule), ImageReference.Parse(Fill(image)));
        Assert.Equal(means, Starts(Samples.Rules(("permit", $"image: {stated}", "start")), new Principal { Id = Samples.Greeter, Image = actual }));

        static string Fill(string text) => text.Replace("{digest}", Samples.Digest.Text, StringComparison.Ordinal).Replace("{other}", Samples.OtherDigest.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_forbid_of_a_digest_holds_for_an_image_that_does_not_say_its_digest()
    {
        var policy = Samples.Rules(("permit", IsGreeter, "start"), ("forbid", $"image: ghcr.io/acme/shop@{Samples.Digest}", "start"));
        Assert.False(Starts(policy, new Principal { Id = Samples.Greeter, Image = ImageReference.Parse("ghcr.io/acme/shop:1.0") }));
        Assert.True(Starts(policy, new Principal { Id = Samples.Greeter, Image = ImageReference.Parse($"ghcr.io/acme/shop:1.0@{Samples.OtherDigest}") }));
    }

    [Theory]
    [InlineData("import: wasi:http/outgoing-handler@0.2.3", "import wasi:http/outgoing-handler")]
    [InlineData("import: wasi:http/*@0.2.0", "import wasi:http/outgoing-handler")]
    [InlineData("import: wasi:http/outgoing-handler@1.0.0#handle", "import wasi:http/outgoing-handler")]
    [InlineData("import: wasi:http/outgoing-handler@1.0.0#handle", "import wasi:http/outgoing-handler#handle")]
    [InlineData("export: wasi:http/incoming-handler@0.2.0", "export wasi:http/incoming-handler#handle")]
    public void A_forbid_of_some_version_is_not_evaded_by_naming_none(string forbidden, string asked)
    {
        var policy = Samples.Rules(("permit", IsGreeter, "import: wasi:http/outgoing-handler"), ("permit", IsGreeter, "export: wasi:http/incoming-handler"), ("forbid", IsGreeter, forbidden));
        var decision = PolicyDecision.Decide(policy, Greeter, CapabilityRequest.Parse(asked), Samples.Now);
        Assert.Equal((false, RefusalReason.Forbidden), (decision.Allowed, decision.Reason));
        var untold = Samples.Rules(("permit", IsGreeter, "import: wasi:http/outgoing-handler"), ("permit", IsGreeter, "export: wasi:http/incoming-handler"), ("forbid", "signer: somebody", forbidden));
        Assert.False(PolicyDecision.Decide(untold, Greeter with { Unknown = PrincipalAttributes.Signer }, CapabilityRequest.Parse(asked), Samples.Now).Allowed);
    }

    [Theory]
    [InlineData("import: wasi:http/types@0.2.0")]
    [InlineData("import: wasi:https/*@0.2.0")]
    [InlineData("import: wasi:http/outgoing-handler@0.2.0#other")]
    public void A_forbid_of_something_else_leaves_it(string forbidden)
    {
        var policy = Samples.Rules(("permit", IsGreeter, "import: wasi:http/outgoing-handler"), ("forbid", IsGreeter, forbidden));
        Assert.True(PolicyDecision.Decide(policy, Greeter, CapabilityRequest.Parse("import wasi:http/outgoing-handler#handle"), Samples.Now).Allowed);
    }

    [Fact]
    public void A_permit_of_one_version_is_none_for_whoever_names_no_version()
    {
        var policy = Samples.Rules(("permit", IsGreeter, "import: wasi:http/outgoing-handler@0.2.0"));
        var miss = Assert.Single(Explain(policy, "import wasi:http/outgoing-handler", Greeter).Refusals);
        Assert.Equal("grants wasi:http/outgoing-handler@0.2.0, and none was asked for by version", miss.NearestMiss?.Lacks);
    }

    [Fact]
    public void A_label_means_those_it_is_assigned_to_in_any_document_and_nobody_else()
    {
        const string Labels = "kind: CapabilityPolicy\nname: teams\nlabels:\n  - { name: team, value: shop, subjects: [{ spiffeIdPrefix: spiffe://example.org/components, namespace: shop }, { spiffeId: spiffe://example.org/cart }] }\n"
            + "  - { name: tier, value: gold, subjects: [{ hostPrefix: spiffe://example.org/hosts }] }\nrules:\n  - { name: none, effect: forbid, subjects: [{ lattice: none }], capabilities: [start] }\n";
        var shop = Samples.Policy(Labels, Samples.Source(("permit", "labels: { team: shop }", "start")));
        var gold = Samples.Policy(Labels, Samples.Source(("permit", "labels: { team: shop, tier: gold }", "start")));
        var missing = Samples.Policy(Labels, Samples.Source(("permit", "labels: { team: nobody }", "start")));
        var inShop = new Principal { Id = Samples.Greeter, Namespace = "shop", Lattice = "x" };

        Assert.True(Starts(shop, inShop));
        Assert.True(Starts(shop, inShop with { Id = SpiffeId.Parse("spiffe://example.org/cart"), Namespace = null }));
        Assert.False(Starts(shop, inShop with { Namespace = "other" }));
        Assert.False(Starts(gold, inShop));
        Assert.True(Starts(gold, inShop with { Host = Samples.Host }));
        Assert.False(Starts(missing, inShop));
        Assert.All(gold.Clauses, clause => Assert.Empty(clause.Subject.Labels));
    }

    [Fact]
    public void A_forbid_about_a_label_holds_when_the_label_cannot_be_told()
    {
        var policy = Samples.Policy(
            "kind: CapabilityPolicy\nname: p\nlabels: [{ name: tier, value: bad, subjects: [{ namespace: bad }] }]\nrules:\n"
            + $"  - {{ name: a, effect: permit, subjects: [{{ {IsGreeter} }}], capabilities: [start] }}\n  - {{ name: b, effect: forbid, subjects: [{{ labels: {{ tier: bad }} }}], capabilities: [start] }}\n");
        Assert.False(Starts(policy, Greeter));
        Assert.True(Starts(policy, Greeter with { Unknown = PrincipalAttributes.None, Namespace = "good" }));
    }

    [Fact]
    public void Labels_that_multiply_beyond_bounds_make_a_policy_that_denies_everything_and_says_so()
    {
        var many = string.Join(", ", Enumerable.Range(0, 500).Select(i => $"{{ namespace: n{i} }}"));
        var hosts = string.Join(", ", Enumerable.Range(0, 500).Select(i => $"{{ lattice: l{i} }}"));
        var policy = Samples.Policy(
            $"kind: CapabilityPolicy\nname: p\nlabels: [{{ name: a, value: a, subjects: [{many}] }}, {{ name: b, value: b, subjects: [{hosts}] }}]\nrules:\n"
            + $"  - {{ name: a, effect: permit, subjects: [{{ {IsGreeter} }}], capabilities: [start] }}\n  - {{ name: b, effect: forbid, subjects: [{{ labels: {{ a: a, b: b }} }}], capabilities: [start] }}\n");
        Assert.Contains("more than 200000 combinations", policy.Unreadable, StringComparison.Ordinal);
        Assert.Empty(policy.Clauses);
        Assert.Equal(RefusalReason.PolicyUnreadable, Decide(policy, "start", Greeter).Reason);
    }

    [Fact]
    public void The_answer_lasts_until_the_last_permit_ends()
    {
        static string Ends(string name, string effect) => Samples.Source(("permit", IsGreeter, "start")).Replace("name: sample", $"name: {name}", StringComparison.Ordinal).Replace("effect: permit", effect, StringComparison.Ordinal);
        var soon = Ends("a", "effect: permit, reason: r, expires: 2026-11-22T13:00:00Z");
        var later = Ends("b", "effect: permit, reason: r, expires: 2026-11-22T14:00:00Z");
        Assert.Equal(Samples.Now.AddHours(2), Decide(Samples.Policy(soon, later), "start", Greeter).ValidUntil);
        Assert.Null(Decide(Samples.Policy(soon, Ends("c", "effect: permit")), "start", Greeter).ValidUntil);
    }

    [Theory]
    [InlineData("off", false, null, null)]
    [InlineData("shadow", false, null, true)]
    [InlineData("warn", true, "sample/rule-0", null)]
    [InlineData("enforce", true, null, null)]
    public void A_permit_in_each_mode(string mode, bool allowed, string? warning, bool? shadow)
    {
        var decision = Decide(InMode(mode, ("permit", IsGreeter, "start")), "start", Greeter);
        Assert.Equal((allowed, warning, shadow), (decision.Allowed, decision.Warning?.ToString(), decision.ShadowAllowed));
        Assert.Equal(shadow is null ? null : "sample/rule-0", decision.ShadowRule?.ToString());
    }

    [Theory]
    [InlineData("off", true, null, null)]
    [InlineData("shadow", true, null, false)]
    [InlineData("warn", true, "sample/rule-1", null)]
    [InlineData("enforce", false, null, null)]
    public void A_forbid_in_each_mode(string mode, bool allowed, string? warning, bool? shadow)
    {
        var source = Samples.Source(("permit", IsGreeter, "start"), ("forbid", IsGreeter, "start")).Replace("effect: forbid", $"effect: forbid, mode: {mode}", StringComparison.Ordinal);
        var decision = Decide(Samples.Policy(source), "start", Greeter);
        Assert.Equal((allowed, warning, shadow), (decision.Allowed, decision.Warning?.ToString(), decision.ShadowAllowed));
        Assert.Equal(shadow is null ? null : "sample/rule-1", decision.ShadowRule?.ToString());
    }

    [Fact]
    public void An_explanation_says_what_permits_and_what_warn_and_shadow_rules_have_to_say()
    {
        var source = Samples.Source(("permit", IsGreeter, "start"), ("forbid", IsGreeter, "start"), ("forbid", IsGreeter, "{ import: a:b/c }"));
        var warned = Explain(Samples.Policy(source.Replace("name: rule-1, effect: forbid", "name: rule-1, effect: forbid, mode: warn", StringComparison.Ordinal)), "start", Greeter);
        Assert.Empty(warned.Refusals);
        Assert.Equal(["start: rule sample/rule-0 permits it", "start: warning, rule sample/rule-1 would forbid it if it were enforced"], warned.Notes);

        var shadowed = Explain(Samples.Policy(source.Replace("name: rule-1, effect: forbid", "name: rule-1, effect: forbid, mode: shadow", StringComparison.Ordinal)), "start", Greeter);
        Assert.Contains("start: rule sample/rule-1 would forbid it if it were enforced; it is in mode shadow", shadowed.ToText(), StringComparison.Ordinal);
    }

    // One permit for each kind that nearly matches: what the refusal says of it.
    [Theory]
    [InlineData("export a:b/c#g", "{ export: \"a:b/c#f\" }", "grants a:b/c#f only")]
    [InlineData("import a:b/c@0.2.0#g", "{ import: \"a:b/c@0.2.0#f\" }", "grants a:b/c@0.2.0#f only")]
    [InlineData("natsSubscribe a.b q", "{ natsSubscribe: a.b, queue: r }", "grants natsSubscribe a.b r only")]
    [InlineData("stream ORDERS purge", "{ stream: ORDERS, access: [read] }", "grants stream ORDERS read only")]
    [InlineData("consumer ORDERS/w manage", "{ consumer: ORDERS/w, access: [consume] }", "grants consumer ORDERS/w consume only")]
    [InlineData("bucket settings/a write", "{ bucket: settings, access: [read] }", "grants bucket settings/> read only")]
    [InlineData("connect api.example.com:443", "{ connect: api.example.com:80 }", "grants connect api.example.com:80 only")]
    [InlineData("connect 10.0.0.1:443", "{ connect: \"*:443\" }", "grants connect *:443 only")]
    [InlineData("resolve api.example.com", "{ resolve: example.com }", "grants resolve example.com only")]
    [InlineData("config db/host", "{ config: cache/* }", "grants config cache/* only")]
    [InlineData("secret db", "{ secret: db/* }", "grants secret db/* only")]
    [InlineData("audience b", "{ audience: a }", "grants audience a only")]
    [InlineData("mount /var/data", "{ mount: /var/data/* }", "grants mount /var/data/* only")]
    [InlineData("natsRespond", "start", "grants other things only")]
    [InlineData("start", "{ audience: a }", "grants other things only")]
    public void A_refusal_of_any_kind_names_the_nearest_rule_and_the_smallest_grant(string asked, string granted, string lacks)
    {
        var policy = Samples.Rules(("permit", IsGreeter, granted));
        var explanation = Explain(policy, asked, Greeter);
        Assert.Equal(lacks, Assert.Single(explanation.Refusals).NearestMiss?.Lacks);

        var grant = explanation.SmallestGrant!;
        Assert.Contains(Samples.Digest.Text, grant, StringComparison.Ordinal);
        var widened = CapabilityPolicy.Create([.. policy.Documents, Samples.Document(grant)], 2);
        Assert.True(Decide(widened, asked, Greeter).Allowed);
        Assert.False(Decide(widened, asked, Greeter with { Digest = Samples.OtherDigest }).Allowed);
        Assert.Equal(2, widened.Clauses.Count());
    }

    [Fact]
    public void One_grant_for_several_callers_gives_each_what_it_asked_for_and_no_more()
    {
        var other = Greeter with { Id = SpiffeId.Parse("spiffe://example.org/components/other"), Digest = Samples.OtherDigest };
        var (a, b) = (CapabilityRequest.Parse("audience a"), CapabilityRequest.Parse("audience b"));
        var grant = PolicyDecision.SmallestGrant(CapabilityPolicy.Empty, [(Greeter, a), (other, b), (Greeter, a)]);

        var policy = CapabilityPolicy.Create([Samples.Document(grant)], 1);
        Assert.Equal(2, policy.Clauses.Count());
        Assert.True(Decide(policy, "audience a", Greeter).Allowed);
        Assert.True(Decide(policy, "audience b", other).Allowed);
        Assert.False(Decide(policy, "audience b", Greeter).Allowed);
        Assert.False(Decide(policy, "audience a", other).Allowed);
        Assert.False(Decide(policy, "audience a", Greeter with { Digest = Samples.OtherDigest }).Allowed);
    }

    [Theory]
    [InlineData("natsPublish $SYS.REQ.USER.INFO")]
    [InlineData("natsSubscribe _INBOX.x")]
    [InlineData("natsPublish >")]
    public void What_nobody_may_be_granted_has_no_smallest_grant(string asked)
    {
        var explanation = Explain(CapabilityPolicy.Empty, asked, Greeter);
        Assert.Equal(RefusalReason.NotGrantable, Assert.Single(explanation.Refusals).Reason);
        Assert.Null(explanation.SmallestGrant);
    }

    [Fact]
    public void Deciding_allocates_nothing()
    {
        string[] behind = ["bucket B/a.b read", "stream KV_B read,purge", "consumer KV_B/c consume,manage", "bucket B/> watch", "stream KV_B consume"];
        var rules = PlainMeaning.Patterns.Concat(behind).Select((pattern, i) => new PolicyRule
        {
            Name = $"r{i}",
            Effect = i % 3 == 0 ? RuleEffect.Forbid : RuleEffect.Permit,
            Mode = (RuleMode)(i % 4),
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }, new PolicySubject { Digest = Samples.Digest }, new PolicySubject { ImagePrefix = ImagePrefix.Parse("ghcr.io/acme") }],
            Capabilities = [Capability.Parse(pattern)],
        });
        var policy = CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Source = "" }], 1);
        var requests = PlainMeaning.Things.Where((_, i) => i % 5 == 0).Concat(PlainMeaning.Wide)
            .Concat(["stream KV_B read", "stream KV_B purge", "consumer KV_B/c consume", "bucket B/a.b read", "bucket B/a.b watch", "bucket B/> manage", "bucket other/a read"]).Select(CapabilityRequest.Parse).ToArray();
        var principals = new[] { Greeter, Greeter with { Image = ImageReference.Parse("ghcr.io/acme/shop:1"), Signers = [SignerName.Parse("s")], Unknown = PrincipalAttributes.None }, Principal.Process(Samples.Greeter) };
        var allowed = Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        var again = Run();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal((allowed, 0L), (again, allocated));

        int Run()
        {
            var count = 0;
            foreach (var principal in principals)
            {
                foreach (var request in requests) count += NatsRights.Decide(policy, principal, request, Samples.Now).Allowed ? 1 : 0;
            }

            return count;
        }
    }

    [Fact]
    public void More_nested_prefixes_than_the_index_has_room_for_are_all_looked_at()
    {
        var deep = "spiffe://example.org" + string.Concat(Enumerable.Range(0, 100).Select(i => $"/{i}"));
        var rules = Enumerable.Range(0, 101).Select(i => new PolicyRule
        {
            Name = $"r{i}",
            Effect = i == 100 ? RuleEffect.Forbid : RuleEffect.Permit,
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse(string.Join('/', deep.Split('/').Take(i + 3))) }],
            Capabilities = [new Capability.Start()],
        }).ToArray();
        var policy = CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Source = "" }], 1);
        Assert.Equal(new RuleReference("p", "r100"), Decide(policy, "start", new Principal { Id = SpiffeId.Parse(deep) }).Determining);
        Assert.True(Starts(policy, new Principal { Id = SpiffeId.Parse("spiffe://example.org/0/1") }));
    }

    private static CapabilityPolicy InMode(string mode, (string Effect, string Subject, string Capability) rule) =>
        Samples.Policy(Samples.Source(rule).Replace("effect: ", $"mode: {mode}, effect: ", StringComparison.Ordinal));

    private static bool Starts(CapabilityPolicy policy, Principal principal) => Decide(policy, "start", principal).Allowed;

    private static CapabilityDecision Decide(CapabilityPolicy policy, string asked, Principal principal) =>
        PolicyDecision.Decide(policy, principal, CapabilityRequest.Parse(asked), Samples.Now);

    private static Explanation Explain(CapabilityPolicy policy, string asked, Principal principal) =>
        PolicyDecision.Explain(policy, principal, CapabilityRequest.Parse(asked), Samples.Now);

    [Theory]
    [InlineData("connect 10.20.0.0/15:5432", "grants connect 10.20.0.0/16:5432 only")]
    [InlineData("connect 10.21.0.1:5432", "grants connect 10.20.0.0/16:5432 only")]
    [InlineData("connect pay.example.com:443", "grants connect *.payments.example.com:443 only")]
    [InlineData("connect eu.payments.example.com:80-443", "grants connect *.payments.example.com:443 only")]
    [InlineData("bucket settings/shop.> read,write", "grants bucket settings/shop.> read,watch only")]
    public void Nearest_is_what_grants_some_of_it_or_looks_most_like_it(string asked, string lacks)
    {
        var policy = Samples.Rules(
            ("permit", "spiffeId: spiffe://example.org/components/greeter", "start, { connect: 'www.example.org:22' }, { connect: '*.payments.example.com:443' }, { connect: '10.20.0.0/16:5432' }, { connect: '[2001:db8::]/32:80' }, { bucket: other, access: [write] }, { bucket: settings, keys: shop.>, access: [read, watch] }"));
        var explained = PolicyDecision.Explain(policy, new Principal { Id = Samples.Greeter }, CapabilityRequest.Parse(asked), Samples.Now);
        Assert.Contains(lacks, explained.ToText(), StringComparison.Ordinal);
    }
}
