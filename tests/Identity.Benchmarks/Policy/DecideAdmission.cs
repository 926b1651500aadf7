using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Benchmarks.Policy;

/// <summary>How long does a start decision take, and does it depend on the number of rules? The floor is one look-up in a dictionary of IDs.</summary>
[MemoryDiagnoser]
public class DecideAdmission
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private CapabilityPolicy _policy = CapabilityPolicy.Empty;
    private Dictionary<SpiffeId, string> _floor = [];
    private ComponentStart _granted = null!;
    private ComponentStart _refused = null!;

    [Params(10, 1_000, 10_000)]
    public int Rules { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var rules = Enumerable.Range(0, Rules - 2).Select(RuleOf).ToList();
        rules.Add(rules[0] with
        {
            Name = "everyone",
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org/components") }],
            Capabilities = [new Capability.Import(ImportPattern.Parse("wasi:io/*@0.2.0")), new Capability.Import(ImportPattern.Parse("wasi:clocks/*@0.2.0"))],
        });
        rules.Add(rules[0] with
        {
            Name = "no-sockets",
            Effect = RuleEffect.Forbid,
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }],
            Capabilities = [new Capability.Import(ImportPattern.Parse("wasi:sockets/*@*")), new Capability.NatsPublish(NatsSubject.Parse("payroll.>"))],
        });
        _policy = CapabilityPolicy.Create([new PolicyDocument { Name = "bench", Rules = [.. rules], Source = "" }], revision: 1);
        _floor = Enumerable.Range(0, Rules).ToDictionary(IdOf, number => $"rule-{number}");
        _granted = StartOf("wasmcloud:identity/store@0.0.1", "wasmcloud:messaging/consumer@0.2.0", "wasi:io/streams@0.2.3", "wasi:clocks/wall-clock@0.2.0");
        _refused = StartOf("wasmcloud:identity/store@0.0.1", "wasi:filesystem/types@0.2.0");
        if (Admit() is not Decision.Admitted || Refuse() is not Decision.Denied) throw new InvalidOperationException("the policy says something else than is measured");
    }

    [Benchmark(Baseline = true, Description = "floor: one look into a dictionary of IDs")]
    public string Floor() => _floor[_granted.Id];

    [Benchmark(Description = "admit, four imports")]
    public Decision Admit() => ComponentAdmission.Decide(_policy, _granted, Now);

    [Benchmark(Description = "refuse, with nearest rule and smallest grant")]
    public Decision Refuse() => ComponentAdmission.Decide(_policy, _refused, Now);

    [Benchmark(Description = "permissions of a NATS login")]
    public NatsPermissions NatsLogin() => NatsPermissions.For(_policy, _granted.Id, _granted.Digest!, _granted.Host!, Now);

    private ComponentStart StartOf(params string[] imports) => new(
        IdOf(Rules / 2), SpiffeId.Parse("spiffe://example.org/hosts/local"), ComponentDigest.Of("component"u8), "component",
        new ComponentImports([.. imports.Select(name => new ComponentImport(name, ImportKind.Instance))]));

    private static SpiffeId IdOf(int number) => SpiffeId.Parse($"spiffe://example.org/components/team-{number % 100}/component-{number}");

    private static PolicyRule RuleOf(int number) => new()
    {
        Name = $"rule-{number}",
        Effect = RuleEffect.Permit,
        Subjects = [new PolicySubject { SpiffeId = IdOf(number) }],
        Capabilities =
        [
            new Capability.Import(ImportPattern.Parse("wasmcloud:identity/store@0.0.1")),
            new Capability.Import(ImportPattern.Parse("wasmcloud:messaging/consumer@0.2.0")),
            new Capability.NatsPublish(NatsSubject.Parse($"greetings.component-{number}")),
        ],
    };
}
