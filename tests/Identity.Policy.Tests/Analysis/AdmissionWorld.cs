using System.Collections.Immutable;
using CsCheck;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// The small world of starting components: every component that imports and exports some of a few things, beside rules of all kinds that a start
/// is asked about. What it may consume is enumerated from the words of docs/policy.md: the smallest of what the permits of anything it asks for state.
/// </summary>
internal sealed class AdmissionWorld
{
    private const int Start = 0;
    private const int Nats = 1;

    private static readonly CapabilityRequest?[] Requests =
    [
        new CapabilityRequest.Start(),
        // All rights on NATS together: they are asked for every component.
        null,
        CapabilityRequest.Parse("import a:b/c@0.2.0"), CapabilityRequest.Parse("import a:b/c@0.2.0#f"), CapabilityRequest.Parse("import d:e/f@1.0.0"),
        CapabilityRequest.Parse("export #run"), CapabilityRequest.Parse("export a:b/c@1.0.0"), CapabilityRequest.Parse("export a:b/c@1.0.0#f"),
    ];

    // An interface, and its function where one is listed; the first of them without as well, in place of it.
    private static readonly (int Whole, int Function)[] Imports = [(2, 3), (4, -1), (2, -1)];

    private static readonly (int Whole, int Function)[] Exports = [(6, 7), (5, -1), (6, -1)];

    private static readonly ImmutableArray<Capability> Capabilities =
    [
        .. new[]
        {
            "start", "start", "import a:b/c@0.2.0", "import a:b/*@0.2.0", "import a:b/c@0.2.0#f", "import d:e/f@1.0.0", "import d:e/f@1.0.0", "export #run", "export a:b/c@1.0.0",
            "export a:b/c@1.0.0#f", "natsPublish a", "natsSubscribe b", "natsRespond 1 1m", "stream S info", "audience x",
        }.Select(Capability.Parse),
    ];

    private static readonly WordWorld Words = WordWorld.Of([.. Requests.OfType<CapabilityRequest>().Select(request => request.ToString()), .. Capabilities.Select(capability => capability.ToString())]);

    private static readonly long?[] Fuels = [null, null, 5, 1_000_000_000, 2_000_000_000, 3_000_000_000];
    private static readonly long?[] Memories = [null, null, null, 1 << 20, 64 << 20];

    public static readonly ImmutableArray<(int Imports, int Exports)> Shapes = [.. from imports in Some(3) from exports in Some(3) select (imports, exports)];

    private static readonly Gen<PolicyRule> Rule = Gen.Select(
        Gen.Int[0, 7], Gen.Int[0, SmallWorld.Subjects.Length - 1].Array[1, 2], Gen.Int[0, Capabilities.Length - 1].Array[1, 3], Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[0, Fuels.Length - 1], Gen.Int[0, Memories.Length - 1],
        (effect, subjects, capabilities, expiry, mode, fuel, memory) =>
        {
            var permits = effect > 0;
            return new PolicyRule
            {
                Name = "unnamed",
                Effect = permits ? RuleEffect.Permit : RuleEffect.Forbid,
                Mode = mode switch { 0 => RuleMode.Shadow, 1 => RuleMode.Warn, _ => RuleMode.Enforce },
                Subjects = [.. subjects.Distinct().Select(subject => SmallWorld.Subjects[subject])],
                Capabilities = [.. capabilities.Select(capability => Capabilities[capability]).Distinct()],
                Expires = permits && expiry < 3 ? SmallWorld.Moments[1].AddHours(expiry - 1) : null,
                Ceilings = permits ? new StatedCeilings { Fuel = Fuels[fuel], MemoryBytes = Memories[memory] } : StatedCeilings.None,
            };
        });

    private static readonly Gen<PolicyRule[]> Rules = Rule.Array[0, 7].Select(rules => rules.Select((rule, number) => rule with { Name = $"r{number}" }).ToArray());

    /// <summary>Revisions: a rule gone, a ceiling stated otherwise or no more, a rule new, or all of it another.</summary>
    public static readonly Gen<(PolicyRule[] Before, PolicyRule[] After)> Pairs = Gen.Select(Rules, Rules, Gen.Int[0, 15], Gen.Int[0, 2], (before, other, how, at) =>
        (before, how < 2 ? other : how % 2 == 0 ? [.. before.Where((_, number) => number != at), .. other.Take(how % 3).Select(rule => rule with { Name = "new" + rule.Name })]
            : before.Select((rule, number) => number == at && rule.Effect == RuleEffect.Permit && other.Length > 0 ? rule with { Ceilings = other[0].Ceilings } : rule).ToArray()));

    private readonly Dictionary<(PolicySubject, bool), uint> _callers = [];
    private readonly Dictionary<(Capability, bool), uint> _asked = [];

