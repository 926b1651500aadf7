namespace Identity.Policy.Tests.Language;

/// <summary>Starts by the functions that a component imports, what may be called on it, and what modes say about a start.</summary>
public sealed class FunctionAdmissionTests
{
    private const string Store = "wasi:keyvalue/store@0.2.0";

    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";

    [Fact]
    public void A_component_starts_when_each_function_it_imports_is_granted()
    {
        var policy = Samples.Rules(("permit", IsGreeter, $"{{ import: \"{Store}#get\" }}"), ("permit", IsGreeter, $"{{ import: \"{Store}#[method]bucket.get\" }}"));
        Assert.Equal(["get", "[method]bucket.get"], Assert.Single(Admitted(policy, Start("get", "[method]bucket.get")).Grants).Functions);
        Assert.Equal(["sample/rule-0"], Admitted(policy, Start("get")).DeterminingRules.Select(rule => rule.ToString()));

        var denied = Denied(policy, Start("get", "set"));
        Assert.Equal($"{Store}#set", Assert.Single(denied.Refusals).Capability);
        Assert.IsType<Decision.Admitted>(Decide(CapabilityPolicy.Create([.. policy.Documents, Samples.Document(denied.Explanation.SmallestGrant!)], 2), Start("get", "set")));
    }

    [Fact]
    public void Functions_of_another_version_of_the_track_are_those_functions() =>
        Admitted(Samples.Rules(("permit", IsGreeter, "{ import: \"wasi:keyvalue/store@0.2.9#get\" }")), Start("get"));

    [Fact]
    public void A_grant_of_functions_does_not_grant_an_interface_whose_functions_are_not_told() =>
        Assert.Equal(Store, Assert.Single(Denied(Samples.Rules(("permit", IsGreeter, $"{{ import: \"{Store}#get\" }}")), Start()).Refusals).Capability);

    [Fact]
    public void A_forbidden_function_is_refused_to_who_imports_it_only()
    {
        var policy = Samples.Rules(("permit", IsGreeter, $"{{ import: {Store} }}"), ("forbid", "spiffeIdPrefix: spiffe://example.org", $"{{ import: \"wasi:keyvalue/store@*#set\" }}"));
        Admitted(policy, Start("get"));
        var refusal = Assert.Single(Denied(policy, Start("get", "set")).Refusals);
        Assert.Equal(($"{Store}#set", new RuleReference("sample", "rule-1")), (refusal.Capability, refusal.ForbiddenBy));
        Assert.Equal(Store, Assert.Single(Denied(policy, Start()).Refusals).Capability);
    }

    [Fact]
    public void An_interface_of_which_nothing_is_granted_is_refused_once() =>
        Assert.Equal(Store, Assert.Single(Denied(CapabilityPolicy.Empty, Start("get", "set", "delete")).Refusals).Capability);

    [Fact]
    public void What_may_be_called_is_what_an_export_rule_permits_and_lacking_it_denies_no_start()
    {
        var start = Samples.Start(Store) with
        {
            Imports = new ComponentImports([new ComponentImport(Store, ImportKind.Instance)])
            {
                Exports =
                [
                    new ComponentExport("wasi:http/incoming-handler@0.2.0", ImportKind.Instance, ["handle"]),
                    new ComponentExport("acme:shop/admin", ImportKind.Instance, ["wipe", "list"]),
                    new ComponentExport("run", ImportKind.Function, []),
                    new ComponentExport("stop", ImportKind.Function, []),
                ],
            },
        };
        (string, string, string) store = ("permit", IsGreeter, $"{{ import: {Store} }}");
        Assert.Empty(Admitted(Samples.Rules(store), start).Exports);

        var exports = Admitted(
            Samples.Rules(store, ("permit", IsGreeter, "{ export: wasi:http/*@0.2.0 }"), ("permit", IsGreeter, "{ export: acme:shop/admin }"), ("forbid", IsGreeter, "{ export: \"acme:shop/admin#wipe\" }"), ("permit", IsGreeter, "{ export: \"#run\" }")), start).Exports;

        Assert.Equal(["wasi:http/incoming-handler@0.2.0", "acme:shop/admin", "run"], exports.Select(export => export.Import));
        Assert.Equal(["list"], exports[1].Functions);
    }

    [Fact]
    public void What_warn_rules_object_to_is_told_and_changes_no_decision()
    {
        var plain = Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"));
        var warned = Samples.Source(("forbid", IsGreeter, $"{{ import: {Store} }}")).Replace("name: sample", "name: w", StringComparison.Ordinal).Replace("effect: forbid", "effect: forbid, mode: warn", StringComparison.Ordinal);

        var admitted = Admitted(Samples.Policy(plain, warned), Start("get"));

        Assert.Equal(new RuleWarning(Store, new RuleReference("w", "rule-0")), Assert.Single(admitted.Warnings));
        Assert.Equal(Admitted(Samples.Policy(plain), Start("get")), admitted);
    }

    [Fact]
    public void A_start_says_what_shadow_rules_would_turn()
    {
        var plain = Samples.Source(("permit", IsGreeter, $"{{ import: {Store} }}"));
        string Shadow(string effect) => Samples.Source((effect, IsGreeter, $"{{ import: {Store} }}")).Replace("name: sample", "name: s", StringComparison.Ordinal).Replace($"effect: {effect}", $"effect: {effect}, mode: shadow", StringComparison.Ordinal);

        var admitted = Admitted(Samples.Policy(plain, Shadow("forbid")), Start("get"));
        Assert.True(admitted.ShadowDenied);
        Assert.Equal(new ShadowOutcome(Store, new RuleReference("s", "rule-0"), WouldAllow: false), Assert.Single(admitted.Shadow));

        var denied = Denied(Samples.Policy(Shadow("permit")), Start("get"));
        Assert.Equal(new ShadowOutcome(Store, new RuleReference("s", "rule-0"), WouldAllow: true), Assert.Single(denied.Shadow));
        Assert.Equal("is in mode shadow", Assert.Single(denied.Refusals).NearestMiss?.Lacks);
    }

    [Fact]
    public void Off_and_shadow_rules_have_no_effect_on_a_nats_login()
    {
        foreach (var mode in new[] { "off", "shadow" })
        {
            var source = Samples.Source(("permit", IsGreeter, "{ natsPublish: a.b }"), ("forbid", IsGreeter, "{ natsPublish: a.b }"))
                .Replace("effect: forbid", $"effect: forbid, mode: {mode}", StringComparison.Ordinal);
            Assert.Equal(["a.b"], Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(Samples.Policy(source), Samples.Greeter, Samples.Now)).Publish.Allow);
            var off = Samples.Source(("permit", IsGreeter, "{ natsPublish: a.b }")).Replace("effect: permit", $"effect: permit, mode: {mode}", StringComparison.Ordinal);
            Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(Samples.Policy(off), Samples.Greeter, Samples.Now));
        }
    }

    private static ComponentStart Start(params string[] functions) =>
        Samples.Start() with { Imports = new ComponentImports([new ComponentImport(Store, ImportKind.Instance, [.. functions])]) };

    private static Decision Decide(CapabilityPolicy policy, ComponentStart start) => ComponentAdmission.Decide(policy, start, Samples.Now);

    private static Decision.Admitted Admitted(CapabilityPolicy policy, ComponentStart start) => Assert.IsType<Decision.Admitted>(Decide(policy, start));

    private static Decision.Denied Denied(CapabilityPolicy policy, ComponentStart start) => Assert.IsType<Decision.Denied>(Decide(policy, start));
}
