using Identity.Agent.Admission;
using Identity.Agent.ControlPlane;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Tests.Agent;

/// <summary>
/// When a component may go on under a new policy, and when it is ended and admitted anew. Audiences are not part of it: each token asks
/// policy by itself.
/// </summary>
public sealed class AdmissionAnswerTests
{
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    private static readonly string[] Rights = ["natsPublish: greetings.hello", "natsSubscribe: greetings.>", "natsRespond: { max: 1, within: 1m }"];

    [Fact]
    public void Goes_on_when_other_rules_grant_the_same_for_another_time()
    {
        var before = Yes(Admitted(Rights));
        var after = Yes(Admitted(Rights, rule: "other") with { ValidUntil = DateTimeOffset.MaxValue, DeterminingRules = [] }) with { ExpiresAt = DateTimeOffset.MaxValue };
        Assert.True(after.GrantsTheSameAs(before));
    }

    [Fact]
    public void Ends_with_every_change_of_what_is_granted()
    {
        var granted = Admitted(Rights);
        var before = Yes(granted);
        (string What, Decision.Admitted After)[] changes =
        [
            ("an import", granted with { Grants = [new Grant("wasi:io/poll@0.2.0", ["poll"])] }),
            ("a function of an import", granted with { Grants = [new Grant("wasi:io/streams@0.2.0", ["read", "write"])] }),
            ("no import", granted with { Grants = [] }),
            ("an export", granted with { Exports = [new Grant("wasi:cli/run@0.2.0", ["run"]), new Grant("wasi:http/incoming-handler@0.2.0", ["handle"])] }),
            ("a function of an export", granted with { Exports = [new Grant("wasi:cli/run@0.2.0", ["run", "stop"])] }),
            ("no export", granted with { Exports = [] }),
            ("a ceiling", granted with { Ceilings = granted.Ceilings with { Fuel = granted.Ceilings.Fuel + 1 } }),
            ("another subject to publish", Admitted(["natsPublish: greetings.bye", .. Rights[1..]])),
            ("another subject to subscribe", Admitted([Rights[0], "natsSubscribe: greetings.*", Rights[2]])),
            ("more responses", Admitted([.. Rights[..2], "natsRespond: { max: 2, within: 1m }"])),
            ("later responses", Admitted([.. Rights[..2], "natsRespond: { max: 1, within: 2m }"])),
            ("no responses", Admitted(Rights[..2])),
            ("nothing on NATS", Admitted([])),
        ];
        foreach (var (what, after) in changes)
        {
            Assert.False(Yes(after).GrantsTheSameAs(before), what);
            Assert.False(before.GrantsTheSameAs(Yes(after)), what);
        }

        Assert.False((before with { Entry = Entry("spiffe://example.org/components/other") }).GrantsTheSameAs(before));
    }

    private static AdmissionAnswer.Yes Yes(Decision.Admitted admitted) => new(Entry(Greeter.ToString()), admitted, DateTimeOffset.UnixEpoch);

    private static Decision.Admitted Admitted(string[] rights, string rule = "greetings")
    {
        var nats = NatsPermissions.For(Policy(rule, rights), Greeter, ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"), DateTimeOffset.UnixEpoch);
        return new Decision.Admitted([new Grant("wasi:io/streams@0.2.0", ["read"])], nats, ResourceCeilings.Default, [], null) { Exports = [new Grant("wasi:cli/run@0.2.0", ["run"])] };
    }

    private static CapabilityPolicy Policy(string rule, string[] rights)
    {
        var source = $"kind: CapabilityPolicy\nname: p\nrules:\n  - {{ name: {rule}, effect: permit, subjects: [{{ spiffeId: {Greeter} }}], capabilities: [{string.Join(", ", rights.Append("start").Select(right => right == "start" ? right : $"{{ {right} }}"))}] }}\n";
        Assert.True(PolicyParser.TryParse(source, out var document, out var problems), string.Join('\n', problems));
        return CapabilityPolicy.Create([document], 1);
    }

    private static AuthorizedEntry Entry(string id) => new()
    {
        Id = "e",
        Revision = 1,
        SpiffeId = SpiffeId.Parse(id),
        Parent = SpiffeId.Parse("spiffe://example.org/hosts/local"),
        Selectors = ["wasm:name:greeter"],
        FederatesWith = [],
        Hint = "",
        ExpiresAt = 0,
        CreatedAt = 0,
        IsPrivileged = false,
    };
}
