namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>The callers of whom some component, or one request by itself, may consume more, of one limit.</summary>
internal readonly record struct Rises(ulong Fuel, ulong Memory)
{
    public Rises Or(Rises other) => new(Fuel | other.Fuel, Memory | other.Memory);
}

/// <summary>What a policy answers on <see cref="AdmissionBoard"/> at one moment: for each request the callers, as bits.</summary>
internal sealed class AdmissionAnswers
{
    private static readonly int Rows = AdmissionBoard.Requests.Length;

    private readonly ulong[] _permitted = new ulong[Rows];
    private readonly ulong[] _forbidden = new ulong[Rows];
    private readonly ulong[][] _fuel = [.. AdmissionBoard.Fuels.Select(_ => new ulong[Rows])];
    private readonly ulong[][] _memory = [.. AdmissionBoard.Memories.Select(_ => new ulong[Rows])];

    public void Read(CallerBoard who, AdmissionRule[] rules, int moment)
    {
        Array.Clear(_permitted);
        Array.Clear(_forbidden);
        foreach (var stating in _fuel) Array.Clear(stating);
        foreach (var stating in _memory) Array.Clear(stating);
        foreach (var rule in rules)
        {
            if (rule.Mode == RuleMode.Shadow || (rule.Mode == RuleMode.Warn && !rule.Permits) || (rule.Permits && rule.Moments <= moment)) continue;
            var callers = who.Meant(rule.Subject, rule.Permits);
            foreach (var row in Board.Each(AdmissionBoard.Asked(rule)))
            {
                (rule.Permits ? _permitted : _forbidden)[row] |= callers;
                if (!rule.Permits) continue;
                _fuel[rule.Fuel][row] |= callers;
                _memory[rule.Memory][row] |= callers;
            }
        }
    }

    public ulong Permitted(int request) => _permitted[request];

    public ulong Forbidden(int request) => _forbidden[request];

    /// <summary>Permits these requests, too, to the callers that stand beside each.</summary>
    public void Grant(ReadOnlySpan<ulong> more)
    {
        for (var row = 0; row < Rows; row++) _permitted[row] |= more[row];
    }

    public ulong Admitted(int imports) => AdmissionBoard.Admitted(_permitted, _forbidden, imports);

    /// <summary>What somebody's component may consume.</summary>
    public (long Fuel, long Memory) CeilingsOf(int caller, uint asked)
    {
        return (Smallest(AdmissionBoard.Fuels, _fuel) ?? 1_000_000_000, Smallest(AdmissionBoard.Memories, _memory) ?? 16 << 20);

        long? Smallest(IReadOnlyList<long?> values, ulong[][] stating)
        {
            for (var value = 1; value < values.Count; value++)
            {
                if ((Stating(stating[value], asked) >> caller & 1) != 0) return values[value];
            }

            return null;
        }
    }

    /// <summary>What rises from the one to the other for somebody who may ask for it before and after.</summary>
    public static Rises Between(AdmissionAnswers before, AdmissionAnswers after)
    {
        var (fuel, memory) = (0ul, 0ul);
        for (var imports = 0; imports < AdmissionBoard.Imports.Length; imports++)
        {
            var both = before.Admitted(imports) & after.Admitted(imports);
            if (both == 0) continue;
            for (var exports = 0; exports < AdmissionBoard.Exports.Length; exports++) Add(both, AdmissionBoard.AskedBy(imports, exports));
        }

        for (var row = 0; row < Rows; row++) Add(before._permitted[row] & ~before._forbidden[row] & after._permitted[row] & ~after._forbidden[row], 1u << row);
        return new Rises(fuel, memory);

        void Add(ulong both, uint asked)
        {
            if (both == 0) return;
            for (var least = 0; least < 3; least++) fuel |= both & FuelAbove(after, asked, least) & ~FuelAbove(before, asked, least);
            for (var least = 0; least < 2; least++) memory |= both & MemoryAbove(after, asked, least) & ~MemoryAbove(before, asked, least);
        }
    }

    // Above 5; above 1,000,000,000, which holds by default; above 2,000,000,000.
    private static ulong FuelAbove(AdmissionAnswers answers, uint asked, int least)
    {
        var above = ~Stating(answers._fuel[1], asked);
        if (least > 0) above &= ~Stating(answers._fuel[2], asked) & (Stating(answers._fuel[3], asked) | Stating(answers._fuel[4], asked));
        return least > 1 ? above & ~Stating(answers._fuel[3], asked) : above;
    }

    // Above 1 MiB; above 16 MiB, which holds by default.
    private static ulong MemoryAbove(AdmissionAnswers answers, uint asked, int least) =>
        ~Stating(answers._memory[1], asked) & (least == 0 ? ulong.MaxValue : Stating(answers._memory[2], asked));

    private static ulong Stating(ulong[] rows, uint asked)
    {
        var callers = 0ul;
        foreach (var row in Board.Each(asked)) callers |= rows[row];
        return callers;
    }
}
