using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy.Tests;

public sealed class ComponentAdmissionTests
{
    private const string Store = "wasmcloud:identity/store@0.0.1";
    private const string Poll = "wasi:io/poll@0.2.0";

    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";

    [Fact]
    public void No_rules_means_no()
    {
        var refusal = Assert.Single(Denied(CapabilityPolicy.Empty, Store).Refusals);
        Assert.Equal((Store, RefusalReason.NotGranted, null), (refusal.Capability, refusal.Reason, refusal.NearestMiss));
    }

    [Fact]
    public void No_rules_means_no_for_a_component_that_imports_nothing() =>
        Assert.Equal("start", Assert.Single(Denied(CapabilityPolicy.Empty).Refusals).Capability);

    [Fact]
    public void The_default_policy_document_index_and_effect_are_those_that_deny() => Assert.Equal(RuleEffect.Forbid, default);

    [Fact]
    public void Admits_what_is_granted_and_says_by_which_rules()
    {
        var admitted = Admitted(Samples.Rules(("permit", IsGreeter, $"{{ import: {Poll} }}"), ("permit", IsGreeter, $"{{ import: {Store} }}")), Store, Poll);

        Assert.Equal([Store, Poll], admitted.Grants.Select(grant => grant.Import));
        Assert.Equal(["sample/rule-0", "sample/rule-1"], admitted.DeterminingRules.Select(rule => rule.ToString()));
        Assert.Equal(ResourceCeilings.Default, admitted.Ceilings);
        Assert.Null(admitted.ValidUntil);
        Assert.IsType<NatsPermissions.Denied>(admitted.Nats);
    }

    [Fact]
    public void Denies_the_whole_component_for_one_import_that_is_not_granted()
    {
        var denied = Denied(Samples.Rules(("permit", IsGreeter, $"{{ import: {Store} }}")), Store, Poll);
        Assert.Equal(Poll, Assert.Single(denied.Refusals).Capability);
    }

