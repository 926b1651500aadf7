using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>The rules that a decision rests on, and what follows from them together. Nothing here depends on the order of adding.</summary>
internal sealed class Determination
{
    private readonly List<PolicyClause> _grounds = [];

    public void Add(PolicyClause clause) => _grounds.Add(clause);

    /// <summary>Sorted, each once.</summary>
    public ImmutableArray<RuleReference> References()
    {
        _grounds.Sort(static (left, right) => left.Rank.CompareTo(right.Rank));
        var count = 0;
        for (var i = 0; i < _grounds.Count; i++) count += IsFirst(i) ? 1 : 0;
        var references = ImmutableArray.CreateBuilder<RuleReference>(count);
        for (var i = 0; i < _grounds.Count; i++)
        {
            if (IsFirst(i)) references.Add(_grounds[i].Rule);
        }

        return references.MoveToImmutable();
    }

    public StatedCeilings Ceilings()
    {
        var ceilings = StatedCeilings.None;
        foreach (var ground in _grounds) ceilings = ceilings.SmallestWith(ground.Ceilings);
        return ceilings;
    }

    /// <summary>When the first of the rules ends.</summary>
    public DateTimeOffset? ValidUntil()
    {
        DateTimeOffset? first = null;
        foreach (var ground in _grounds)
        {
            if (ground.Expires is { } expires && !(first <= expires)) first = expires;
        }

        return first;
    }

    private bool IsFirst(int i) => i == 0 || _grounds[i].Rank != _grounds[i - 1].Rank;
}
