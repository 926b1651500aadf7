using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Policy.Documents;

/// <summary>Turns the tree of a <c>kind: CapabilityPolicy</c> document into rules. The grammar of policy is this file.</summary>
internal sealed class PolicyBinder(ProblemList problems)
{
    public const string Kind = "CapabilityPolicy";

    private const int MaxRules = 10_000;
    private const int MaxPerRule = 1_000;

    public PolicyDocument? Bind(DocumentTree tree)
    {
        var before = problems.Count;
        var fields = Fields.Of(tree.Root, problems, "a policy", ["kind", "name", "rules"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the policy's name", Quantities.TryParseName);
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in fields.RequiredList("rules", "a list of rules", MaxRules) ?? [])
        {
            // One faulty generator makes thousands of equal mistakes; a page of them is enough.
            if (problems.IsFull) break;
            if (BindRule(node) is not { } rule) continue;
            if (!names.Add(rule.Name)) problems.Add(node, $"a second rule is named {Quoted.From(rule.Name)}; names of rules are unique in a policy");
            rules.Add(rule);
        }

        return problems.Count == before ? new PolicyDocument { Name = name!, Rules = rules.ToImmutable(), Source = tree.Source } : null;
    }

    private PolicyRule? BindRule(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a rule", ["name", "effect", "subjects", "capabilities", "ceilings", "expires"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the rule's name", Quantities.TryParseName);
        var effect = BindEffect(fields.Required("effect", "permit or forbid"));
        var subjects = fields.RequiredList("subjects", "a list of whom it means", MaxPerRule)?.Select(BindSubject).ToArray();
        var capabilities = fields.RequiredList("capabilities", "a list of what it permits or forbids", MaxPerRule)?
            .Select(capability => BindCapability(capability, effect)).ToArray();
        var ceilings = fields.Optional("ceilings") is { } stated ? new CeilingsBinder(problems).Bind(stated) : StatedCeilings.None;
        var expires = BindExpires(fields.Optional("expires"));
        if (effect == RuleEffect.Forbid)
        {
            RefuseInForbid(fields.Optional("ceilings"), "a forbid states no ceilings; put them on a permit");
            RefuseInForbid(fields.Optional("expires"), "a forbid that ends by itself would be a grant nobody sees; remove it by a change of policy");
        }

        return problems.Count > before ? null : new PolicyRule
        {
            Name = name!,
            Effect = effect!.Value,
            Subjects = [.. subjects!.OfType<PolicySubject>()],
            Capabilities = [.. capabilities!.OfType<Capability>()],
            Ceilings = ceilings!,
            Expires = expires,
        };
    }

    private RuleEffect? BindEffect(DocumentNode? node)
    {
        if (node is null) return null;
        if (node is DocumentNode.Scalar { Text: "permit" }) return RuleEffect.Permit;
        if (node is DocumentNode.Scalar { Text: "forbid" }) return RuleEffect.Forbid;
        problems.Add(node, $"'effect' must be permit or forbid, found {node.Describe()}", Nearest(node, ["permit", "forbid"]));
        return null;
    }

    private PolicySubject? BindSubject(DocumentNode node)
    {
        var fields = Fields.Of(node, problems, "a subject", ["spiffeId", "spiffeIdPrefix", "digest", "host", "hostPrefix"]);
        if (fields is null) return null;
        if (fields.IsEmpty)
        {
            problems.Add(node, "an empty subject would mean everyone; name a spiffeId, spiffeIdPrefix, digest, host or hostPrefix");
            return null;
        }

        return new PolicySubject
        {
            SpiffeId = fields.OptionalValue<SpiffeId>("spiffeId", "a SPIFFE ID", TryParseWorkloadId),
            SpiffeIdPrefix = fields.OptionalValue<SpiffeIdPrefix>("spiffeIdPrefix", "a SPIFFE ID", SpiffeIdPrefix.TryParse),
            Digest = fields.OptionalValue<ComponentDigest>("digest", "sha256: and 64 hexadecimal digits", ComponentDigest.TryParse),
            Host = fields.OptionalValue<SpiffeId>("host", "a SPIFFE ID", TryParseWorkloadId),
            HostPrefix = fields.OptionalValue<SpiffeIdPrefix>("hostPrefix", "a SPIFFE ID", SpiffeIdPrefix.TryParse),
        };
    }

