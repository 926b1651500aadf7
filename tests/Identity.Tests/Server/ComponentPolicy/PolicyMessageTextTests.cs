using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using PolicyRule = Identity.V1.PolicyRule;
using PolicySubject = Identity.V1.PolicySubject;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A policy as messages is the policy as a document.</summary>
public sealed class PolicyMessageTextTests
{
    private const string Document = """
        kind: CapabilityPolicy
        name: shop
        labels:
          - { name: team, value: shop, subjects: [{ spiffeIdPrefix: spiffe://example.org/shop, namespace: shop }, { imagePrefix: ghcr.io/shop }] }
        rules:
          - name: serve
            effect: permit
            mode: warn
            subjects: [{ spiffeId: spiffe://example.org/shop, signer: release@example.org, labels: { team: shop } }, { lattice: default, host: spiffe://example.org/h, image: "ghcr.io/shop/a:1" }]
            capabilities:
              - start
              - import: "wasi:keyvalue/store@0.2.0#[method]bucket.get"
              - { natsSubscribe: orders.>, queue: shop }
              - natsRespond: { max: 2, within: 30s }
              - { bucket: settings, keys: shop.>, access: [read, watch] }
              - { connect: 10.0.0.1:53, protocol: udp }
            ceilings: { memory: 16MiB, fuel: 1000, time: 5s }
            expires: 2030-01-31T00:00:00Z
            reason: "it's only for now"
          - { name: never, effect: forbid, subjects: [{ hostPrefix: spiffe://example.org }], capabilities: [natsRespond, { import: "wasi:sockets/*@*" }] }
        """;

    [Fact]
    public void Says_every_field_that_a_document_says()
    {
        Assert.True(PolicyMessageText.TryWrite(Messages(), out var text, out var problem), problem);
        var (written, expected) = (Read(text), Read(Document));
        Assert.Equal(expected.Name, written.Name);
        Assert.Equal(expected.Labels.SelectMany(label => label.Subjects), written.Labels.SelectMany(label => label.Subjects));
        Assert.Equal(Plain(expected), Plain(written));
        Assert.Equal(expected.Rules.SelectMany(rule => rule.Subjects), written.Rules.SelectMany(rule => rule.Subjects));

        static IEnumerable<string> Plain(PolicyDocument document) => document.Rules.Select(rule =>
            $"{rule.Name} {rule.Effect} {rule.Mode} {rule.Reason} {rule.Expires:O} {rule.Ceilings} {string.Join("; ", rule.Capabilities)}");
    }

    public static TheoryData<Action<CapabilityPolicyDocument>, string> Refused => new()
    {
        { policy => policy.Rules[0].Effect = PolicyRule.Types.Effect.Unspecified, "has no effect" },
        { policy => policy.Rules[0].Mode = (PolicyRule.Types.Mode)9, "has the mode 9" },
        { policy => policy.Rules[0].Expires.Nanos = 1, "no whole second" },
        { policy => policy.Rules[0].Expires.Seconds = long.MaxValue, "no whole second" },
        { policy => policy.Rules[0].Capabilities[0].Kind = "strat", "unknown capability 'strat'" },
        { policy => policy.Rules[0].Capabilities.Add(new PolicyCapability { Kind = "connect", Value = "a.x:1\n  - start" }), "is not a port" },
        { policy => policy.Rules[0].Reason = new string('x', 1 << 20), "more than" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Refuses_what_a_document_could_not_say(Action<CapabilityPolicyDocument> spoil, string why)
    {
        var policy = Messages();
        spoil(policy);
        Assert.False(PolicyMessageText.TryWrite(policy, out var text, out var problem));
        Assert.Empty(text);
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }

    // What messages allow and a document does not is for the reader to refuse, wherever it is written.
    [Theory]
    [InlineData("p\nrules: []\n#")]
    [InlineData("p', rules: []")]
    [InlineData("{}")]
    [InlineData("*x")]
    [InlineData("p # hidden\rrules: []")]
    [InlineData("p # hidden\u2028rules: []")]
    [InlineData("")]
    public void No_text_becomes_anything_but_text(string name)
    {
        foreach (var spoil in new Action<CapabilityPolicyDocument>[] { policy => policy.Name = name, policy => policy.Rules[0].Name = name, policy => policy.Labels[0].Name = name, policy => policy.Rules[0].Subjects[0].Labels[name] = "x" })
        {
            var policy = Messages();
            spoil(policy);
            Assert.True(PolicyMessageText.TryWrite(policy, out var text, out _));
            Assert.False(PolicyParser.TryParse(text, out _, out var problems));
            Assert.NotEmpty(problems);
        }
    }

    private static PolicyDocument Read(string text) => PolicyParser.TryParse(text, out var document, out var problems) ? document : throw new FormatException($"{string.Join('\n', problems)}\n{text}");

    private static CapabilityPolicyDocument Messages() => new()
    {
        Name = "shop",
        Labels = { new PolicyLabel { Name = "team", Value = "shop", Subjects = { new PolicySubject { SpiffeIdPrefix = "spiffe://example.org/shop", Namespace = "shop" }, new PolicySubject { ImagePrefix = "ghcr.io/shop" } } } },
        Rules =
        {
            new PolicyRule
            {
                Name = "serve",
                Effect = PolicyRule.Types.Effect.Permit,
                Mode = PolicyRule.Types.Mode.Warn,
                Subjects =
                {
                    new PolicySubject { SpiffeId = "spiffe://example.org/shop", Signer = "release@example.org", Labels = { ["team"] = "shop" } },
                    new PolicySubject { Lattice = "default", Host = "spiffe://example.org/h", Image = "ghcr.io/shop/a:1" },
                },
                Capabilities =
                {
                    new PolicyCapability { Kind = "start" },
                    new PolicyCapability { Kind = "import", Value = "wasi:keyvalue/store@0.2.0#[method]bucket.get" },
                    new PolicyCapability { Kind = "natsSubscribe", Value = "orders.> shop" },
                    new PolicyCapability { Kind = "natsRespond", Value = "2 30s" },
                    new PolicyCapability { Kind = "bucket", Value = "settings/shop.> read,watch" },
                    new PolicyCapability { Kind = "connect", Value = "10.0.0.1:53/udp" },
                },
                Ceilings = new PolicyCeilings { Memory = "16MiB", Fuel = 1000, Time = "5s" },
                Expires = Timestamp.FromDateTimeOffset(new DateTimeOffset(2030, 1, 31, 0, 0, 0, TimeSpan.Zero)),
                Reason = "it's only for now",
            },
            new PolicyRule
            {
                Name = "never",
                Effect = PolicyRule.Types.Effect.Forbid,
                Subjects = { new PolicySubject { HostPrefix = "spiffe://example.org" } },
                Capabilities = { new PolicyCapability { Kind = "natsRespond" }, new PolicyCapability { Kind = "import", Value = "wasi:sockets/*@*" } },
            },
        },
    };
}
