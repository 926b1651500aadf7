using System.Collections.Immutable;

namespace Identity.Policy.Documents;

/// <summary>Reads the <c>labels</c> of a policy: which label is given to whom.</summary>
internal sealed class LabelBinder(ProblemList problems)
{
    private const int MaxLabels = 1_000;
    private const int MaxSubjects = 10_000;

    public ImmutableArray<LabelAssignment> Bind(Fields policy)
    {
        if (policy.Optional("labels") is null) return [];
        var labels = ImmutableArray.CreateBuilder<LabelAssignment>();
        var seen = new HashSet<(string, string)>();
        foreach (var node in policy.RequiredList("labels", "a list of labels", MaxLabels) ?? [])
        {
            if (problems.IsFull) break;
            if (BindLabel(node) is not { } label) continue;
            if (!seen.Add((label.Name, label.Value))) problems.Add(node, $"the label {label.Name}: {label.Value} is given twice; list all its subjects in one place");
            labels.Add(label);
        }

        return labels.ToImmutable();
    }

    private LabelAssignment? BindLabel(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a label", ["name", "value", "subjects"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the label's name", Quantities.TryParseName);
        var value = fields.RequiredValue<string>("value", "the label's value", Quantities.TryParseName);
        var subjects = ImmutableArray.CreateBuilder<PolicySubject>();
        foreach (var item in fields.RequiredList("subjects", "a list of who has the label", MaxSubjects) ?? [])
        {
            if (problems.IsFull) break;
            if (new SubjectBinder(problems).Bind(item) is not { } subject) continue;
            if (!subject.Labels.IsEmpty) problems.Add(item, "a label is not given to those who have a label; name them");
            if (subject.Signer is not null) problems.Add(item, "a label is not given by signer; name the signer in the rule, beside the label");
            subjects.Add(subject);
        }

        return problems.Count > before ? null : new LabelAssignment(name!, value!, subjects.ToImmutable());
    }
}