    /// <summary>What each shape of component may consume for one of <see cref="SmallWorld.Principals"/>; null where it does not start.</summary>
    public (long Fuel, long Memory)?[] Ceilings(PolicyRule[] rules, int caller, DateTimeOffset moment)
    {
        var (permitted, forbidden) = (0u, 0u);
        var fuel = new long[Requests.Length];
        var memory = new long[Requests.Length];
        Array.Fill(fuel, long.MaxValue);
        Array.Fill(memory, long.MaxValue);
        foreach (var rule in rules)
        {
            var permits = rule.Effect == RuleEffect.Permit;
            if (rule.Mode == RuleMode.Shadow || (rule.Mode == RuleMode.Warn && !permits) || (permits && rule.Expires <= moment)) continue;
            if (!rule.Subjects.Any(subject => (CallersOf(subject, permits) >> caller & 1) != 0)) continue;
            var asked = rule.Capabilities.Aggregate(0u, (bits, capability) => bits | AskedOf(capability, permits));
            if (permits) permitted |= asked;
            else forbidden |= asked;
            for (var request = 0; request < Requests.Length; request++)
            {
                if ((asked >> request & 1) == 0) continue;
                fuel[request] = Math.Min(fuel[request], rule.Ceilings.Fuel ?? long.MaxValue);
                memory[request] = Math.Min(memory[request], rule.Ceilings.MemoryBytes ?? long.MaxValue);
            }
        }

        return [.. Shapes.Select(shape => Admit(shape.Imports, shape.Exports))];

        (long, long)? Admit(int imports, int exports)
        {
            if ((forbidden & 1) != 0 || (imports == 0 && (permitted & 1) == 0)) return null;
            var asked = 1u << Start | 1u << Nats;
            for (var bit = 0; bit < 3; bit++)
            {
                if ((imports >> bit & 1) != 0 && !Ask(Imports[bit])) return null;
                if ((exports >> bit & 1) != 0) Ask(Exports[bit]);
            }

            return (Smallest(fuel, asked) ?? 1_000_000_000, Smallest(memory, asked) ?? 16 << 20);

            bool Ask((int Whole, int Function) one)
            {
                var bits = 1u << one.Whole | (one.Function < 0 ? 0 : 1u << one.Function);
                asked |= bits;
                return (permitted & ~forbidden & bits) != 0;
            }
        }
    }

    /// <param name="also">Imports and exports that it has beside those of its shape.</param>
    public static ComponentStart ComponentOf((int Imports, int Exports) shape, Principal principal, params CapabilityRequest[] also) => Component(
        principal,
        [.. Imports.Where((_, bit) => (shape.Imports >> bit & 1) != 0).SelectMany(Both), .. also.OfType<CapabilityRequest.Import>()],
        [.. Exports.Where((_, bit) => (shape.Exports >> bit & 1) != 0).SelectMany(Both), .. also.OfType<CapabilityRequest.Export>()]);

    /// <summary>One that asks for these when it starts.</summary>
    public static ComponentStart Component(Principal principal, IEnumerable<CapabilityRequest> imports, IEnumerable<CapabilityRequest> exports) => new(principal, "any", new ComponentImports(
        [.. imports.Cast<CapabilityRequest.Import>().GroupBy(import => import.Interface.ToString()).Select(same => new ComponentImport(same.Key, ImportKind.Instance, Functions(same.Select(import => import.Function))))])
    {
        Exports =
        [
            .. exports.Cast<CapabilityRequest.Export>().GroupBy(export => export.Interface?.ToString() ?? export.Function!).Select(same => new ComponentExport(
                same.Key, same.First().Interface is null ? ImportKind.Function : ImportKind.Instance, same.First().Interface is null ? [] : Functions(same.Select(export => export.Function)))),
        ],
    });

    private static ImmutableArray<string> Functions(IEnumerable<string?> functions) => [.. functions.OfType<string>()];

    private static IEnumerable<CapabilityRequest> Both((int Whole, int Function) asked) =>
        asked.Function < 0 ? [Requests[asked.Whole]!] : [Requests[asked.Whole]!, Requests[asked.Function]!];

    /// <summary>Whether a permit for it means all that is asked for, be it of this world or not.</summary>
    public static bool Means(Capability capability, CapabilityRequest request) => WordWorld.Of([.. Capabilities.Select(one => one.ToString()), request.ToString()]).Matches(capability.ToString(), request.ToString());

    private uint CallersOf(PolicySubject subject, bool permits)
    {
        if (_callers.TryGetValue((subject, permits), out var callers)) return callers;
        for (var i = 0; i < SmallWorld.Principals.Length; i++) callers |= Enumeration.Means(subject, SmallWorld.Principals[i], permits) ? 1u << i : 0;
        _callers.Add((subject, permits), callers);
        return callers;
    }

    private uint AskedOf(Capability capability, bool permits)
    {
        if (_asked.TryGetValue((capability, permits), out var asked)) return asked;
        for (var i = 0; i < Requests.Length; i++) asked |= IsAbout(capability, i, permits) ? 1u << i : 0;
        _asked.Add((capability, permits), asked);
        return asked;
    }

    private static bool IsAbout(Capability capability, int request, bool permits) => Requests[request] is not { } asked
        ? capability is Capability.NatsPublish or Capability.NatsSubscribe or Capability.NatsRespond or Capability.Stream
        : permits ? Words.Matches(capability.ToString(), asked.ToString()) : Words.Touches(capability.ToString(), asked.ToString());

    // Which of so many, the first and the last not together.
    private static IEnumerable<int> Some(int count) => Enumerable.Range(0, 1 << count).Where(bits => (bits & 1) == 0 || (bits >> (count - 1) & 1) == 0);

    private static long? Smallest(long[] values, uint asked)
    {
        var smallest = long.MaxValue;
        for (var i = 0; i < values.Length; i++) smallest = (asked >> i & 1) != 0 ? Math.Min(smallest, values[i]) : smallest;
        return smallest == long.MaxValue ? null : smallest;
    }
}
