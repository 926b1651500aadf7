namespace Identity.Policy.Tests.Language;

/// <summary>What rules in modes shadow and warn say about a start is what would come, were they enforced: judged by the same functions, and with exports.</summary>
public sealed class ShadowedStartTests
{
    private const string Store = "wasi:keyvalue/store@0.2.0";

    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";

    [Theory]
    [InlineData("shadow")]
    [InlineData("warn")]
    public void A_forbid_of_a_function_that_is_not_imported_says_nothing(string mode)
    {
        var admitted = Admitted(Policy(("permit", "enforce", Import(Store)), ("forbid", mode, Import($"{Store}#set"))), Start("get"));
        Assert.Empty(admitted.Shadow);
        Assert.Empty(admitted.Warnings);
        Assert.False(admitted.ShadowDenied);
    }

    [Fact]
    public void A_forbid_of_a_function_that_is_imported_names_the_function()
    {
        var shadowed = Admitted(Policy(("permit", "enforce", Import(Store)), ("forbid", "shadow", Import($"{Store}#set"))), Start("get", "set"));
        Assert.Equal([new ShadowOutcome($"{Store}#set", Rule(1), WouldAllow: false)], shadowed.Shadow);
        Assert.True(shadowed.ShadowDenied);
        var warned = Admitted(Policy(("permit", "enforce", Import(Store)), ("forbid", "warn", Import($"{Store}#set"))), Start("get", "set"));
        Assert.Equal([new RuleWarning($"{Store}#set", Rule(1))], warned.Warnings);
    }

    [Fact]
    public void Permits_of_functions_in_mode_shadow_turn_a_refusal_of_the_interface()
    {
        var denied = Denied(Policy(("permit", "shadow", Import($"{Store}#get")), ("permit", "shadow", Import($"{Store}#set"))), Start("get", "set"));
        Assert.Equal([new ShadowOutcome($"{Store}#get", Rule(0), WouldAllow: true), new ShadowOutcome($"{Store}#set", Rule(1), WouldAllow: true)], denied.Shadow);
    }

    [Fact]
    public void A_permit_in_mode_warn_is_said_of_the_functions_that_nothing_else_permits()
    {
        var admitted = Admitted(Policy(("permit", "warn", Import(Store)), ("permit", "enforce", Import($"{Store}#get"))), Start("get", "set"));
        Assert.Equal([new RuleWarning($"{Store}#set", Rule(0)) { IsPermit = true }], admitted.Warnings);
    }

    [Theory]
    [InlineData("shadow")]
    [InlineData("warn")]
    public void A_forbid_of_the_start_counts_although_imports_need_no_permit_of_it(string mode)
    {
        var policy = Policy(("permit", "enforce", Import(Store)), ("forbid", mode, "start"));
        var admitted = Admitted(policy, Start("get"));
        Assert.Equal(mode == "shadow" ? [new ShadowOutcome("start", Rule(1), WouldAllow: false)] : [], admitted.Shadow);
        Assert.Equal(mode == "warn" ? [new RuleWarning("start", Rule(1))] : [], admitted.Warnings);
        Denied(Policy(("permit", "enforce", Import(Store)), ("forbid", "enforce", "start")), Start("get"));
    }

    [Fact]
    public void A_permit_of_the_start_in_mode_shadow_says_nothing_where_nobody_needs_it() =>
        Assert.Empty(Admitted(Policy(("permit", "enforce", Import(Store)), ("permit", "shadow", "start")), Start("get")).Shadow);

    [Theory]
    [InlineData("\"#run\"", "export #run")]
    [InlineData("acme:shop/admin", "export acme:shop/admin")]
    [InlineData("\"acme:shop/admin#wipe\"", "export acme:shop/admin#wipe")]
    public void What_may_be_called_is_noted_and_denies_no_start(string export, string name)
    {
        var shadowed = Admitted(Policy(("permit", "enforce", All), ("forbid", "shadow", $"{{ export: {export} }}")), WithExports);
        Assert.Equal([new ShadowOutcome(name, Rule(1), WouldAllow: false)], shadowed.Shadow);
        Assert.False(shadowed.ShadowDenied);
        var warned = Admitted(Policy(("permit", "enforce", All), ("forbid", "warn", $"{{ export: {export} }}")), WithExports);
        Assert.Equal([new RuleWarning(name, Rule(1))], warned.Warnings);
        var turned = Admitted(Policy(("permit", "enforce", Import(Store)), ("permit", "shadow", $"{{ export: {export} }}")), WithExports);
        Assert.Equal([new ShadowOutcome(name, Rule(1), WouldAllow: true)], turned.Shadow);
    }

    [Fact]
    public void What_is_noted_of_a_start_is_what_comes_when_the_rule_is_enforced()
    {
        string[] capabilities = [Import(Store), Import($"{Store}#get"), Import($"{Store}#set"), "start", Import("wasi:io/poll@0.2.0")];
        string[][] imports = [[], ["get"], ["set"], ["get", "set"]];
        var cases = from permitted in capabilities
                    from effect in (string[])["permit", "forbid"]
                    from tried in capabilities
                    from functions in imports
                    select (permitted, effect, tried, functions);
        foreach (var (permitted, effect, tried, functions) in cases)
        {
            var now = ComponentAdmission.Decide(Policy(("permit", "enforce", permitted), (effect, "shadow", tried)), Start(functions), Samples.Now);
            var then = ComponentAdmission.Decide(Policy(("permit", "enforce", permitted), (effect, "enforce", tried)), Start(functions), Samples.Now);
            var which = $"{permitted}; {effect} {tried}; {string.Join(',', functions)}";
            if (now is Decision.Admitted admitted) Assert.True(admitted.ShadowDenied == then is Decision.Denied, which);
            else if (then is Decision.Admitted) Assert.True(now.Shadow.Any(outcome => outcome.WouldAllow), which);
            Assert.False(now is Decision.Admitted && effect == "permit" && !now.Shadow.IsEmpty, which);
        }
    }

    private static string All => $"{Import(Store)}, {{ export: acme:shop/admin }}, {{ export: \"#run\" }}";

    private static ComponentStart WithExports => Start("get") with
    {
        Imports = new ComponentImports([new ComponentImport(Store, ImportKind.Instance, ["get"])])
        {
            Exports = [new ComponentExport("acme:shop/admin", ImportKind.Instance, ["wipe", "list"]), new ComponentExport("run", ImportKind.Function, [])],
        },
    };

    private static string Import(string name) => $"{{ import: \"{name}\" }}";

    private static RuleReference Rule(int number) => new("sample", $"rule-{number}");

    private static CapabilityPolicy Policy(params (string Effect, string Mode, string Capability)[] rules) =>
        Samples.Policy(Samples.Source([.. rules.Select(rule => ($"{rule.Effect}, mode: {rule.Mode}", IsGreeter, rule.Capability))]));

    private static ComponentStart Start(params string[] functions) =>
        Samples.Start() with { Imports = new ComponentImports([new ComponentImport(Store, ImportKind.Instance, [.. functions])]) };

    private static Decision.Admitted Admitted(CapabilityPolicy policy, ComponentStart start) =>
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, start, Samples.Now));

    private static Decision.Denied Denied(CapabilityPolicy policy, ComponentStart start) =>
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, start, Samples.Now));
}
