namespace Identity.Policy.Documents;

/// <summary>Collects what is wrong with a document; past the limit only the fact that something is.</summary>
internal sealed class ProblemList
{
    // Enough to mend a file in one go, too few to be worth provoking.
    private const int MaxProblems = 50;

    private readonly List<PolicyProblem> _problems = [];

    public bool IsEmpty => Count == 0;

    /// <summary>Of a document that is in force already: as of <see cref="ManifestReader.TryRead"/>.</summary>
    public bool IsStored { get; init; }

    /// <summary>Also counts what was too much to keep.</summary>
    public int Count { get; private set; }

    public bool IsFull => Count >= MaxProblems;

    public IReadOnlyList<PolicyProblem> InOrder() => [.. _problems.OrderBy(problem => problem.Line).ThenBy(problem => problem.Column)];

    public void Add(DocumentNode at, string text, string? suggestion = null) => Add(at.Line, at.Column, text, suggestion);

    /// <summary>Refuses what its list has already: whoever wrote it meant something else, or will change one and leave the other.</summary>
    /// <param name="listed">What was listed so far, and where.</param>
    /// <param name="show">As it is written.</param>
    public void RefuseListedTwice<T>(Dictionary<T, DocumentNode> listed, T value, DocumentNode item, Func<T, string> show) where T : notnull
    {
        if (!listed.TryAdd(value, item)) Add(item, $"{Quoted.From(show(value))} is listed twice, first in {listed[value].Place}; leave one out");
    }

    public void Add(int line, int column, string text, string? suggestion = null)
    {
        Count++;
        if (_problems.Count < MaxProblems) _problems.Add(new PolicyProblem(line, column, text, suggestion));
    }
}
