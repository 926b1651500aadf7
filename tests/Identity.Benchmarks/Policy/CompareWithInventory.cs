using System.Collections.Immutable;
using BenchmarkDotNet.Attributes;
using Identity.Cli.Commands.Policy;
using Identity.Policy;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Benchmarks.Policy;

/// <summary>
/// How long does all of <c>identity policy diff --server</c> take behind reading? 10,000 rules by everything a rule can ask for, a tenth of which changes, and 100,000
/// subjects: entries of processes and components that tell a digest or do not, what runs, and workloads of wasmCloud. The floor reads every clause and every
/// principal once and compares nothing.
/// </summary>
[MemoryDiagnoser]
public class CompareWithInventory
{
    private const int Rules = 10_000;
    private const int Entries = 80_000;
    private const int Running = 10_000;
    private const int Workloads = 10_000;
    private const int Hosts = 1_000;
    private const int Namespaces = 500;
    private const int Teams = 100;

    private const PrincipalAttributes UntoldByWebhook = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Host | PrincipalAttributes.Lattice;

    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private CapabilityPolicy _before = CapabilityPolicy.Empty;
    private CapabilityPolicy _after = CapabilityPolicy.Empty;
    private ComparedInventory _inventory = new([], [], []);

    [GlobalSetup]
    public void SetUp()
    {
        _before = PolicyOf([.. Enumerable.Range(0, Rules).Select(number => RuleOf(number, isChanged: false))]);
        _after = PolicyOf([.. Enumerable.Range(0, Rules).Select(number => RuleOf(number, isChanged: number / Sorts.Length % 10 == 0))]);
        _inventory = new(
            [.. Enumerable.Range(0, Entries).Select(EntryOf)],
            [
                new("running component", "running components", InventoryGroup.Running, [.. Enumerable.Range(0, Running).Select(number => Member(ComponentOf(number * 7).SignedBy([])))]),
                new("workload", "workloads", InventoryGroup.LetThrough, [.. Enumerable.Range(0, Workloads).Select(number => Member(WorkloadOf(number)))]),
            ],
            []);
        if (Compare() < Rules / 10) throw new InvalidOperationException("some of the changes concern nobody");
    }

    [Benchmark(Baseline = true, Description = "floor: read every clause and principal once")]
    public int Floor() =>
        _before.Clauses.Count(clause => clause.Effect == RuleEffect.Permit) + _after.Clauses.Count(clause => clause.Effect == RuleEffect.Permit)
        + _inventory.Registered.Count(principal => principal.Id.HasPath) + _inventory.Others.Sum(group => group.Members.Count(member => member.Principals[0].Id.HasPath));

    [Benchmark(Description = "difference of 10,000 rules, and everybody of 100,000 whom it concerns or may")]
    public int Compare()
    {
        var diff = PolicyDiff.Between(_before, _after, Now);
        var impact = new InventoryImpact(diff, _before, _after, _inventory);
        var told = impact.Summary().Count();
        foreach (var change in diff.Gained.Concat(diff.Lost))
            told += impact.Registered.Concerned(change).Count + impact.Registered.Depending(change).Ids.Take(5).Count() + impact.Others.Sum(group => group.Concerned(change).Count);
        return told;
    }

    // What rules ask for, by turns.
    private static readonly Func<int, PolicySubject>[] Sorts =
    [
        number => new() { SpiffeId = IdOf(number), Namespace = "shop" },
        number => new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse($"spiffe://example.org/{number % 10}"), ImagePrefix = ImagePrefix.Parse($"ghcr.io/acme/image-{number}") },
        number => new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse($"spiffe://example.org/{number % 10}"), Host = HostOf(number) },
        number => new() { Digest = DigestOf(number) },
        number => new() { Labels = ImmutableSortedDictionary<string, string>.Empty.Add("team", $"t{number % Teams}") },
        number => new() { Namespace = $"ns-{number % Namespaces}" },
    ];

    private static PolicyRule RuleOf(int number, bool isChanged) => new()
    {
        Name = $"rule-{number}",
        Effect = number % 50 == 49 ? RuleEffect.Forbid : RuleEffect.Permit,
        Subjects = [Sorts[number % Sorts.Length](number)],
        Capabilities = [Capability.Parse("import wasmcloud:messaging/consumer@0.2.0"), Capability.Parse($"connect service-{number}.example.com:{(isChanged ? 8443 : 443)}")],
    };

    private static CapabilityPolicy PolicyOf(ImmutableArray<PolicyRule> rules) => CapabilityPolicy.Create(
        [
            new PolicyDocument
            {
                Name = "bench",
                Rules = rules,
                Labels = [.. Enumerable.Range(0, Teams).Select(team => new LabelAssignment("team", $"t{team}", [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse($"spiffe://example.org/{team % 10}/team-{team}") }]))],
                Source = "",
            },
        ],
        revision: 1);

    // Processes, and components with and without their bytes.
    private static Principal EntryOf(int number) => (number % 3) switch
    {
        0 => Principal.Process(IdOf(number)),
        1 => ComponentOf(number),
        _ => ComponentOf(number) with { Digest = null, Unknown = ComponentOf(number).Unknown | PrincipalAttributes.Digest },
    };

    private static Principal ComponentOf(int number) => Principal.Component(IdOf(number), DigestOf(number), HostOf(number));

    private static Principal WorkloadOf(int number) => new()
    {
        Id = SpiffeId.Parse($"spiffe://example.org/ns/ns-{number % Namespaces}/component/component-{number}"),
        Image = ImageReference.Parse($"ghcr.io/acme/image-{number}:1"),
        Namespace = $"ns-{number % Namespaces}",
        Unknown = UntoldByWebhook,
    };

    private static InventoryMember Member(Principal principal) => new(principal.Id.ToString(), [principal], 1);

    private static ComponentDigest DigestOf(int number) => ComponentDigest.Parse($"sha256:{number:x64}");

    private static SpiffeId HostOf(int number) => SpiffeId.Parse($"spiffe://example.org/hosts/h-{number % Hosts}");

    private static SpiffeId IdOf(int number) => SpiffeId.Parse($"spiffe://example.org/{number % 10}/team-{number % Teams}/component-{number}");
}
