using System.Collections.Immutable;
using System.Globalization;

namespace Identity.Policy.Documents;

/// <summary>Turns the tree of a <c>kind: PolicyRole</c> document into a role.</summary>
internal sealed class RoleBinder(ProblemList problems)
{
    public const string Kind = "PolicyRole";

    private const int MaxListed = 1_000;
    private const int MaxApprovals = 16;
    private const string Any = "any";

    public PolicyRole? Bind(DocumentTree tree)
    {
        var before = problems.Count;
        var fields = Fields.Of(tree.Root, problems, "a policy role", ["kind", "name", "members", "policies", "subjects", "labels", "approvals"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the role's name, such as shop-team", Quantities.TryParseName);
        var members = Fields.Values<PolicyPerson>(fields.RequiredList("members", "a list such as [unix:1000]", MaxListed), "a member", PolicyPerson.TryParse, problems);
        var policies = Fields.Values<PolicyNamePattern>(fields.RequiredList("policies", "a list such as [shop, shop.*]", MaxListed), "a policy name", PolicyNamePattern.TryParse, problems);
        var anySubject = fields.Optional("subjects") is DocumentNode.Scalar { Text: Any };
        var subjects = anySubject ? [] : BindSubjects(fields);
        var labels = fields.Optional("labels") is null
            ? [] : Fields.Values<string>(fields.RequiredList("labels", "a list of the labels it may assign, such as [team]", MaxListed), "a label's name", Quantities.TryParseName, problems);
        var approvals = BindApprovals(fields.Optional("approvals"));
        return problems.Count > before ? null : new PolicyRole
        {
            Name = name!,
            Members = members,
            Policies = policies,
            Subjects = subjects,
            AnySubject = anySubject,
            Labels = labels,
            Approvals = approvals,
            Source = tree.Source,
        };
    }

    private ImmutableArray<PolicySubject> BindSubjects(Fields fields) =>
        new SubjectBinder(problems).BindAll(fields.RequiredList("subjects", $"a list of whom its policies may mean, such as {SubjectBinder.Example}, or {Any}", MaxListed));

    private int BindApprovals(DocumentNode? node)
    {
        if (node is null) return 0;
        if (node is DocumentNode.Scalar scalar && int.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= MaxApprovals)
            return number;
        problems.Add(node, $"'approvals' must be a number from 0 to {MaxApprovals}, found {node.Describe()}");
        return 0;
    }
}
