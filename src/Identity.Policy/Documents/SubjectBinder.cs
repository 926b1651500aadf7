using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy.Analysis;
using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy.Documents;

/// <summary>Reads one item of <c>subjects</c>, of a rule or of a label.</summary>
internal sealed class SubjectBinder(ProblemList problems)
{
    /// <summary>A list of subjects, for who wrote none.</summary>
    public const string Example = "[{ spiffeId: spiffe://example.org/shop }]";

    private const int MaxLabels = 16;

    // RFC 1123, as Kubernetes names namespaces.
    private const int MaxNamespaceLength = 63;

    private static readonly SearchValues<char> NamespaceCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    private static readonly string[] Known =
        ["spiffeId", "spiffeIdPrefix", "digest", "signer", "image", "imagePrefix", "host", "hostPrefix", "namespace", "lattice", "labels"];

    /// <param name="judge">Looks at each that was read, where it was.</param>
    public ImmutableArray<PolicySubject> BindAll(IReadOnlyList<DocumentNode>? items, Action<PolicySubject, DocumentNode>? judge = null)
    {
        var subjects = ImmutableArray.CreateBuilder<PolicySubject>();
        var listed = new Dictionary<PolicySubject, DocumentNode>();
        foreach (var item in items ?? [])
        {
            if (problems.IsFull) break;
            if (Bind(item) is not { } subject) continue;
            judge?.Invoke(subject, item);
            // Was let pass once, so documents in force may have it.
            if (!problems.IsStored) problems.RefuseListedTwice(listed, subject, item, SubjectText.Of);
            subjects.Add(subject);
        }

        return subjects.ToImmutable();
    }

    private PolicySubject? Bind(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a subject", Known);
        if (fields is null) return null;
        if (fields.IsEmpty)
        {
            problems.Add(node, $"an empty subject would mean everyone; name one of {string.Join(", ", Known)}, such as {{ spiffeIdPrefix: spiffe://example.org }} for a whole trust domain");
            return null;
        }

        var subject = new PolicySubject
        {
            SpiffeId = fields.OptionalValue<SpiffeId>("spiffeId", "a SPIFFE ID such as spiffe://example.org/shop", TryParseWorkloadId),
            SpiffeIdPrefix = fields.OptionalValue<SpiffeIdPrefix>("spiffeIdPrefix", "a SPIFFE ID such as spiffe://example.org/components", SpiffeIdPrefix.TryParse),
            Digest = fields.OptionalValue<ComponentDigest>("digest", "sha256: and 64 hexadecimal digits", ComponentDigest.TryParse),
            Signer = fields.OptionalValue<SignerName>("signer", "the name of a signer, such as ed25519: and a public key", SignerName.TryParse),
            Image = fields.OptionalValue<ImageReference>("image", "an image such as ghcr.io/acme/shop:1.0", ImageReference.TryParsePinned),
            ImagePrefix = fields.OptionalValue<ImagePrefix>("imagePrefix", "a registry or repository such as ghcr.io/acme", ImagePrefix.TryParse),
            Host = fields.OptionalValue<SpiffeId>("host", "a SPIFFE ID such as spiffe://example.org/hosts/local", TryParseWorkloadId),
            HostPrefix = fields.OptionalValue<SpiffeIdPrefix>("hostPrefix", "a SPIFFE ID such as spiffe://example.org/hosts", SpiffeIdPrefix.TryParse),
            Namespace = fields.OptionalValue<string>("namespace", "the name of a namespace, such as shop", TryParseNamespace),
            Lattice = fields.OptionalValue<string>("lattice", "the name of a lattice, such as default", Quantities.TryParseName),
            Labels = BindLabels(fields.Optional("labels")),
        };
        if (problems.Count > before) return null;
        if (SubjectIntersection.WhyNobody(subject) is { } why) problems.Add(node, $"nobody can be this subject: {why}");
        return subject;
    }

    private ImmutableSortedDictionary<string, string> BindLabels(DocumentNode? node)
    {
        if (node is null) return PolicySubject.NoLabels;
        var labels = PolicySubject.NoLabels;
        if (node is not DocumentNode.Mapping { Fields: { Count: > 0 and <= MaxLabels } fields })
        {
            problems.Add(node, $"'labels' must be 1 to {MaxLabels} names with their values, such as {{ team: shop }}, found {node.Describe()}");
            return labels;
        }

        foreach (var (key, value) in fields)
        {
            var name = Fields.Value<string>(key, "the name of a label", "text", Quantities.TryParseName, problems);
            var text = Fields.Value<string>(value, $"the label {Quoted.From(key.Text)}", "text", Quantities.TryParseName, problems);
            if (name is not null && text is not null) labels = labels.SetItem(name, text);
        }

        return labels;
    }

    private static bool TryParseWorkloadId(string text, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        if (!Quantities.TryParseId(text, out id, out problem))
        {
            if (text.EndsWith("/*", StringComparison.Ordinal) && SpiffeIdPrefix.TryParse(text[..^2], out var prefix, out _)) problem += $"; all below it are meant by spiffeIdPrefix, and all hosts by hostPrefix: {prefix}";
            return false;
        }

        if (id.HasPath) return true;
        id = null;
        problem = $"{Quoted.From(text)} names a trust domain, which no workload is called; use a prefix to mean everyone in it";
        return false;
    }

    private static bool TryParseNamespace(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        var bad = text.AsSpan().IndexOfAnyExcept(NamespaceCharacters);
        problem = text.Length is > 0 and <= MaxNamespaceLength && bad < 0 && text[0] != '-' && text[^1] != '-'
            ? null : $"{Quoted.From(text)} is not a namespace; expected up to {MaxNamespaceLength} lower-case letters, digits and '-'";
        name = problem is null ? text : null;
        return name is not null;
    }
}
