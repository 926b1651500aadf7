using CsCheck;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What is wrong with a policy is said, and nothing that is right.</summary>
public sealed class PolicyCheckTests
{
    private static readonly PolicyWarningKind[] Needless = [PolicyWarningKind.Dead, PolicyWarningKind.Shadowed, PolicyWarningKind.Contradiction];

    public static TheoryData<int> Kinds => [.. Enumerable.Range(0, SmallWorld.Kinds.Length)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Without_the_rules_that_are_called_needless_every_answer_is_the_same_and_each_other_rule_changes_one(int kind)
    {
        var world = new Enumeration(kind);
        Cases.Each(SmallWorld.Rules(kind, 7), Cases.Times(60), rules =>
        {
            var called = PolicyCheck.Find(SmallWorld.Policy(rules), PolicyInventory.Empty, Samples.Now).Where(warning => Needless.Contains(warning.Kind)).Select(warning => warning.Rule!.Value.Rule).ToHashSet();
            PolicyRule[] kept = [.. rules.Where(rule => !called.Contains(rule.Name))];
            Assert.Equal(world.Allowed(rules).SelectMany(moment => moment), world.Allowed(kept).SelectMany(moment => moment));
            Assert.False(ChangesRights(SmallWorld.Policy(rules), SmallWorld.Policy(kept)));
            foreach (var rule in kept.Where(rule => rule.Mode == RuleMode.Enforce || (rule.Mode == RuleMode.Warn && rule.Effect == RuleEffect.Permit)))
            {
                var without = SmallWorld.Policy([.. kept.Where(other => other != rule)]);
                // A forbid of what nobody permits holds a line; it is not called needless.
                if (rule.Effect == RuleEffect.Permit) Assert.True(ChangesRights(SmallWorld.Policy(kept), without), $"{rule.Name} changes nothing and is not called so");
            }
        });
    }

    // Of rights, not of what a login makes of them: that is for a difference to tell.
    private static bool ChangesRights(CapabilityPolicy before, CapabilityPolicy after)
    {
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        return diff.Gained.Concat(diff.Lost).Any(change => change.Login is null);
    }

    [Fact]
    public void Says_which_rule_where_and_what_to_do()
    {
        var policy = Samples.Policy(
            """
            kind: CapabilityPolicy
            name: shop
            rules:
              - { name: wide, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ natsPublish: orders.> }] }
              - { name: narrow, effect: permit, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [{ natsPublish: orders.new }] }
              - { name: barred, effect: permit, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [{ connect: "10.0.0.1:22" }] }
              - { name: no-ssh, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ connect: "10.0.0.0/8:22" }] }
              - { name: old, effect: permit, reason: r, expires: 2020-01-01T00:00:00Z, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [start] }
              - { name: team, effect: permit, subjects: [{ labels: { team: none } }], capabilities: [start] }
            """);
        var warnings = PolicyCheck.Find(policy, PolicyInventory.Empty, Samples.Now).Select(warning => $"{warning.Line} {warning.Kind} {warning.Rule}: {warning.Text}");
        Assert.Equal(
            [
                "5 Shadowed shop/narrow: says nothing that rule shop/wide does not say already",
                "6 Contradiction shop/barred: permits only what rule shop/no-ssh forbids",
                "8 Dead shop/old: has expired at 2020-01-01T00:00:00Z and grants nothing",
                "9 Dead shop/team: means nobody: its labels are assigned to no subject that it could mean",
            ],
            warnings);
    }

    [Fact]
    public void Of_two_rules_that_say_the_same_only_one_is_needless()
    {
        var rule = ("permit", "spiffeId: spiffe://example.org/shop", "start");
        Assert.Single(PolicyCheck.Find(Samples.Rules(rule, rule), PolicyInventory.Empty, Samples.Now));
    }

    [Fact]
    public void A_rule_that_only_holds_a_ceiling_down_is_not_needless()
    {
        var policy = Samples.Policy(
            """
            kind: CapabilityPolicy
            name: p
            rules:
              - { name: wide, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [start] }
              - { name: small, effect: permit, ceilings: { memory: 1MiB }, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [start] }
            """);
        Assert.Empty(PolicyCheck.Find(policy, PolicyInventory.Empty, Samples.Now));
    }

    [Fact]
    public void A_rule_that_holds_down_only_what_another_needless_rule_states_is_needless_too()
    {
        var policy = Samples.Policy(
            """
            kind: CapabilityPolicy
            name: p
            rules:
              - { name: wide, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [start] }
              - { name: default, effect: permit, ceilings: { fuel: 1000000000 }, subjects: [{ spiffeIdPrefix: spiffe://example.org/shop }], capabilities: [start] }
              - { name: more, effect: permit, ceilings: { fuel: 2000000000 }, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [start] }
            """);
        Assert.Equal(["p/more", "p/default"], PolicyCheck.Find(policy, PolicyInventory.Empty, Samples.Now).Select(warning => warning.Rule.ToString()));
    }

    [Fact]
    public void Components_show_what_is_granted_for_nothing_and_what_is_missing()
    {
        var policy = Samples.Rules(
            ("permit", $"spiffeId: {Samples.Greeter}", "{ import: 'wasi:io/*@0.2.0' }, { import: wasi:http/types@0.2.0 }"),
            ("permit", "spiffeId: spiffe://example.org/components/another", "{ import: wasi:http/types@0.2.0 }"));
        var inventory = new PolicyInventory { Components = [Samples.Start("wasi:io/poll@0.2.3", "wasi:cli/stdin@0.2.0")] };
        var warnings = PolicyCheck.Find(policy, inventory, Samples.Now);
        Assert.Equal([PolicyWarningKind.OverGrant, PolicyWarningKind.NotGranted], warnings.Select(warning => warning.Kind));
        Assert.Contains("import wasi:http/types@0.2.0, which the component greeter does not import", warnings[0].Text, StringComparison.Ordinal);
        Assert.Contains("wasi:cli/stdin@0.2.0", warnings[1].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run", "start", "identity-host may not call #run of the component greeter (spiffe://example.org/components/greeter), and so does not start it: no rule permits it")]
    [InlineData("wasi:cli/run@0.2.3", "start", "identity-host may not call wasi:cli/run@0.2.0#run of ")]
    [InlineData("wasi:cli/run@0.2.3", "start }, { export: 'wasi:cli/run@0.2.0#stop'", "identity-host may not call ")]
    [InlineData("wasi:cli/run@0.2.3", "start }, { export: 'wasi:cli/run@0.2.0#run'", null)]
    [InlineData("wasi:cli/run@0.2.3", "start }, { export: wasi:cli/run@0.2.0", null)]
    [InlineData("stop", "start", null)]
    public void A_component_that_the_host_may_not_call_does_not_start(string exported, string granted, string? said)
    {
        var capabilities = string.Join(", ", granted.Split(" }, { ").Select(one => one == "start" ? one : $"{{ {one} }}"));
        var component = Samples.Start() with
        {
            Imports = new ComponentImports([]) { Exports = [exported.Contains(':', StringComparison.Ordinal) ? new ComponentExport(exported, ImportKind.Instance, ["run"]) : new ComponentExport(exported, ImportKind.Function, [])] },
        };
        var warnings = PolicyCheck.Find(Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}", capabilities)), new PolicyInventory { Components = [component] }, Samples.Now)
            .Where(warning => warning.Kind == PolicyWarningKind.NotGranted);
        if (said is null) Assert.Empty(warnings);
        else Assert.StartsWith(said, Assert.Single(warnings).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("get", null)]
    [InlineData("set", "import wasi:keyvalue/store@0.2.0#set, which the component greeter does not import")]
    [InlineData(null, null)]
    public void Of_an_interface_only_the_functions_that_are_imported_are_granted_for_something(string? function, string? said)
    {
        string[] granted = ["#get", function is null ? "" : $"#{function}"];
        var policy = Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}", string.Join(", ", granted.Distinct().Select(one => $"{{ import: 'wasi:keyvalue/store@0.2.0{one}' }}"))));
        var component = Samples.Start() with { Imports = new ComponentImports([new ComponentImport("wasi:keyvalue/store@0.2.3", ImportKind.Instance, ["get"])]) };
        var warnings = PolicyCheck.Find(policy, new PolicyInventory { Components = [component] }, Samples.Now).Where(warning => warning.Kind == PolicyWarningKind.OverGrant);
        if (said is null) Assert.Empty(warnings);
        else Assert.Contains(said, Assert.Single(warnings).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("export: '#run'", null)]
    [InlineData("export: '#stop'", "grants export #stop, which the component greeter does not export")]
    [InlineData("export: wasi:http/incoming-handler@0.2.0", null)]
    [InlineData("export: 'wasi:http/incoming-handler@0.2.0#handle'", null)]
    [InlineData("export: 'wasi:http/incoming-handler@0.2.0#close'", "which the component greeter does not export")]
    [InlineData("export: wasi:http/incoming-handler@1.0.0", "which the component greeter does not export")]
    [InlineData("import: 'wasi:keyvalue/*@0.2.0'", null)]
    [InlineData("import: 'wasi:http/*@0.2.0'", "grants import wasi:http/*@0.2.0, which the component greeter does not import")]
    public void A_grant_is_for_something_as_soon_as_a_component_uses_any_of_it(string capability, string? said)
    {
        var component = Samples.Start() with
        {
            Imports = new ComponentImports([new ComponentImport("wasi:keyvalue/store@0.2.3", ImportKind.Instance, ["get"])])
            {
                Exports = [new ComponentExport("run", ImportKind.Function, []), new ComponentExport("wasi:http/incoming-handler@0.2.1", ImportKind.Instance, ["handle"])],
            },
        };
        var warnings = PolicyCheck.Find(Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}", $"{{ {capability} }}")), new PolicyInventory { Components = [component] }, Samples.Now)
            .Where(warning => warning.Kind == PolicyWarningKind.OverGrant);
        if (said is null) Assert.Empty(warnings);
        else Assert.Contains(said, Assert.Single(warnings).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("permit", "image: 'r.io/shop:1'", "whether anybody is anyone from image r.io/shop:1: no entry tells the image", "`identity policy test`")]
    [InlineData("permit", "lattice: prod", "no entry tells the lattice", "`identity policy test`")]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop, digest: 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'", "no entry tells the digest", "--component")]
    [InlineData("permit", "labels: { team: images }", "whether anybody is anyone with label team=images: no entry tells the image", "`identity policy test`")]
    [InlineData("forbid", "spiffeId: spiffe://example.org/process, namespace: bank", "no entry tells the namespace", "`identity policy test`")]
    [InlineData("forbid", "spiffeIdPrefix: spiffe://example.org, namespace: bank", null, "")] // A guardrail.
    [InlineData("permit", "spiffeId: spiffe://example.org/shpo, image: 'r.io/shop:1'", null, "")] // That nobody is, which is a warning.
    [InlineData("permit", "spiffeId: spiffe://example.org/shop, host: spiffe://example.org/hosts/one", null, "")]
    public void What_entries_do_not_tell_is_said_of_each_rule_that_asks_for_it(string effect, string subject, string? said, string advice)
    {
        var policy = Samples.Policy(
            $"{{ kind: CapabilityPolicy, name: p, labels: [{{ name: team, value: images, subjects: [{{ imagePrefix: r.io/shop }}] }}], rules: [{{ name: only, effect: {effect}, subjects: [{{ {subject} }}], capabilities: [start] }}] }}");
        var inventory = Registered with { Identities = [Registered.Identities[0] with { Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Image | PrincipalAttributes.Lattice }, Registered.Identities[1]] };
        var told = PolicyCheck.NotChecked(policy, inventory, Samples.Now);
        if (said is null)
        {
            Assert.Empty(told);
            return;
        }

        var one = Assert.Single(told);
        Assert.Equal((PolicyWarningKind.MeansNobody, "p/only", 1), (one.Kind, one.Rule.ToString(), one.Line));
        Assert.EndsWith(said, one.Text, StringComparison.Ordinal);
        Assert.Contains(advice, one.Advice, StringComparison.Ordinal);
        Assert.Empty(PolicyCheck.NotChecked(policy, PolicyInventory.Empty, Samples.Now));
    }

    [Fact]
    public void A_component_tells_what_its_entry_does_not()
    {
        var policy = Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}, digest: '{Samples.Digest.Text}'", "start"));
        var inventory = new PolicyInventory { Identities = [new Principal { Id = Samples.Greeter, Unknown = PrincipalAttributes.Digest }] };
        Assert.Single(PolicyCheck.NotChecked(policy, inventory, Samples.Now));
        Assert.Empty(PolicyCheck.NotChecked(policy, inventory with { Components = [Samples.Start()] }, Samples.Now));
    }

    [Theory]
    [InlineData("signer: release@example.org", "import: wasi:io/poll@0.2.0", "signers", "`identity policy test`")]
    [InlineData("signer: 'ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'", "import: wasi:io/poll@0.2.0", "signers", "--component")]
    [InlineData("namespace: shop", "import: wasi:http/types@0.2.0", "namespace", "`identity policy test`")]
    [InlineData("namespace: shop", "export: '#run'", "namespace", "`identity policy test`")]
    [InlineData("namespace: shop", "connect: 'a.example.com:443'", null, "")]
    [InlineData("spiffeId: spiffe://example.org/components/another, namespace: shop", "import: wasi:http/types@0.2.0", null, "")]
    public void A_grant_on_terms_that_no_component_tells_is_said_not_to_be_checked(string subject, string capability, string? untold, string advice)
    {
        var policy = Samples.Rules(("permit", subject, $"{{ {capability} }}"));
        var inventory = new PolicyInventory { Components = [Samples.Start("wasi:io/poll@0.2.3")] };
        Assert.DoesNotContain(PolicyCheck.Find(policy, inventory, Samples.Now), warning => warning.Kind == PolicyWarningKind.OverGrant);
        var told = PolicyCheck.NotChecked(policy, inventory, Samples.Now);
        if (untold is null)
        {
            Assert.Empty(told);
            return;
        }

        var one = Assert.Single(told);
        Assert.Equal((PolicyWarningKind.OverGrant, "sample/rule-0"), (one.Kind, one.Rule.ToString()));
        Assert.EndsWith($"of the component greeter that may be meant nothing tells the {untold}", one.Text, StringComparison.Ordinal);
        Assert.Contains(advice, one.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void What_only_a_component_imports_that_may_be_meant_is_no_warning_but_not_checked()
    {
        var shop = Samples.Start() with { Principal = Samples.Start().Principal with { Namespace = "shop", Unknown = PrincipalAttributes.None } };
        var policy = Samples.Rules(("permit", "namespace: shop", "{ import: wasi:io/poll@0.2.0 }"));
        Assert.Single(PolicyCheck.Find(policy, new PolicyInventory { Components = [shop, Samples.Start("wasi:http/types@0.2.0")] }, Samples.Now), warning => warning.Kind == PolicyWarningKind.OverGrant);

        var inventory = new PolicyInventory { Components = [shop, Samples.Start("wasi:io/poll@0.2.3")] };
        Assert.DoesNotContain(PolicyCheck.Find(policy, inventory, Samples.Now), warning => warning.Kind == PolicyWarningKind.OverGrant);
        Assert.Single(PolicyCheck.NotChecked(policy, inventory, Samples.Now));
    }

    [Theory]
    [InlineData("spiffe://example.org/components/other", true, false)]
    // Whose file was named as well, who is not meant, and a process, which imports nothing.
    [InlineData("spiffe://example.org/components/greeter", true, true)]
    [InlineData("spiffe://example.org/elsewhere/other", true, true)]
    [InlineData("spiffe://example.org/components/other", false, true)]
    public void A_grant_that_somebody_may_need_of_whom_nobody_knows_what_it_imports_is_not_said_to_be_too_much(string registered, bool isComponent, bool isWarning)
    {
        var greeter = Samples.Start("wasi:http/types@0.2.0");
        greeter = greeter with { Principal = greeter.Principal with { Id = SpiffeId.Parse("spiffe://example.org/components/greeter") } };
        var policy = Samples.Rules(("permit", "spiffeIdPrefix: spiffe://example.org/components", "{ import: wasi:io/poll@0.2.0 }"));
        var other = Principal.Process(SpiffeId.Parse(registered));
        var inventory = new PolicyInventory { Components = [greeter], Identities = [isComponent ? other with { Unknown = other.Unknown | PrincipalAttributes.Digest } : other] };
        PolicyWarning[] warnings = [.. PolicyCheck.Find(policy, inventory, Samples.Now).Where(warning => warning.Kind == PolicyWarningKind.OverGrant)], notChecked = [.. PolicyCheck.NotChecked(policy, inventory, Samples.Now).Where(warning => warning.Kind == PolicyWarningKind.OverGrant)];
        Assert.Equal((isWarning ? 1 : 0, isWarning ? 0 : 1), (warnings.Length, notChecked.Length));
        if (isWarning) return;
        Assert.EndsWith($": nothing tells what {registered} imports", notChecked[0].Text, StringComparison.Ordinal);
        Assert.Contains("--component", notChecked[0].Advice, StringComparison.Ordinal);

        // Once a component uses it, nothing is left to know.
        Assert.Empty(PolicyCheck.NotChecked(policy, inventory with { Components = [greeter, Samples.Start("wasi:io/poll@0.2.0") with { Principal = greeter.Principal }] }, Samples.Now).Where(warning => warning.Kind == PolicyWarningKind.OverGrant));
    }

    [Fact]
    public void Registered_identities_show_whom_a_rule_misspells()
    {
        var policy = Samples.Rules(
            ("permit", "spiffeId: spiffe://example.org/shpo", "start"),
            ("permit", "spiffeIdPrefix: spiffe://example.org/shop", "start"),
            ("forbid", "spiffeIdPrefix: spiffe://example.org/guests", "start"));
        var inventory = new PolicyInventory { Identities = [new Principal { Id = SpiffeId.Parse("spiffe://example.org/shop/one") }] };
        var warning = Assert.Single(PolicyCheck.Find(policy, inventory, Samples.Now));
        Assert.Equal((PolicyWarningKind.MeansNobody, "sample/rule-0"), (warning.Kind, warning.Rule.ToString()));
    }

    [Theory]
    [InlineData("permit", "spiffeId: spiffe://example.org/wasmcloud/default/cart", false)]
    [InlineData("permit", "spiffeId: spiffe://example.org/ns/shop/component/cart", false)]
    [InlineData("permit", "spiffeIdPrefix: spiffe://example.org/ns/shop", false)]
    [InlineData("permit", "spiffeIdPrefix: spiffe://example.org/wasmcloud", false)]
    [InlineData("permit", "labels: { team: cloud }", false)]
    [InlineData("forbid", "spiffeId: spiffe://example.org/ns/shop/service", false)]
    [InlineData("permit", "spiffeIdPrefix: spiffe://example.org/nsx", true)]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop/ns/component", true)]
    [InlineData("permit", "spiffeIdPrefix: spiffe://other.example", true)]
    public void What_needs_no_entry_is_no_misspelling_because_it_has_none(string effect, string subject, bool isWarning)
    {
        var policy = Samples.Policy(
            $"{{ kind: CapabilityPolicy, name: p, labels: [{{ name: team, value: cloud, subjects: [{{ spiffeId: spiffe://example.org/gone }}, {{ spiffeId: spiffe://example.org/wasmcloud/default/cart }}] }}], rules: [{{ name: only, effect: {effect}, subjects: [{{ {subject} }}], capabilities: [start] }}] }}");
        PolicyWarning[] warnings = [.. PolicyCheck.Find(policy, Registered, Samples.Now)], notChecked = [.. PolicyCheck.NotChecked(policy, Registered, Samples.Now)];
        Assert.Equal((isWarning ? 1 : 0, isWarning ? 0 : 1), (warnings.Length, notChecked.Length));
        if (isWarning) return;
        Assert.Equal((PolicyWarningKind.MeansNobody, "p/only"), (notChecked[0].Kind, notChecked[0].Rule.ToString()));
        Assert.EndsWith(": what is below /wasmcloud and /ns needs no entry", notChecked[0].Text, StringComparison.Ordinal);

        // One that is known to be there.
        var known = Registered with { Identities = [.. Registered.Identities, Named("wasmcloud/default/cart"), Named("ns/shop/component/cart"), Named("ns/shop/service")] };
        Assert.Empty(PolicyCheck.Find(policy, known, Samples.Now));
        Assert.Empty(PolicyCheck.NotChecked(policy, known, Samples.Now));

        static Principal Named(string path) => new() { Id = SpiffeId.Parse($"spiffe://example.org/{path}") };
    }

    [Theory]
    [InlineData("spiffeId: spiffe://example.org/shop, host: spiffe://example.org/hosts/one", null)]
    [InlineData("spiffeId: spiffe://example.org/shop, host: spiffe://example.org/hosts/two", "no registered identity is that")]
    [InlineData("spiffeIdPrefix: spiffe://example.org, hostPrefix: spiffe://example.org/hosts", null)]
    [InlineData("spiffeIdPrefix: spiffe://example.org, hostPrefix: spiffe://example.org/racks", "no registered identity is that")]
    [InlineData("hostPrefix: spiffe://example.org/racks", "anyone on hosts spiffe://example.org/racks/…, and no registered identity is that")]
    [InlineData("spiffeId: spiffe://example.org/shop, image: 'r.io/shop:1'", null)]
    [InlineData("spiffeId: spiffe://example.org/process, image: 'r.io/shop:1'", "no registered identity is that")]
    public void A_host_that_runs_nobody_and_what_a_process_cannot_have_mean_nobody(string subject, string? why)
    {
        var warnings = PolicyCheck.Find(Samples.Rules(("permit", subject, "start"), ("forbid", "hostPrefix: spiffe://example.org/to/come", "{ natsPublish: a }")), Registered, Samples.Now);
        if (why is null) Assert.Empty(warnings);
        else Assert.Contains(why, Assert.Single(warnings).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("permit", "labels: { team: shop }", null)]
    [InlineData("permit", "labels: { team: gone }", "anyone with label team=gone, and no registered identity has that label")]
    [InlineData("forbid", "labels: { team: gone }", "no registered identity has that label")]
    [InlineData("permit", "labels: { team: shop, tier: gold }", "with labels team=shop and tier=gold, and no registered identity has these labels")]
    [InlineData("permit", "spiffeId: spiffe://example.org/process, labels: { team: shop }", "that label is given to nobody it could mean")]
    [InlineData("forbid", "labels: { team: later }", null)]
    public void A_label_means_nobody_when_none_of_those_it_is_given_to_is_registered(string effect, string subject, string? why)
    {
        var policy = Samples.Policy(
            $$"""
            kind: CapabilityPolicy
            name: p
            labels:
              - { name: team, value: shop, subjects: [{ spiffeId: spiffe://example.org/gone }, { spiffeId: spiffe://example.org/shop }] }
              - { name: team, value: gone, subjects: [{ spiffeId: spiffe://example.org/gone }, { spiffeId: spiffe://example.org/shop, host: spiffe://example.org/hosts/two }] }
              - { name: team, value: later, subjects: [{ spiffeIdPrefix: spiffe://example.org/later }] }
              - { name: tier, value: gold, subjects: [{ spiffeId: spiffe://example.org/gone }] }
            rules:
              - { name: r, effect: {{effect}}, subjects: [{ {{subject}} }, { spiffeId: spiffe://example.org/process }], capabilities: [start] }
            """);
        var warnings = PolicyCheck.Find(policy, Registered, Samples.Now);
        if (why is null) Assert.Empty(warnings);
        else Assert.Contains(why, Assert.Single(warnings).Text, StringComparison.Ordinal);
        Assert.All(warnings, warning => Assert.Equal(PolicyWarningKind.MeansNobody, warning.Kind));
    }

    // What entries tell: of a component the host, of a process that it has none.
    private static PolicyInventory Registered => new()
    {
        Identities =
        [
            new Principal { Id = SpiffeId.Parse("spiffe://example.org/shop"), Host = SpiffeId.Parse("spiffe://example.org/hosts/one"), Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Image },
            Principal.Process(SpiffeId.Parse("spiffe://example.org/process")),
        ],
    };
}
