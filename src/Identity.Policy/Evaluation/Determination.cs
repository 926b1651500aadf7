using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>The rules that a decision rests on, and what follows from them together. Nothing here depends on the order of adding.</summary>
internal sealed class Determination
{
    private readonly List<RankedRule> _rules = [];

    public bool IsEmpty => _rules.Count == 0;

    public void Add(RankedRule rule) => _rules.Add(rule);

    /// <summary>Sorted, each once.</summary>
    public ImmutableArray<RuleReference> References()
    {
        _rules.Sort(static (left, right) => left.Rank.CompareTo(right.Rank));
        var references = ImmutableArray.CreateBuilder<RuleReference>(_rules.Count);
        for (var i = 0; i < _rules.Count; i++)
        {
            if (i == 0 || _rules[i].Rank != _rules[i - 1].Rank) references.Add(_rules[i].Reference);
        }

        return references.DrainToImmutable();
    }

    public StatedCeilings Ceilings()
    {
        var ceilings = StatedCeilings.None;
        foreach (var ranked in _rules) ceilings = ceilings.SmallestWith(ranked.Rule.Ceilings);
        return ceilings;
    }

    /// <summary>When the first of the rules ends.</summary>
    public DateTimeOffset? ValidUntil()
    {
        DateTimeOffset? first = null;
        foreach (var ranked in _rules)
        {
            if (ranked.Rule.Expires is { } expires && !(first <= expires)) first = expires;
        }

        return first;
    }
}
