using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Benchmarks.Policy;

/// <summary>
/// How long does it take to say what a change of policy does to an inventory? 10,000 rules, 100,000 principals, of which one rule's
/// subjects and a forbid for a tenth of everybody change. The floor reads every clause and every principal once and compares nothing.
/// </summary>
[MemoryDiagnoser]
public class ComparePolicies
{
    private const int Rules = 10_000;
    private const int Principals = 100_000;

    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private CapabilityPolicy _before = CapabilityPolicy.Empty;
    private CapabilityPolicy _after = CapabilityPolicy.Empty;
    private Principal[] _inventory = [];

    [GlobalSetup]
    public void SetUp()
    {
        var rules = Enumerable.Range(0, Rules - 2).Select(RuleOf).ToList();
        var guard = rules[0] with
        {
            Name = "guard",
            Effect = RuleEffect.Forbid,
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org/3") }],
            Capabilities = [Capability.Parse("natsPublish orders.>"), Capability.Parse("import wasi:sockets/*@*")],
        };
        var wide = rules[0] with { Name = "wide", Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }], Capabilities = [Capability.Parse("import wasi:io/*@0.2.0")] };
        _before = PolicyOf([.. rules, guard, wide]);
        // The guard goes, one rule grants more to one component, and everybody gets another package.
        rules[17] = rules[17] with { Capabilities = [Capability.Parse("natsPublish orders.>")] };
        _after = PolicyOf([.. rules, wide with { Capabilities = [.. wide.Capabilities, Capability.Parse("import wasi:clocks/*@0.2.0")] }]);
        _inventory = [.. Enumerable.Range(0, Principals).Select(number => new Principal { Id = IdOf(number) })];
        if (Compare() < Principals) throw new InvalidOperationException("the change reaches everybody, and somebody is missing");
    }

    [Benchmark(Baseline = true, Description = "floor: read every clause and principal once")]
    public int Floor() =>
        _before.Clauses.Count(clause => clause.Effect == RuleEffect.Permit) + _after.Clauses.Count(clause => clause.Effect == RuleEffect.Permit)
        + _inventory.Count(principal => principal.Id.HasPath);

    [Benchmark(Description = "difference of 10,000 rules and whom of 100,000 it concerns")]
    public int Compare()
    {
        var diff = PolicyDiff.Between(_before, _after, Now);
        var impact = diff.On(_inventory);
        return impact.Gained.Length + impact.Lost.Length;
    }

    private static CapabilityPolicy PolicyOf(PolicyRule[] rules) => CapabilityPolicy.Create([new PolicyDocument { Name = "bench", Rules = [.. rules], Source = "" }], revision: 1);

    private static PolicyRule RuleOf(int number) => new()
    {
        Name = $"rule-{number}",
        Effect = RuleEffect.Permit,
        Subjects = [new PolicySubject { SpiffeId = IdOf(number) }],
        Capabilities = [Capability.Parse("import wasmcloud:messaging/consumer@0.2.0"), Capability.Parse($"natsPublish orders.{number}")],
    };

    private static SpiffeId IdOf(int number) => SpiffeId.Parse($"spiffe://example.org/{number % 10}/component-{number}");
}