    private Capability? BindCapability(DocumentNode node, RuleEffect? effect)
    {
        ReadOnlySpan<string> known = ["import", "natsPublish", "natsSubscribe"];
        if (node is DocumentNode.Scalar { Text: "start" }) return new Capability.Start();
        if (node is DocumentNode.Scalar)
        {
            problems.Add(node, $"unknown capability {node.Describe()}; expected start, or one of import, natsPublish, natsSubscribe with a value", Nearest(node, ["start", .. known]));
            return null;
        }

        if (Fields.Of(node, problems, "a capability", known) is not { } fields) return null;
        if (((DocumentNode.Mapping)node).Fields.Count != 1)
        {
            problems.Add(node, "a capability is one field; write each as an item of its own");
            return null;
        }

        if (fields.Optional("import") is { } import)
            return Grantable(import, BindValue<ImportPattern>(import, "'import'", "an interface", ImportPattern.TryParse), effect, pattern => new Capability.Import(pattern), WhyNotGrantable);
        if (fields.Optional("natsPublish") is { } publish)
            return Grantable(publish, BindSubjectName(publish, "'natsPublish'"), effect, subject => new Capability.NatsPublish(subject), subject => subject.WhyNotGrantable());
        return fields.Optional("natsSubscribe") is { } subscribe
            ? Grantable(subscribe, BindSubjectName(subscribe, "'natsSubscribe'"), effect, subject => new Capability.NatsSubscribe(subject), subject => subject.WhyNotGrantable())
            : null;
    }

    private NatsSubject? BindSubjectName(DocumentNode node, string what) => BindValue<NatsSubject>(node, what, "a NATS subject", NatsSubject.TryParse);

    private T? BindValue<T>(DocumentNode node, string what, string expected, Fields.Parse<T> parse) where T : class =>
        Fields.Value(node, what, expected, parse, problems);

    private Capability? Grantable<T>(DocumentNode node, T? value, RuleEffect? effect, Func<T, Capability> wrap, Func<T, string?> whyNot)
        where T : class
    {
        if (value is null) return null;
        // What may be forbidden is wider than what may be granted.
        if (effect == RuleEffect.Permit && whyNot(value) is { } problem) problems.Add(node, problem);
        return wrap(value);
    }

    private static string? WhyNotGrantable(ImportPattern pattern) => pattern.AnyVersion
        ? $"'{pattern}' would grant versions that do not exist yet; name a version ('@*' is for forbids)"
        : null;

    private DateTimeOffset? BindExpires(DocumentNode? node)
    {
        if (node is null) return null;
        if (node is DocumentNode.Scalar scalar && Quantities.TryParseMoment(scalar.Text, out var moment, out _)) return moment;
        problems.Add(node, $"'expires' must be a moment in UTC as in 2026-12-31T23:59:59Z, found {node.Describe()}");
        return null;
    }

    private void RefuseInForbid(DocumentNode? node, string why)
    {
        if (node is not null) problems.Add(node, why);
    }

    private static string? Nearest(DocumentNode node, IEnumerable<string> known) =>
        node is DocumentNode.Scalar scalar ? NearestWord.Of(scalar.Text, known) : null;

    private static bool TryParseWorkloadId(string text, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        if (!SpiffeId.TryParse(text, out id, out problem)) return false;
        if (id.HasPath) return true;
        id = null;
        problem = $"{Quoted.From(text)} names a trust domain, which no workload is called; use a prefix to mean everyone in it";
        return false;
    }
}
