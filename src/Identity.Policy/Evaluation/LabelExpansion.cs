using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy.Evaluation;

/// <summary>Puts the subjects that have a label in place of the label.</summary>
internal sealed class LabelExpansion
{
    /// <summary>
    /// Subjects that may be put beside one another for one policy. Several labels on one subject mean those who have all of them, and looking for
    /// these can cost the product of their numbers though nobody is found.
    /// </summary>
    public const int MaxSteps = 4_000_000;

    private readonly Dictionary<(string Name, string Value), Bearers> _assigned = [];

    public LabelExpansion(ImmutableArray<PolicyDocument> documents)
    {
        foreach (var assignment in documents.Where(document => !document.Labels.IsDefault).SelectMany(document => document.Labels))
        {
            if (!_assigned.TryGetValue((assignment.Name, assignment.Value), out var bearers)) _assigned.Add((assignment.Name, assignment.Value), bearers = new Bearers());
            foreach (var subject in assignment.Subjects)
            {
                // The parser refuses labels of labels; what was built in code assigns nothing.
                if (!subject.IsEmpty && subject.Labels.IsEmpty && subject.Signer is null) bearers.Add(subject);
            }
        }
    }

    public int Steps { get; private set; }

    /// <summary>Then what was handed out is not all that is meant.</summary>
    public bool IsExhausted => Steps > MaxSteps;

    /// <summary>
    /// Label-free subjects that together mean the same: for each label one of those it is assigned to, and all that the subject states
    /// besides. None when nobody can be meant. Lazy, so that a caller with a bound stops in time.
    /// </summary>
    public IEnumerable<PolicySubject> Expand(PolicySubject subject)
    {
        IEnumerable<PolicySubject> expanded = [subject with { Labels = PolicySubject.NoLabels }];
        foreach (var (name, value) in subject.Labels)
        {
            if (!_assigned.TryGetValue((name, value), out var bearers)) return [];
            expanded = expanded.SelectMany(one => Both(one, bearers));
        }

        return subject.Labels.Count < 2 ? expanded : expanded.Distinct();
    }

    private IEnumerable<PolicySubject> Both(PolicySubject subject, Bearers bearers)
    {
        foreach (var bearer in bearers.ThatMayBe(subject))
        {
            if (++Steps > MaxSteps) yield break;
            if (SubjectIntersection.Of(subject, bearer) is { } both) yield return both;
        }
    }

    /// <summary>Whom one label is assigned to, each once.</summary>
    private sealed class Bearers
    {
        private readonly HashSet<PolicySubject> _all = [];
        private readonly Dictionary<SpiffeId, List<PolicySubject>> _byId = [];
        private readonly List<PolicySubject> _withoutId = [];

        public void Add(PolicySubject subject)
        {
            if (!_all.Add(subject)) return;
            if (subject.SpiffeId is not { } id) _withoutId.Add(subject);
            else if (_byId.TryGetValue(id, out var same)) same.Add(subject);
            else _byId.Add(id, [subject]);
        }

        /// <summary>Without those that are certainly another: most labels are given to single IDs.</summary>
        public IEnumerable<PolicySubject> ThatMayBe(PolicySubject subject) => subject.SpiffeId is not { } id ? _all
            : _byId.TryGetValue(id, out var same) ? same.Concat(_withoutId) : _withoutId;
    }
}
