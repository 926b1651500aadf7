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
        var seen = new Dictionary<(string, string), DocumentNode>();
        foreach (var node in policy.RequiredList("labels", "a list of labels, each with name, value and subjects", MaxLabels) ?? [])
        {
            if (problems.IsFull) break;
            if (BindLabel(node) is not { } label) continue;
            if (!seen.TryAdd((label.Name, label.Value), node))
                problems.Add(node, $"the label {label.Name}: {label.Value} is given twice, first in {seen[(label.Name, label.Value)].Place}; list all its subjects in one place");
            labels.Add(label);
        }

        return labels.ToImmutable();
    }

    private LabelAssignment? BindLabel(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a label", ["name", "value", "subjects"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the label's name, such as team", Quantities.TryParseName);
        var value = fields.RequiredValue<string>("value", "the label's value, such as shop", Quantities.TryParseName);
        var subjects = new SubjectBinder(problems).BindAll(
            fields.RequiredList("subjects", $"a list of who has the label, such as {SubjectBinder.Example}", MaxSubjects),
            (subject, item) =>
            {
                if (!subject.Labels.IsEmpty) problems.Add(item, "a label is not given to those who have a label; name them");
                if (subject.Signer is not null) problems.Add(item, "a label is not given by signer; name the signer in the rule, beside the label");
            });
        return problems.Count > before ? null : new LabelAssignment(name!, value!, subjects);
    }
}
