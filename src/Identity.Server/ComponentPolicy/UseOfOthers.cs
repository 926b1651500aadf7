using System.Text;
using Identity.Policy;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>How much of what all policies share is used by each person whom a role names, the author of a change and administrators left out, once it is made. A document is whose word it is last.</summary>
internal sealed class UseOfOthers
{
    private readonly CapabilityPolicy _after;

    // Names of documents.
    private readonly IReadOnlyList<IReadOnlyList<string>> _documents;
    private readonly Dictionary<string, string> _texts;
    private readonly Lazy<Dictionary<string, int>> _combinations;
    private readonly Lazy<Dictionary<string, PolicyDocument>> _read;

    public UseOfOthers(ControlPlaneState state, PolicyEdit edit, CapabilityPolicy after, PolicyPerson author)
    {
        _after = after;
        var gone = edit.Names.ToHashSet(StringComparer.Ordinal);
        var left = state.Policies.Values.Where(policy => !gone.Contains(policy.Name)).ToList();
        _texts = left.ToDictionary(policy => policy.Name, policy => policy.Text, StringComparer.Ordinal);
        var byAuthor = left.ToLookup(policy => policy.Author, policy => policy.Name, StringComparer.Ordinal);
        _documents = [.. state.Governance.Roles.People.Where(person => person != author && !PolicyGate.IsAdmin(person)).Select(person => byAuthor[person.Text].ToList())];
        _combinations = new(() => after.Clauses.GroupBy(clause => clause.Rule.Policy, StringComparer.Ordinal).ToDictionary(clauses => clauses.Key, clauses => clauses.Count(), StringComparer.Ordinal));
        _read = new(() => after.Documents.ToDictionary(document => document.Name, StringComparer.Ordinal));
    }

    public IEnumerable<long> Documents() => _documents.Select(names => (long)names.Count);

    public IEnumerable<long> Bytes() => SumOf(name => Encoding.UTF8.GetByteCount(_texts[name]));

    public IEnumerable<long> Combinations() => SumOf(name => _combinations.Value.GetValueOrDefault(name));

    public IEnumerable<long> LabelSteps() => SumOf(name => _after.LabelStepsOf(name));

    public IEnumerable<long> SignerKeys() => _documents.Select(names => (long)names.SelectMany(KeysOf).Distinct().Count());

    private IEnumerable<long> SumOf(Func<string, long> use) => _documents.Select(names => names.Sum(use));

    private IEnumerable<SignerName> KeysOf(string name) => !_read.Value.TryGetValue(name, out var document) ? []
        : document.Rules.Where(rule => rule.Mode != RuleMode.Off).SelectMany(rule => rule.Subjects).Select(subject => subject.Signer).OfType<SignerName>().Where(key => key.IsKey);
}
