using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy.Documents;

namespace Identity.Policy;

/// <summary>Reads a file of several documents, in YAML or JSON: policies, their tests, roles and registration entries in any order.</summary>
public static class ManifestReader
{
    private static readonly string[] Kinds = [PolicyBinder.Kind, EntryBinder.Kind, RoleBinder.Kind, PolicyTestBinder.Kind];

    /// <param name="problems">The problems found, in the order of the text; empty exactly when the file was read.</param>
    /// <param name="isStored">In force already: what is refused only of what is written anew does not make it unreadable.</param>
    public static bool TryRead(string source, [NotNullWhen(true)] out Manifest? manifest, out IReadOnlyList<PolicyProblem> problems, bool isStored = false)
    {
        var found = new ProblemList { IsStored = isStored };
        manifest = Read(DocumentTreeReader.Read(source, found, isStored), found);
        if (!found.IsEmpty) manifest = null;
        problems = found.InOrder();
        return manifest is not null;
    }

    private static Manifest Read(IReadOnlyList<DocumentTree> trees, ProblemList problems)
    {
        var policies = ImmutableArray.CreateBuilder<PolicyDocument>();
        var entries = ImmutableArray.CreateBuilder<RegistrationEntryDocument>();
        var roles = ImmutableArray.CreateBuilder<PolicyRole>();
        var tests = ImmutableArray.CreateBuilder<PolicyTestDocument>();
        var seen = new Dictionary<string, DocumentNode>(StringComparer.Ordinal);
        if (trees.Count == 0 && problems.IsEmpty) problems.Add(1, 1, $"the file holds no document; expected kind: {string.Join(" or ", Kinds)}");
        foreach (var tree in trees)
        {
            switch (KindOf(tree.Root, problems))
            {
                case PolicyBinder.Kind when new PolicyBinder(problems).Bind(tree) is { } policy:
                    RefuseSecond("policy", policy.Name, tree.Root);
                    policies.Add(policy);
                    break;
                case EntryBinder.Kind when new EntryBinder(problems).Bind(tree.Root) is { } entry:
                    // The same ID for the same parent and selectors is one entry, whatever else differs (SPIRE's rule too).
                    var key = $"{entry.SpiffeId} {entry.ParentId} {string.Join(' ', entry.Selectors.Order(StringComparer.Ordinal))}";
                    if (!seen.TryAdd(key, tree.Root))
                        problems.Add(tree.Root, $"a second entry gives '{entry.SpiffeId}' to the same parent and selectors, the first in {seen[key].Place}; leave one out, or give one other selectors");
                    entries.Add(entry);
                    break;
                case RoleBinder.Kind when new RoleBinder(problems).Bind(tree) is { } role:
                    RefuseSecond("role", role.Name, tree.Root);
                    roles.Add(role);
                    break;
                case PolicyTestBinder.Kind when new PolicyTestBinder(problems).Bind(tree) is { } test:
                    RefuseSecond("test", test.Name, tree.Root);
                    tests.Add(test);
                    break;
            }
        }

        return new Manifest(policies.ToImmutable(), entries.ToImmutable(), roles.ToImmutable()) { Tests = tests.ToImmutable() };

        void RefuseSecond(string kind, string name, DocumentNode at)
        {
            var key = $"{kind} {name}";
            if (!seen.TryAdd(key, at)) problems.Add(at, $"a second {kind} is named {Quoted.From(name)}, the first in {seen[key].Place}; give one another name, or make them one");
        }
    }

    private static string? KindOf(DocumentNode root, ProblemList problems)
    {
        var expected = string.Join(" or ", Kinds);
        if (root is not DocumentNode.Mapping mapping)
        {
            problems.Add(root, $"expected a document that says kind: {expected}, found {root.Describe()}");
            return null;
        }

        var kind = mapping.Fields.FirstOrDefault(field => field.Key.Text == "kind").Value;
        if (kind is DocumentNode.Scalar scalar && Kinds.Contains(scalar.Text)) return scalar.Text;
        if (kind is null) problems.Add(root, $"the document lacks the field 'kind'; expected {expected}");
        else problems.Add(kind, $"unknown kind {kind.Describe()}; expected {expected}", kind is DocumentNode.Scalar { Text: var text } ? NearestWord.Of(text, Kinds) : null);
        return null;
    }
}
