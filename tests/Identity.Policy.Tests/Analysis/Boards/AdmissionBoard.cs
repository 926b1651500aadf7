using System.Collections.Immutable;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>A rule in numbers of <see cref="AdmissionBoard"/>.</summary>
/// <param name="Capabilities">Of <see cref="AdmissionBoard.Capabilities"/>, as bits.</param>
internal readonly record struct AdmissionRule(bool Permits, RuleMode Mode, int Moments, int Subject, uint Capabilities, int Fuel, int Memory);

/// <summary>
/// Components that import and export some of a few things, and rules of all that a start is asked about, as tables of bits: for every request the
/// callers. What a component may consume is the smallest of what the permits of anything it asks for state (docs/policy.md, "Ceilings").
/// </summary>
internal static class AdmissionBoard
{
    private const int Start = 0;

    /// <summary>What is asked for every component stands first: to start, and NATS.</summary>
    private const int Always = 5;

    public static readonly ImmutableArray<string> Requests =
    [
        "start", "natsPublish a", "natsSubscribe b", "natsRespond", "stream S info",
        "import a:b/c@0.2.0", "import a:b/c@0.2.0#f", "import a:b/x@0.2.0", "import d:e/f@1.0.0", "export #run", "export a:b/c@1.0.0", "export a:b/c@1.0.0#f",
        "audience x", "import a:b/c@0.2.0#zz", "export a:b/c@1.0.0#zz", "export wasi:cli/run@0.2.0", "export wasi:cli/run@0.2.0#run",
    ];

    /// <summary>What a component may import: interfaces, each as its requests, with the functions that are listed.</summary>
    public static readonly ImmutableArray<int[][]> Imports = Together([[], [[5]], [[5, 6]], [[5, 13]], [[5, 6, 13]]], [[], [[7]]], [[], [[8]]]);

    public static readonly ImmutableArray<int[][]> Exports = Together([[], [[9]]], [[], [[15, 16]]], [[], [[10]], [[10, 11]], [[10, 14]]]);

    public static readonly ImmutableArray<Capability> Capabilities =
    [
        .. new[]
        {
            "start", "import a:b/c@0.2.0", "import a:b/*@0.2.0", "import a:b/c@0.2.0#f", "import d:e/f@1.0.0", "export #run", "export a:b/c@1.0.0",
            "export a:b/c@1.0.0#f", "natsPublish a", "natsSubscribe b", "natsRespond 1 1m", "stream S info", "audience x", "export wasi:cli/run@0.2.0",
        }.Select(Capability.Parse),
    ];

    public static readonly ImmutableArray<long?> Fuels = [null, 5, 1_000_000_000, 2_000_000_000, 3_000_000_000];
    public static readonly ImmutableArray<long?> Memories = [null, 1 << 20, 64 << 20];

    private static readonly (int Export, int Call)[] Calls = [(9, 9), (15, 16)];

    /// <summary>By capability, for permits and for forbids: the requests it means, as bits.</summary>
    private static readonly ImmutableArray<uint> Permitted = [.. Capabilities.Select(capability => Asked(capability, permits: true))];
    private static readonly ImmutableArray<uint> Forbidden = [.. Capabilities.Select(capability => Asked(capability, permits: false))];

    private static readonly ImmutableArray<uint> Asking =
        [.. from imports in Imports from exports in Exports select imports.Concat(exports).SelectMany(rows => rows).Aggregate((1u << Always) - 1, (bits, row) => bits | 1u << row)];

    /// <summary>The requests that one capability means, for a permit or for a forbid.</summary>
    public static uint AskedOf(int capability, bool permits) => (permits ? Permitted : Forbidden)[capability];

    public static uint Asked(AdmissionRule rule)
    {
        var asked = 0u;
        foreach (var capability in Board.Each(rule.Capabilities)) asked |= AskedOf(capability, rule.Permits);
        return asked;
    }

    /// <summary>The one export that identity-host calls, as a request; null when the component has none of those.</summary>
    public static int? CalledOf(int exports) => Calls.Where(one => Exports[exports].Any(export => export[0] == one.Export)).Select(one => (int?)one.Call).FirstOrDefault();

    /// <summary>The requests of a component, those of always included, as bits.</summary>
    public static uint AskedBy(int imports, int exports) => Asking[imports * Exports.Length + exports];

    /// <summary>Who may start the component: no forbid to start, every import granted, whole or by all its functions; the start itself when it imports nothing.</summary>
    public static ulong Admitted(ReadOnlySpan<ulong> permitted, ReadOnlySpan<ulong> forbidden, int imports)
    {
        var admitted = ~forbidden[Start] & (Imports[imports].Length == 0 ? permitted[Start] : ulong.MaxValue);
        foreach (var import in Imports[imports])
        {
            var byFunctions = import.Length > 1 ? ulong.MaxValue : 0;
            foreach (var row in import.AsSpan(1)) byFunctions &= permitted[row] & ~forbidden[row];
            admitted &= (permitted[import[0]] & ~forbidden[import[0]]) | byFunctions;
        }

        return admitted;
    }

    public static ComponentStart Component(Principal principal, int imports, int exports) => AdmissionWorld.Component(principal, Of(Imports[imports]), Of(Exports[exports]));

    private static ImmutableArray<int[][]> Together(params int[][][][] choices) =>
        [.. choices.Aggregate<int[][][], IEnumerable<int[][]>>([[]], (chosen, more) => chosen.SelectMany(some => more.Select(one => (int[][])[.. some, .. one])))];

    private static IEnumerable<CapabilityRequest> Of(int[][] rows) => rows.SelectMany(row => row).Select(row => CapabilityRequest.Parse(Requests[row]));

    /// <summary>The requests that any capability means.</summary>
    public static uint Asked(Capability capability, bool permits)
    {
        var asked = 0u;
        for (var row = 0; row < Requests.Length; row++)
        {
            var things = Things(Requests[row]);
            asked |= (permits ? things.All(Means) : things.Any(Means)) ? 1u << row : 0;
        }

        return asked;

        bool Means(string thing) => PlainMeaning.Means(capability.ToString(), thing);
    }

    // A whole interface is all its functions: the one that is listed, and any other.
    private static string[] Things(string request) => request switch
    {
        "natsRespond" => ["natsRespond 1 1s"],
        _ when request.Contains('/', StringComparison.Ordinal) && !request.Contains('#', StringComparison.Ordinal) => [request + "#f", request + "#zz", request + "#run"],
        _ => [request],
    };
}
