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
        var rises = default(Rises);
        // By imports and by exports alone: what all that is asked for states is both together.
        var byExports = Enumerable.Range(0, AdmissionBoard.Exports.Length).Select(exports => AdmissionBoard.AskedBy(0, exports)).Select(asked => (Was: Stated.By(before, asked), Will: Stated.By(after, asked))).ToArray();
        for (var imports = 0; imports < AdmissionBoard.Imports.Length; imports++)
        {
            var both = before.Admitted(imports) & after.Admitted(imports);
            if (both == 0) continue;
            var asked = AdmissionBoard.AskedBy(imports, 0);
            var (was, will) = (Stated.By(before, asked), Stated.By(after, asked));
            foreach (var exports in byExports) rises = rises.Or(will.Or(exports.Will).Above(was.Or(exports.Was), both));
        }

        for (var row = 0; row < Rows; row++)
        {
            var both = before._permitted[row] & ~before._forbidden[row] & after._permitted[row] & ~after._forbidden[row];
            if (both != 0) rises = rises.Or(Stated.By(after, 1u << row).Above(Stated.By(before, 1u << row), both));
        }

        return rises;
    }

    /// <summary>The callers for whom each of the values is stated, of fuel 5, 1, 2 and 3 thousand millions, of memory 1 and 64 MiB.</summary>
    private readonly record struct Stated(ulong Five, ulong One, ulong Two, ulong Three, ulong Small, ulong Large)
    {
        // Above 5; above 1,000,000,000, which holds by default; above 2,000,000,000.
        private ulong Above5 => ~Five;

        private ulong Above1 => ~Five & ~One & (Two | Three);

        private ulong Above2 => Above1 & ~Two;

        // Above 1 MiB; above 16 MiB, which holds by default.
        private ulong AboveSmall => ~Small;

        private ulong AboveDefault => ~Small & Large;

        public static Stated By(AdmissionAnswers answers, uint asked) => new(
            Stating(answers._fuel[1], asked), Stating(answers._fuel[2], asked), Stating(answers._fuel[3], asked), Stating(answers._fuel[4], asked), Stating(answers._memory[1], asked), Stating(answers._memory[2], asked));

        public Stated Or(in Stated other) => new(Five | other.Five, One | other.One, Two | other.Two, Three | other.Three, Small | other.Small, Large | other.Large);

        public Rises Above(in Stated other, ulong callers) => new(
            callers & ((Above5 & ~other.Above5) | (Above1 & ~other.Above1) | (Above2 & ~other.Above2)),
            callers & ((AboveSmall & ~other.AboveSmall) | (AboveDefault & ~other.AboveDefault)));
    }

    private static ulong Stating(ulong[] rows, uint asked)
    {
        var callers = 0ul;
        foreach (var row in Board.Each(asked)) callers |= rows[row];
        return callers;
    }
}
