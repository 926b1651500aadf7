using Identity.Agent.Admission;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Tests.Agent;

/// <summary>What rules in modes shadow and warn say about the call that a host would make goes with the start.</summary>
public sealed class CallDoorTests
{
    private const string Poll = "wasi:io/poll@0.2.0";
    private const string Run = "wasi:cli/run@0.2.3";

    private static readonly CapabilityRequest.Export Called = (CapabilityRequest.Export)CapabilityRequest.Parse("export wasi:cli/run@0.2.0#run");

    private static readonly ComponentStart Start = new(
        SpiffeId.Parse("spiffe://example.org/components/greeter"), SpiffeId.Parse("spiffe://example.org/hosts/local"), ComponentDigest.Of("greeter"u8), "greeter",
        new ComponentImports([new ComponentImport(Poll, ImportKind.Instance)]) { Exports = [new ComponentExport(Run, ImportKind.Instance, ["run", "stop"])] });

    [Fact]
    public void A_forbid_in_mode_shadow_of_what_is_called_would_deny_the_start_and_is_said_once()
    {
        var admitted = Assert.IsType<Decision.Admitted>(Decide(Permit("", Both), Forbid("shadow", $"export: \"{Run}#run\"")));
        var outcome = Assert.Single(admitted.Shadow);
        Assert.Equal(($"export {Run}#run", "forbid/rule", false), (outcome.Capability, outcome.Rule.ToString(), outcome.WouldAllow));
        Assert.True(admitted.ShadowDenied);
        Assert.IsType<Decision.Denied>(Decide(Permit("", Both), Forbid("enforce", $"export: \"{Run}#run\"")));
    }

    [Fact]
    public void A_forbid_in_mode_shadow_of_what_is_not_called_would_deny_no_start()
    {
        var admitted = Assert.IsType<Decision.Admitted>(Decide(Permit("", Both), Forbid("shadow", $"export: \"{Run}#stop\"")));
        Assert.Equal($"export {Run}#stop", Assert.Single(admitted.Shadow).Capability);
        Assert.False(admitted.ShadowDenied);
    }

    [Fact]
    public void A_rule_in_mode_warn_about_the_call_is_a_warning()
    {
        var objected = Assert.IsType<Decision.Admitted>(Decide(Permit("", Both), Forbid("warn", $"export: \"{Run}#run\"")));
        Assert.Equal(($"export {Run}#run", false), (Assert.Single(objected.Warnings).Capability, objected.Warnings[0].IsPermit));
        var permitted = Assert.IsType<Decision.Admitted>(Decide(Permit("", $"import: {Poll}"), Permit("warn", $"export: \"{Run}#run\"")));
        Assert.Equal(($"export {Run}#run", true), (Assert.Single(permitted.Warnings).Capability, permitted.Warnings[0].IsPermit));
    }

    [Fact]
    public void A_refused_call_says_what_a_permit_in_mode_shadow_would_turn()
    {
        var denied = Assert.IsType<Decision.Denied>(Decide(Permit("", $"import: {Poll}"), Permit("shadow", $"export: \"{Run}#run\"")));
        Assert.Equal((true, "permitshadow/rule"), (Assert.Single(denied.Shadow).WouldAllow, denied.Shadow[0].Rule.ToString()));

        // Also where the start itself is refused, and exports are not asked for.
        denied = Assert.IsType<Decision.Denied>(Decide(Permit("shadow", $"export: \"{Run}#run\"")));
        Assert.Equal("export wasi:cli/run@0.2.0#run", Assert.Single(denied.Shadow).Capability);
    }

    private static string Both => $"import: {Poll} }}, {{ export: {Run}";

    private static string Permit(string mode, string capability) => Rule("permit", mode, capability);

    private static string Forbid(string mode, string capability) => Rule("forbid", mode, capability);

    private static string Rule(string effect, string mode, string capability) =>
        $"kind: CapabilityPolicy\nname: {effect}{(effect == "permit" ? mode : "")}\nrules:\n  - name: rule\n    effect: {effect}\n{(mode.Length > 0 ? $"    mode: {mode}\n" : "")}"
        + $"    subjects: [{{ spiffeId: {Start.Id} }}]\n    capabilities: [{{ {capability} }}]\n";

    private static Decision Decide(params string[] sources) =>
        CallDoor.Decide(CapabilityPolicy.FromSources(sources, 1), Start, Called, DateTimeOffset.UnixEpoch);
}
