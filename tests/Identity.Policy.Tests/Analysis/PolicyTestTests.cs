using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>Expectations beside a policy are read strictly and judged exactly.</summary>
public sealed class PolicyTestTests
{
    private const string Policy =
        """
        kind: CapabilityPolicy
        name: shop
        rules:
          - { name: orders, effect: permit, subjects: [{ spiffeId: spiffe://example.org/shop }], capabilities: [{ natsPublish: orders.* }, { stream: ORDERS, access: [info] }] }
          - { name: secret, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ natsPublish: orders.secret }] }
        ---
        """;

    [Theory]
    [InlineData("{ natsPublish: orders.new }", "allow", null, true)]
    [InlineData("{ natsPublish: orders.new }", "allow", "shop/orders", true)]
    [InlineData("{ natsPublish: orders.new }", "allow", "shop/secret", false)]
    [InlineData("{ natsPublish: orders.secret }", "deny", "shop/secret", true)]
    [InlineData("{ natsPublish: orders.secret }", "allow", null, false)]
    [InlineData("{ stream: ORDERS, access: [info] }", "allow", null, true)]
    [InlineData("{ stream: ORDERS, access: [read] }", "allow", null, false)]
    [InlineData("start", "deny", null, true)]
    public void A_case_passes_exactly_when_it_is_as_expected(string request, string expect, string? by, bool passes)
    {
        var manifest = Read($"{Policy}\nkind: PolicyTest\nname: t\ncases:\n  - {{ name: c, principal: {{ spiffeId: spiffe://example.org/shop }}, request: {request}, expect: {expect}{(by is null ? "" : $", by: {by}")} }}\n");
        var result = Assert.Single(PolicyTests.Run(CapabilityPolicy.Create(manifest.Policies, 1), manifest.Tests, Samples.Now));
        Assert.Equal(passes, result.Passed);
        Assert.Equal(passes, result.Explanation is null);
    }

    [Theory]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: start, expect: allow, extra: 1 }", "unknown field 'extra'")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a, team: x }, request: start, expect: allow }", "unknown field 'team'")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: start }", "lacks the field 'expect'")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: start, expect: alow }", "did you mean 'allow'?")]
    [InlineData("{ name: c, principal: { digest: x }, request: start, expect: deny }", "lacks the field 'spiffeId'")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: { import: 'wasi:io/*@0.2.0' }, expect: deny }", "names more than one interface")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a, host: spiffe://t/h, unknown: [host] }, request: start, expect: deny }", "stated and unknown at once")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a, unknown: [colour] }, request: start, expect: deny }", "unknown attribute 'colour'")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: start, expect: deny, by: nonsense }", "expected policy/rule")]
    [InlineData("{ name: c, principal: { spiffeId: spiffe://t/a }, request: start, expect: deny, at: tomorrow }", "must be a moment")]
    public void What_is_not_understood_refuses_the_document(string test, string problem)
    {
        Assert.False(ManifestReader.TryRead($"kind: PolicyTest\nname: t\ncases: [{test}]\n", out _, out var problems));
        Assert.Contains(problems, found => found.ToString().Contains(problem, StringComparison.Ordinal));
    }

    [Fact]
    public void The_moment_and_what_the_door_cannot_tell_are_part_of_a_case()
    {
        var manifest = Read(
            """
            kind: CapabilityPolicy
            name: p
            rules:
              - { name: until, effect: permit, reason: r, expires: 2027-01-01T00:00:00Z, subjects: [{ spiffeId: spiffe://t/a }], capabilities: [start] }
              - { name: not-there, effect: forbid, subjects: [{ host: spiffe://t/h }], capabilities: [start] }
            ---
            kind: PolicyTest
            name: t
            cases:
              - { name: before, principal: { spiffeId: spiffe://t/a }, request: start, expect: allow, at: 2026-12-31T23:59:59Z }
              - { name: after, principal: { spiffeId: spiffe://t/a }, request: start, expect: deny, at: 2027-01-01T00:00:00Z }
              - { name: untold, principal: { spiffeId: spiffe://t/a, unknown: [host] }, request: start, expect: deny, by: p/not-there }
            """);
        Assert.All(PolicyTests.Run(CapabilityPolicy.Create(manifest.Policies, 1), manifest.Tests, Samples.Now), result => Assert.True(result.Passed, result.Found));
    }

    private static Manifest Read(string source) =>
        ManifestReader.TryRead(source, out var manifest, out var problems) ? manifest : throw new FormatException(string.Join('\n', problems));
}
