using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

public sealed class BreadthCheckTests
{
    private const string Narrow = "spiffeIdPrefix: spiffe://example.org/components";

    [Theory]
    [InlineData("{ connect: \"*:*\" }")]
    [InlineData("{ connect: \"0.0.0.0/0:*\" }")]
    [InlineData("{ connect: \"[::]/0:*\", protocol: udp }")]
    [InlineData("{ resolve: \"*\" }")]
    [InlineData("{ config: \"*\" }")]
    [InlineData("{ secret: \"*\" }")]
    [InlineData("{ mount: /* }")]
    [InlineData("{ mount: / }")]
    public void Warns_of_a_permit_of_everything_and_of_no_forbid(string capability)
    {
        var warning = Assert.Single(Find(("permit", Narrow, capability)));
        Assert.Equal((PolicyWarningKind.Wide, true), (warning.Kind, warning.Line > 0));
        Assert.Contains("everything of its kind", warning.Text, StringComparison.Ordinal);
        Assert.Empty(Find(("forbid", Narrow, capability)));
    }

    [Theory]
    [InlineData("{ stream: ORDERS, access: [consume] }", true)]
    [InlineData("{ stream: ORDERS, access: [read, consume] }", true)]
    [InlineData("{ stream: ORDERS, access: [read] }", false)]
    [InlineData("{ consumer: ORDERS/billing, access: [consume] }", false)]
    public void Warns_of_a_permit_that_reaches_the_consumers_of_others(string capability, bool isWide)
    {
        Assert.Equal(isWide, Find(("permit", Narrow, capability)).Any(warning => warning.Text.Contains("every consumer of the stream", StringComparison.Ordinal)));
        Assert.Empty(Find(("forbid", Narrow, capability)));
    }

    [Theory]
    [InlineData("spiffeIdPrefix: spiffe://example.org", true)]
    [InlineData("spiffeIdPrefix: spiffe://example.org, namespace: shop", false)]
    [InlineData("spiffeIdPrefix: spiffe://example.org/components", false)]
    [InlineData("namespace: shop", false)]
    public void Warns_of_a_permit_to_a_whole_trust_domain(string subject, bool isWide)
    {
        Assert.Equal(isWide, Find(("permit", subject, "start")).Any(warning => warning.Kind == PolicyWarningKind.Wide));
        Assert.Empty(Find(("forbid", subject, "start")));
    }

    [Theory]
    [InlineData("signer: release@example.org", "permit", "so nobody has it there")]
    [InlineData("signer: release@example.org", "forbid", "every component that it could mean")]
    [InlineData("signer: ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "permit", null)]
    public void Warns_of_a_signer_whom_nothing_verifies(string subject, string effect, string? why)
    {
        var warnings = Find((effect, subject, "start")).ToList();
        if (why is null) Assert.Empty(warnings);
        else Assert.Contains(why, Assert.Single(warnings).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ connect: \"*:443\" }")]
    [InlineData("{ connect: \"10.0.0.0/8:*\" }")]
    [InlineData("{ connect: \"*.example.com:*\" }")]
    [InlineData("{ config: \"db/*\" }")]
    [InlineData("{ mount: /var/* }")]
    public void Says_nothing_of_what_is_narrower(string capability) => Assert.Empty(Find(("permit", Narrow, capability)));

    [Theory]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop", "import: wasi:io/poll", true)]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop", "import: 'wasi:io/poll#poll'", true)]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop", "export: wasi:http/incoming-handler", true)]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop", "import: wasi:io/poll@0.2.0", false)]
    [InlineData("permit", "spiffeId: spiffe://example.org/shop", "import: acme:io/poll", false)]
    [InlineData("permit", "spiffeId: spiffe://example.org/ns/shop/component/cart", "import: wasi:io/poll", false)]
    [InlineData("permit", "namespace: shop", "import: wasi:io/poll", false)]
    [InlineData("permit", "image: ghcr.io/acme/cart:1", "import: wasi:io/poll", false)]
    [InlineData("forbid", "spiffeId: spiffe://example.org/shop", "import: wasi:io/poll", false)]
    public void An_interface_of_WASI_without_a_version_is_warned_of_where_a_component_asks_for_it(string effect, string subject, string capability, bool isWarned) =>
        Assert.Equal(isWarned ? [PolicyWarningKind.Unversioned] : [], Find((effect, subject, $"{{ {capability} }}")).Select(warning => warning.Kind));

    private static IEnumerable<PolicyWarning> Find((string, string, string) rule) => BreadthCheck.Find(Samples.Rules(rule), Samples.Now);
}
