using System.Diagnostics.CodeAnalysis;
using Identity.Policy.Documents;

namespace Identity.Policy;

/// <summary>Reads one policy document, in YAML or JSON. What it accepts is valid whole; anything it does not know refuses the document.</summary>
public static class PolicyParser
{
    /// <param name="problems">The problems found, in the order of the text; empty exactly when the document was read.</param>
    /// <param name="isStored">As of <see cref="ManifestReader.TryRead"/>.</param>
    public static bool TryParse(string source, [NotNullWhen(true)] out PolicyDocument? document, out IReadOnlyList<PolicyProblem> problems, bool isStored = false)
    {
        document = null;
        if (ManifestReader.TryRead(source, out var manifest, out problems, isStored))
        {
            if (manifest is { Policies: [var only], Entries.IsEmpty: true, Roles.IsEmpty: true }) document = only;
            else problems = [new PolicyProblem(1, 1, $"expected one document of kind {PolicyBinder.Kind}, found {manifest.Policies.Length} and {manifest.Entries.Length + manifest.Roles.Length} of other kinds; leave the others out, or send each by itself")];
        }

        return document is not null;
    }
}
