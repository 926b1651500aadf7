using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Policy.Documents;

/// <summary>Turns the tree of a <c>kind: PolicyTest</c> document into expectations.</summary>
internal sealed class PolicyTestBinder(ProblemList problems)
{
    public const string Kind = "PolicyTest";

    private const int MaxCases = 10_000;
    private const int MaxListed = 64;

    // In the order of the bits of PrincipalAttributes.
    private static readonly string[] Attributes = ["digest", "signers", "image", "host", "namespace", "lattice"];

    public PolicyTestDocument? Bind(DocumentTree tree)
    {
        var before = problems.Count;
        if (Fields.Of(tree.Root, problems, "a policy test", ["kind", "name", "cases"]) is not { } fields) return null;
        var name = fields.RequiredValue<string>("name", "the test's name, such as shop", Quantities.TryParseName);
        var names = new Dictionary<string, DocumentNode>(StringComparer.Ordinal);
        var cases = ImmutableArray.CreateBuilder<PolicyTestCase>();
        foreach (var node in fields.RequiredList("cases", "a list of cases, each with name, principal, request and expect", MaxCases) ?? [])
        {
            if (problems.IsFull) break;
            if (BindCase(node) is not { } test) continue;
            if (!names.TryAdd(test.Name, node)) problems.Add(node, $"a second case is named {Quoted.From(test.Name)}, the first in {names[test.Name].Place}; give one another name");
            cases.Add(test);
        }

        return problems.Count == before ? new PolicyTestDocument(name!, cases.ToImmutable()) : null;
    }

    private PolicyTestCase? BindCase(DocumentNode node)
    {
        var before = problems.Count;
        if (Fields.Of(node, problems, "a case", ["name", "principal", "request", "expect", "by", "at"]) is not { } fields) return null;
        var name = fields.RequiredValue<string>("name", "what is expected, in a sentence", Quantities.TryParseReason);
        var principal = fields.Required("principal", "who asks, such as { spiffeId: spiffe://example.org/shop }") is { } who ? BindPrincipal(who) : null;
        var request = fields.Required("request", "what is asked for, such as { natsPublish: orders.new }") is { } what ? BindRequest(what) : null;
        var allow = BindExpect(fields.Required("expect", "allow or deny"));
        var by = fields.OptionalValue<string>("by", "a rule, as policy/rule", TryParseRule);
        DateTimeOffset? at = null;
        if (fields.Optional("at") is { } moment)
        {
            if (moment is DocumentNode.Scalar scalar && Quantities.TryParseMoment(scalar.Text, out var read, out _)) at = read;
            else problems.Add(moment, $"'at' must be a moment in UTC as in 2026-12-31T23:59:59Z, found {moment.Describe()}");
        }

        return problems.Count > before ? null : new PolicyTestCase
        {
            Name = name!,
            Principal = principal!,
            Request = request!,
            Allow = allow!.Value,
            By = by is null ? null : new RuleReference(by[..by.IndexOf('/', StringComparison.Ordinal)], by[(by.IndexOf('/', StringComparison.Ordinal) + 1)..]),
            At = at,
            Line = node.Line,
        };
    }

    private Principal? BindPrincipal(DocumentNode node)
    {
        if (Fields.Of(node, problems, "a principal", ["spiffeId", .. Attributes, "unknown"]) is not { } fields) return null;
        var id = fields.RequiredValue<SpiffeId>("spiffeId", "who asks, such as spiffe://example.org/shop", Quantities.TryParseId);
        var signers = fields.Optional("signers") is null ? [] : fields.RequiredList("signers", "a list of signers, such as [release@example.org]", MaxListed) ?? [];
        var untold = new Dictionary<int, DocumentNode>();
        var unknown = PrincipalAttributes.None;
        foreach (var item in fields.Optional("unknown") is null ? [] : fields.RequiredList("unknown", $"a list of what the door cannot tell, of {string.Join(", ", Attributes)}", Attributes.Length) ?? [])
        {
            var bit = item is DocumentNode.Scalar word ? Array.IndexOf(Attributes, word.Text) : -1;
            if (bit >= 0 && fields.Optional(Attributes[bit]) is null)
            {
                problems.RefuseListedTwice(untold, bit, item, which => Attributes[which]);
                unknown |= (PrincipalAttributes)(1 << bit);
            }
            else problems.Add(item, bit < 0 ? $"unknown attribute {item.Describe()}; expected {string.Join(", ", Attributes)}" : $"{item.Describe()} is stated and unknown at once; leave one out");
        }

        var principal = new Principal
        {
            Id = id!,
            Digest = fields.OptionalValue<ComponentDigest>("digest", "sha256: and 64 hexadecimal digits", ComponentDigest.TryParse),
            Signers = Fields.Values<SignerName>(signers, "a signer", SignerName.TryParse, problems),
            Image = fields.OptionalValue<ImageReference>("image", "an image such as ghcr.io/acme/shop:1.0", ImageReference.TryParse),
            Host = fields.OptionalValue<SpiffeId>("host", "a SPIFFE ID such as spiffe://example.org/hosts/local", Quantities.TryParseId),
            Namespace = fields.OptionalValue<string>("namespace", "the name of a namespace, such as shop", Quantities.TryParseName),
            Lattice = fields.OptionalValue<string>("lattice", "the name of a lattice, such as default", Quantities.TryParseName),
            Unknown = unknown,
        };
        return id is null ? null : principal;
    }

    private CapabilityRequest? BindRequest(DocumentNode node)
    {
        // The same words as in a rule, for one request.
        if (new CapabilityBinder(problems).Bind(node, RuleEffect.Forbid) is not { } capability) return null;
        if (CapabilityRequest.TryParse(capability.ToString(), out var request, out var problem)) return request;
        problems.Add(node, problem);
        return null;
    }

    private bool? BindExpect(DocumentNode? node)
    {
        if (node is null) return null;
        if (node is DocumentNode.Scalar { Text: "allow" or "deny" } word) return word.Text == "allow";
        problems.Add(node, $"'expect' must be allow or deny, found {node.Describe()}", node is DocumentNode.Scalar { Text: var text } ? NearestWord.Of(text, ["allow", "deny"]) : null);
        return null;
    }

    private static bool TryParseRule(string text, [NotNullWhen(true)] out string? rule, [NotNullWhen(false)] out string? problem)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        problem = slash > 0 && Quantities.TryParseName(text[..slash], out _, out _) && Quantities.TryParseName(text[(slash + 1)..], out _, out _)
            ? null : $"{Quoted.From(text)} is not a rule; expected policy/rule, such as shop/orders";
        rule = problem is null ? text : null;
        return rule is not null;
    }
}
