namespace Identity.Policy.Evaluation;

/// <summary>All clauses that share their most telling attribute, by what they speak of.</summary>
internal sealed class Bucket
{
    private readonly Dictionary<int, List<Clause>> _permits = [];
    private readonly Dictionary<int, List<Clause>> _forbids = [];

    public List<Clause> NatsPermits { get; } = [];

    public List<Clause> NatsForbids { get; } = [];

    /// <summary>The first few permits, for explaining a refusal.</summary>
    public List<Clause> SomePermits { get; } = [];

    public List<Clause>? Permits(int key) => _permits.GetValueOrDefault(key);

    public List<Clause>? Forbids(int key) => _forbids.GetValueOrDefault(key);

    public void AddPermit(int key, Clause clause) => Add(_permits, key, clause);

    public void AddForbid(int key, Clause clause) => Add(_forbids, key, clause);

    private static void Add(Dictionary<int, List<Clause>> clauses, int key, Clause clause)
    {
        if (!clauses.TryGetValue(key, out var list)) clauses.Add(key, list = []);
        list.Add(clause);
    }
}
