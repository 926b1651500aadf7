namespace Identity.Agent.Decisions;

/// <summary>
/// Clients without an identity ask again and again: the same question about the same state is the same decision. A user who finds ever new questions, such as programs
/// of ever new names, gets one answer for the rest of them, and fills no log.
/// </summary>
internal sealed class RepeatedRefusals
{
    private const int MostForEachCaller = 64;
    private const int MostCallers = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<long, Dictionary<string, V1.Decision>> _byCaller = [];
    private object? _state;

    /// <param name="state">What the answers follow from; another object is another state.</param>
    /// <param name="caller">Its uid, or a negative number for one that has none.</param>
    /// <param name="decide">Called at most once for each question, and given whether it is the last one that is answered on its own.</param>
    public V1.Decision Find(object state, long caller, string question, Func<bool, V1.Decision> decide)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_state, state) || (_byCaller.Count >= MostCallers && !_byCaller.ContainsKey(caller))) _byCaller.Clear();
            _state = state;
            if (!_byCaller.TryGetValue(caller, out var decisions)) _byCaller[caller] = decisions = new Dictionary<string, V1.Decision>(StringComparer.Ordinal);
            if (decisions.TryGetValue(question, out var before)) return before;
            var isTooMany = decisions.Count >= MostForEachCaller;
            if (isTooMany && decisions.TryGetValue("", out before)) return before;
            return decisions[isTooMany ? "" : question] = decide(isTooMany);
        }
    }
}
