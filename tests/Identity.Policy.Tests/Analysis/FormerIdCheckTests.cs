using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>Forbids that name a provider of wasmCloud v1 by the SPIFFE ID it shared with a component of its id.</summary>
public sealed class FormerIdCheckTests
{
    private const string Lattice = "spiffe://example.org/wasmcloud/default";
    private const string EverybodyStarts = "- { name: all, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org/wasmcloud }], capabilities: [start] }\n";

    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    public static TheoryData<string> NoLongerHolding =>
    [
        $"spiffeId: {Lattice}/kv", $"spiffeIdPrefix: {Lattice}/kv", $"spiffeId: {Lattice}/kv, lattice: default", $"spiffeId: {Lattice}/kv, imagePrefix: ghcr.io/acme", $"spiffeId: {Lattice}/provider",
    ];

    [Theory]
    [MemberData(nameof(NoLongerHolding))]
    public void A_forbid_that_does_not_mean_the_provider_any_more_is_told(string subject)
    {
        var warning = Assert.Single(Find(EverybodyStarts + Forbid(subject)));
        Assert.Equal(("p/old", 5), (warning.Rule.ToString(), warning.Line));
        Assert.Contains($"{Lattice}/provider/", warning.Text, StringComparison.Ordinal);
        Assert.Contains($"forbid it to {Lattice}/provider/", warning.Advice, StringComparison.Ordinal);
    }

    public static TheoryData<string> StillHolding =>
    [
        // Both, then and now.
        $"spiffeIdPrefix: {Lattice}", "spiffeIdPrefix: spiffe://example.org/wasmcloud", "lattice: default", "spiffeIdPrefix: spiffe://example.org",
        // By the new name.
        $"spiffeId: {Lattice}/provider/kv", $"spiffeIdPrefix: {Lattice}/provider", $"spiffeIdPrefix: {Lattice}/provider/kv",
        // Nothing of wasmCloud.
        "spiffeId: spiffe://example.org/ns/shop/component/kv", "spiffeId: spiffe://example.org/wasmcloud/kv", "spiffeId: spiffe://example.org/shop/default/kv",
    ];

    [Theory]
    [MemberData(nameof(StillHolding))]
    public void A_forbid_that_means_whom_it_always_meant_is_not(string subject) => Assert.Empty(Find(EverybodyStarts + Forbid(subject)));

    [Fact]
    public void Is_silent_where_the_provider_may_not_start_anyway() =>
        Assert.Empty(Find($"- {{ name: all, effect: permit, subjects: [{{ spiffeId: {Lattice}/kv }}, {{ spiffeId: {Lattice}/provider/other }}], capabilities: [start] }}\n" + Forbid($"spiffeId: {Lattice}/kv")));

    [Theory]
    [InlineData("mode: shadow")]
    [InlineData("mode: off")]
    [InlineData("expires: 2026-01-01T00:00:00Z, reason: over")]
    public void Is_silent_where_what_permits_it_does_not_count(string more) =>
        Assert.Empty(Find(EverybodyStarts.Replace("effect: permit", $"effect: permit, {more}", StringComparison.Ordinal) + Forbid($"spiffeId: {Lattice}/kv")));

    [Fact]
    public void Is_silent_about_what_no_provider_asks_for() =>
        Assert.Empty(Find(EverybodyStarts + Forbid($"spiffeId: {Lattice}/kv", "{ natsPublish: a }")));

    [Theory]
    [InlineData($"spiffeId: {Lattice}/provider/kv", "")]
    [InlineData($"spiffeIdPrefix: {Lattice}/provider", "")]
    [InlineData($"spiffeId: {Lattice}/provider/kv, imagePrefix: ghcr.io/acme", ", imagePrefix: ghcr.io/acme")]
    [InlineData($"spiffeId: {Lattice}/provider/kv", ", imagePrefix: ghcr.io/acme")]
    public void Is_silent_once_the_provider_is_forbidden_it_too(string also, string asks) =>
        Assert.Empty(Find(EverybodyStarts + Forbid($"spiffeId: {Lattice}/kv{asks}") + Forbid(also, name: "new")));

    [Theory]
    [InlineData($"spiffeId: {Lattice}/provider/other", "enforce")]
    [InlineData($"spiffeId: {Lattice}/provider/kv, imagePrefix: ghcr.io/acme", "enforce")]
    [InlineData($"spiffeId: {Lattice}/provider/kv", "shadow")]
    public void Is_told_while_only_some_of_it_is_forbidden_to_the_provider(string also, string mode) =>
        Assert.Single(Find(EverybodyStarts + Forbid($"spiffeId: {Lattice}/kv") + Forbid(also, name: "new", mode: mode)));

    private static IEnumerable<PolicyWarning> Find(string rules) =>
        PolicyCheck.Find(CapabilityPolicy.FromSources([$"kind: CapabilityPolicy\nname: p\nrules:\n{rules}"], 1), PolicyInventory.Empty, Now)
            .Where(warning => warning.Kind == PolicyWarningKind.FormerId);

    private static string Forbid(string subject, string capability = "start", string name = "old", string mode = "enforce") =>
        $"- {{ name: {name}, effect: forbid, mode: {mode}, subjects: [{{ {subject} }}], capabilities: [{capability}] }}\n";
}