    // Three callers for every subject: the one it means, one beside it, one below it.
    [Theory]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", true)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter2", false)]
    [InlineData("spiffeId: spiffe://example.org/components", false)]
    [InlineData("spiffeId: spiffe://example.com/components/greeter", false)]
    [InlineData("spiffeIdPrefix: spiffe://example.org", true)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/components", true)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/components/greeter", true)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/components/greet", false)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/components/greeter/x", false)]
    [InlineData("spiffeIdPrefix: spiffe://example", false)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/Components", false)]
    [InlineData("host: spiffe://example.org/hosts/local", true)]
    [InlineData("host: spiffe://example.org/hosts/other", false)]
    [InlineData("hostPrefix: spiffe://example.org/hosts", true)]
    [InlineData("hostPrefix: spiffe://example.org/host", false)]
    [InlineData("digest: {digest}", true)]
    [InlineData("digest: {other}", false)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter, digest: {digest}, host: spiffe://example.org/hosts/local", true)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter, digest: {other}", false)]
    [InlineData("spiffeId: spiffe://example.org/components/other, digest: {digest}", false)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter, host: spiffe://example.org/hosts/other", false)]
    [InlineData("digest: {digest}, hostPrefix: spiffe://example.org/nodes", false)]
    public void A_subject_means_who_has_all_its_attributes(string subject, bool means)
    {
        subject = subject.Replace("{digest}", Samples.Digest.Text, StringComparison.Ordinal).Replace("{other}", Samples.OtherDigest.Text, StringComparison.Ordinal);

        Assert.Equal(means, Decide(Samples.Rules(("permit", subject, $"{{ import: {Store} }}")), Store) is Decision.Admitted);
        Assert.Equal(means, Decide(Samples.Rules(("permit", IsGreeter, $"{{ import: {Store} }}"), ("forbid", subject, $"{{ import: {Store} }}")), Store) is Decision.Denied);
    }

    [Theory]
    [InlineData("{ import: wasmcloud:identity/store@0.0.1 }")]
    [InlineData("{ import: wasmcloud:identity/*@0.0.1 }")]
    [InlineData("{ import: \"wasmcloud:identity/store@*\" }")]
    [InlineData("{ import: \"wasmcloud:identity/*@*\" }")]
    [InlineData("start")]
    public void A_forbid_overrides_every_permit_and_no_grant_is_offered(string capability)
    {
        var denied = Denied(
            Samples.Rules(("permit", IsGreeter, $"{{ import: {Store} }}"), ("forbid", "spiffeIdPrefix: spiffe://example.org", capability), ("permit", IsGreeter, "start")), Store);

        var refusal = Assert.Single(denied.Refusals);
        Assert.Equal((RefusalReason.Forbidden, new RuleReference("sample", "rule-1")), (refusal.Reason, refusal.ForbiddenBy));
        Assert.Null(denied.Explanation.SmallestGrant);
    }

    [Fact]
    public void Start_alone_admits_a_component_that_imports_nothing_and_no_other()
    {
        var policy = Samples.Rules(("permit", IsGreeter, "start"));
        Assert.Empty(Admitted(policy).Grants);
        Assert.Single(Denied(policy, Poll).Refusals);
    }

    [Theory]
    [InlineData(ImportKind.Module)]
    [InlineData(ImportKind.Function)]
    [InlineData(ImportKind.Type)]
    [InlineData(ImportKind.Component)]
    [InlineData(ImportKind.Unknown)]
    public void Denies_an_import_that_is_no_instance_even_under_a_granted_name(ImportKind kind)
    {
        var start = Samples.Start() with { Imports = new ComponentImports([new ComponentImport(Store, kind)]) };
        var decision = ComponentAdmission.Decide(Samples.Rules(("permit", IsGreeter, $"{{ import: {Store} }}")), start, Samples.Now);

        var denied = Assert.IsType<Decision.Denied>(decision);
        Assert.Equal(RefusalReason.NotGrantable, Assert.Single(denied.Refusals).Reason);
        Assert.Null(denied.Explanation.SmallestGrant);
    }

    [Fact]
    public void Both_versions_of_an_interface_need_a_grant()
    {
        var policy = Samples.Rules(("permit", IsGreeter, "{ import: wasi:io/poll@0.2.0 }"));
        Assert.Equal("wasi:io/poll@0.3.0", Assert.Single(Denied(policy, "wasi:io/poll@0.2.9", "wasi:io/poll@0.3.0").Refusals).Capability);
    }

    [Fact]
    public void A_permit_grants_nothing_from_the_moment_it_expires()
    {
        var policy = Samples.Policy(Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}")).Replace("effect: permit", "effect: permit, expires: 2026-11-22T12:00:00Z, reason: try", StringComparison.Ordinal));

        var before = Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, Samples.Start(Store), Samples.Now.AddTicks(-1)));
        Assert.Equal(Samples.Now, before.ValidUntil);
        var denied = Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Samples.Start(Store), Samples.Now));
        Assert.Equal("expired at 2026-11-22T12:00:00Z", Assert.Single(denied.Refusals).NearestMiss?.Lacks);
    }

    [Fact]
    public void Ceilings_combine_to_the_smallest_stated_and_the_default_where_nothing_is_stated()
    {
        var first = Rule("a", "{ memory: 64MiB, fuel: 5 }");
        var second = Rule("b", "{ memory: 32MiB, time: 1h }");
        var unrelated = Rule("c", "{ memory: 1MiB }").Replace("greeter", "other", StringComparison.Ordinal);

        var ceilings = Admitted(Samples.Policy(first, second, unrelated), Store).Ceilings;

        Assert.Equal(ResourceCeilings.Default with { MemoryBytes = 32 << 20, Fuel = 5, Time = TimeSpan.FromHours(1) }, ceilings);

        static string Rule(string name, string ceilings) =>
            Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}")).Replace("name: sample", $"name: {name}", StringComparison.Ordinal)
                .Replace("effect: permit", $"effect: permit, ceilings: {ceilings}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_document_that_cannot_be_read_denies_what_the_others_grant()
    {
        var good = Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"));
        Assert.IsType<Decision.Admitted>(Decide(CapabilityPolicy.FromSources([good], 1), Store));

        var denied = Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.FromSources([good, "kind: CapabilityPolicy\nname: newer\nrules: []\nsince: 2"], 2), Store));
        Assert.Equal(RefusalReason.PolicyUnreadable, Assert.Single(denied.Refusals).Reason);
        Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.FromSources([good, good], 3), Store));
        Assert.Throws<ArgumentException>(() => CapabilityPolicy.Create([Samples.Document(good), Samples.Document(good)], 4));
    }

    public static TheoryData<string, PolicyRule> Unevaluable
    {
        get
        {
            var rule = Samples.Document(Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"))).Rules[0];
            return new()
            {
                { "no subjects", rule with { Subjects = default } },
                { "empty subjects", rule with { Subjects = [] } },
                { "a subject without attributes", rule with { Subjects = [new PolicySubject()] } },
                { "no capabilities", rule with { Capabilities = default } },
                { "empty capabilities", rule with { Capabilities = [] } },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Unevaluable))]
    public void A_rule_that_cannot_be_evaluated_grants_nothing_and_as_a_forbid_forbids(string what, PolicyRule rule)
    {
        Assert.NotEmpty(what);
        var good = Samples.Document(Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}")));
        var broken = new PolicyDocument { Name = "broken", Rules = [rule], Source = "" };
        Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.Create([broken], 1), Store));
        Assert.IsType<Decision.Admitted>(Decide(CapabilityPolicy.Create([good, broken], 1), Store));
        Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.Create([good, broken with { Rules = [rule with { Effect = RuleEffect.Forbid }] }], 1), Store));
        Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.Create([good, broken with { Rules = [rule with { Effect = (RuleEffect)7 }] }], 1), Store));
    }

    [Fact]
    public void A_permit_for_versions_that_do_not_exist_yet_grants_nothing_even_when_built_in_code()
    {
        var rule = Samples.Document(Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"))).Rules[0];
        var broad = rule with { Capabilities = [new Capability.Import(ImportPattern.Parse("wasmcloud:identity/*@*"))] };
        Assert.IsType<Decision.Denied>(Decide(CapabilityPolicy.Create([new PolicyDocument { Name = "broad", Rules = [broad], Source = "" }], 1), Store));
    }

    // Rows go from the nearest to the farthest; each policy also holds all rows below it.
    [Fact]
    public void Names_the_rule_that_came_closest_and_what_it_lacks()
    {
        (string Name, string Subject, string Capability, string Lacks)[] rows =
        [
            ("version", IsGreeter, "{ import: wasi:sockets/tcp@0.3.0 }", "grants wasi:sockets/tcp@0.3.0, another version track"),
            ("bytes", $"{IsGreeter}, digest: {Samples.OtherDigest}", "{ import: wasi:sockets/tcp@0.2.0 }", $"is for the digest {Samples.OtherDigest}"),
            ("interface", IsGreeter, "{ import: wasi:sockets/udp@0.2.0 }", "grants wasi:sockets/udp@0.2.0 of that package"),
            ("id", "spiffeId: spiffe://example.org/components/other", "{ import: wasi:sockets/tcp@0.2.0 }", "is for spiffe://example.org/components/other"),
            ("capability", IsGreeter, "start", "grants nothing of wasi:sockets"),
            ("neighbour", "spiffeId: spiffe://example.org/components/deep/er", "start", "is for spiffe://example.org/components/deep/er and grants nothing of wasi:sockets"),
            ("far", "spiffeId: spiffe://example.org/a", "start", "is for spiffe://example.org/a and grants nothing of wasi:sockets"),
        ];
        for (var from = 0; from < rows.Length; from++)
        {
            var rules = rows[from..].Reverse().Select(row => $"  - {{ name: {row.Name}, effect: permit, subjects: [{{ {row.Subject} }}], capabilities: [{row.Capability}] }}\n");
            var policy = Samples.Policy("kind: CapabilityPolicy\nname: p\nrules:\n" + string.Concat(rules));

            var miss = Assert.Single(Denied(policy, "wasi:sockets/tcp@0.2.0").Refusals).NearestMiss;

            Assert.Equal((rows[from].Name, rows[from].Lacks), (miss?.Rule.Rule, miss?.Lacks));
        }
    }

    [Fact]
    public void The_smallest_grant_admits_exactly_this_component()
    {
        var policy = Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"));
        var grant = Denied(Samples.Policy(policy), Store, Poll, "wasi:sockets/tcp@0.2.0").Explanation.SmallestGrant;
        Assert.NotNull(grant);
        var widened = Samples.Policy(policy, grant);

        Assert.IsType<Decision.Admitted>(Decide(widened, Store, Poll, "wasi:sockets/tcp@0.2.0"));
        Assert.DoesNotContain(Store, grant, StringComparison.Ordinal);
        var start = Samples.Start(Poll);
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(widened, start with { Digest = Samples.OtherDigest }, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(widened, start with { Id = SpiffeId.Parse(Samples.Greeter + "2") }, Samples.Now));
    }

    [Fact]
    public void The_smallest_grant_of_a_component_that_imports_nothing_is_to_start()
    {
        var grant = Denied(CapabilityPolicy.Empty).Explanation.SmallestGrant;
        Assert.Contains("- start", grant, StringComparison.Ordinal);
        Assert.IsType<Decision.Admitted>(Decide(Samples.Policy(grant!)));
    }

    [Fact]
    public void The_smallest_grant_replaces_no_policy_that_is_there()
    {
        // The grant for one import was applied; a newer build of the component imports another.
        var first = Denied(CapabilityPolicy.Empty, Store).Explanation.SmallestGrant!;
        var second = Denied(Samples.Policy(first), Store, Poll).Explanation.SmallestGrant!;
        var names = new[] { first, second }.Select(source => Samples.Document(source).Name);
        Assert.Equal(["greeter-grant", "greeter-grant-2"], names);
        Assert.IsType<Decision.Admitted>(Decide(Samples.Policy(first, second), Store, Poll));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("NULL")]
    [InlineData("true")]
    [InlineData("-")]
    [InlineData("...")]
    [InlineData("0")]
    public void The_smallest_grant_can_be_applied_whatever_the_component_is_called(string name)
    {
        var start = Samples.Start(Store) with { Id = SpiffeId.Parse($"spiffe://example.org/components/{name}") };
        var denied = Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(CapabilityPolicy.Empty, start, Samples.Now));
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(Samples.Policy(denied.Explanation.SmallestGrant!), start, Samples.Now));
    }

    [Fact]
    public void Equal_decisions_are_equal_so_that_a_pushed_policy_that_changes_nothing_disturbs_nobody()
    {
        var rules = Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"), ("permit", IsGreeter, "{ natsPublish: a }"));
        var unrelated = Samples.Source(("permit", "spiffeId: spiffe://example.org/x", "start")).Replace("name: sample", "name: aaa", StringComparison.Ordinal);
        var stricter = Samples.Source(("forbid", IsGreeter, "{ natsPublish: a }")).Replace("name: sample", "name: aaa", StringComparison.Ordinal);

        var before = Decide(Samples.Policy(rules), Store);
        Assert.Equal(before, Decide(Samples.Policy(unrelated, rules), Store));
        Assert.NotEqual(before, Decide(Samples.Policy(stricter, rules), Store));
        Assert.Equal(Decide(CapabilityPolicy.Empty, Store), Decide(CapabilityPolicy.Empty, Store));
    }

    [Fact]
    public void The_story_of_the_samples_holds()
    {
        var platform = SampleOf("platform.yaml");
        var policy = CapabilityPolicy.Create([platform], 1);
        var snooper = Samples.Start("wasi:sockets/tcp@0.2.0", "wasmcloud:messaging/consumer@0.2.0") with { Id = SpiffeId.Parse("spiffe://example.org/components/snooper") };

        var greeter = Admitted(policy, Store, "wasmcloud:messaging/consumer@0.2.0");
        Assert.Equal(["greetings.hello"], Assert.IsType<NatsPermissions.Allowed>(greeter.Nats).Publish.Allow);
        var denied = Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, snooper, Samples.Now));
        Assert.All(denied.Refusals, refusal => Assert.Equal("platform/greeter", refusal.NearestMiss?.Rule.ToString()));
        Assert.Contains("import: wasi:sockets/tcp@0.2.0", denied.Explanation.ToText(), StringComparison.Ordinal);

        var granted = CapabilityPolicy.Create([platform, SampleOf("snooper-grant.yaml")], 2);
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(granted, snooper, Samples.Now));
    }

    private static PolicyDocument SampleOf(string file) =>
        ManifestReader.TryRead(File.ReadAllText(Samples.RepositoryFile("deploy/samples/" + file)), out var manifest, out var problems)
            ? Assert.Single(manifest.Policies) : throw new FormatException(string.Join('\n', problems));

    private static Decision Decide(CapabilityPolicy policy, params string[] imports) => ComponentAdmission.Decide(policy, Samples.Start(imports), Samples.Now);

    private static Decision.Admitted Admitted(CapabilityPolicy policy, params string[] imports) => Assert.IsType<Decision.Admitted>(Decide(policy, imports));

    private static Decision.Denied Denied(CapabilityPolicy policy, params string[] imports) => Assert.IsType<Decision.Denied>(Decide(policy, imports));
}
