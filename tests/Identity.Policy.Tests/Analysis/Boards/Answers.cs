using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What a policy answers on a board: for each moment and request the callers, as bits. Permits together without all forbids; of the ceilings that
/// the permits of one request state the smallest.
/// </summary>
internal sealed class Answers
{
    public const int Rows = 64;

    private readonly ulong[] _forbidden = new ulong[Rows];
    private readonly ulong[] _permitted = new ulong[Rows * Board.Moments.Length];
    private readonly ulong[][] _stating = [.. Board.Fuels.Select(_ => new ulong[Rows * Board.Moments.Length])];

    /// <summary>By moment and request.</summary>
    public ulong[] Allowed { get; } = new ulong[Rows * Board.Moments.Length];

    /// <summary>Of those allowed, the ones that may consume at least what is stated by the second, and by the third of <see cref="Board.Fuels"/> that say more than the first.</summary>
    public ulong[] AboveLeast { get; } = new ulong[Rows * Board.Moments.Length];

    public ulong[] AboveDefault { get; } = new ulong[Rows * Board.Moments.Length];

    public ulong Forbidden(int request) => _forbidden[request];

    public ulong Permitted(int at) => _permitted[at];

    /// <param name="without">Rules to leave out, as bits.</param>
    public void Read(Board board, ReadOnlySpan<DrawnRule> rules, ulong without = 0)
    {
        Array.Clear(_forbidden);
        Array.Clear(_permitted);
        foreach (var stating in _stating) Array.Clear(stating);
        for (var i = 0; i < rules.Length; i++)
        {
            if ((without >> i & 1) == 0 && rules[i].Decides) Add(board, rules[i]);
        }

        for (var at = 0; at < _permitted.Length; at++)
        {
            var allowed = _permitted[at] & ~_forbidden[at % Rows];
            Allowed[at] = allowed;
            AboveLeast[at] = allowed & ~_stating[1][at];
            AboveDefault[at] = allowed & ~_stating[1][at] & ~_stating[2][at] & _stating[3][at];
        }
    }

    public bool AreAs(Answers other, bool ceilings) => Allowed.AsSpan().SequenceEqual(other.Allowed)
        && (!ceilings || (AboveLeast.AsSpan().SequenceEqual(other.AboveLeast) && AboveDefault.AsSpan().SequenceEqual(other.AboveDefault)));

    private void Add(Board board, DrawnRule rule)
    {
        var callers = board.CallersOf(rule);
        foreach (var request in Board.Each(board.AskedOf(rule)))
        {
            if (!rule.Permits)
            {
                _forbidden[request] |= callers;
                continue;
            }

            for (var moment = 0; moment < rule.Moments; moment++)
            {
                _permitted[moment * Rows + request] |= callers;
                if (rule.Fuel > 0) _stating[rule.Fuel][moment * Rows + request] |= callers;
            }
        }
    }
}

/// <summary>What the parts of a difference tell, on a board: each is what its permit means, within the forbid that is gone, without its exceptions.</summary>
internal sealed class Telling
{
    private readonly ulong[] _means = new ulong[Answers.Rows * Board.Moments.Length];

    public ulong[] Told { get; } = new ulong[Answers.Rows * Board.Moments.Length];

    public void Clear() => Array.Clear(Told);

    public void Add(Board board, AuthorityChange change)
    {
        Array.Clear(_means);
        var (callers, asked, moments) = Of(board, change.Permit);
        if (change.Lifted is { } lifted)
        {
            var within = Of(board, lifted);
            callers &= within.Callers;
            asked &= within.Asked;
        }

        foreach (var request in Board.Each(asked))
        {
            for (var moment = 0; moment < moments; moment++) _means[moment * Answers.Rows + request] = callers;
        }

        foreach (var clause in change.Except)
        {
            var except = Of(board, clause);
            foreach (var request in Board.Each(asked & except.Asked))
            {
                for (var moment = 0; moment < except.Moments; moment++) _means[moment * Answers.Rows + request] &= ~except.Callers;
            }
        }

        for (var at = 0; at < Told.Length; at++) Told[at] |= _means[at];
    }

    private static (ulong Callers, ulong Asked, int Moments) Of(Board board, PolicyClause clause)
    {
        var permits = clause.Effect == RuleEffect.Permit;
        var moments = 0;
        while (moments < Board.Moments.Length && !(permits && clause.Expires <= Board.Moments[moments])) moments++;
        return (board.Who.Meant(board.Who.NumberOf(clause.Subject), permits), board.What.Asked(board.What.NumberOf(clause.Capability), permits), moments);
    }
}
