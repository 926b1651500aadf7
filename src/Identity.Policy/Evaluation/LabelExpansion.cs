using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Puts the subjects that have a label in place of the label.</summary>
internal sealed class LabelExpansion
{
    private readonly Dictionary<(string Name, string Value), List<PolicySubject>> _assigned = [];

    public LabelExpansion(ImmutableArray<PolicyDocument> documents)
    {
        foreach (var assignment in documents.Where(document => !document.Labels.IsDefault).SelectMany(document => document.Labels))
        {
            if (!_assigned.TryGetValue((assignment.Name, assignment.Value), out var subjects)) _assigned.Add((assignment.Name, assignment.Value), subjects = []);
            foreach (var subject in assignment.Subjects)
            {
                // The parser refuses labels of labels; what was built in code assigns nothing.
                if (!subject.IsEmpty && subject.Labels.IsEmpty && subject.Signer is null && !subjects.Contains(subject)) subjects.Add(subject);
            }
        }
    }

    /// <summary>
    /// Label-free subjects that together mean the same: for each label one of those it is assigned to, and all that the subject states
    /// besides. None when nobody can be meant. Lazy, so that a caller with a bound stops in time.
    /// </summary>
    public IEnumerable<PolicySubject> Expand(PolicySubject subject)
    {
        IEnumerable<PolicySubject> expanded = [subject with { Labels = PolicySubject.NoLabels }];
        foreach (var (name, value) in subject.Labels)
        {
            if (!_assigned.TryGetValue((name, value), out var assigned)) return [];
            expanded = expanded.SelectMany(_ => assigned, SubjectIntersection.Of).OfType<PolicySubject>();
        }

        return subject.Labels.Count < 2 ? expanded : expanded.Distinct();
    }
}
