using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Policy.Documents;

/// <summary>Turns the tree of a <c>kind: RegistrationEntry</c> document into an entry.</summary>
internal sealed class EntryBinder(ProblemList problems)
{
    public const string Kind = "RegistrationEntry";

    private const int MaxListed = 64;
    private const int MaxSelectorLength = 1_024;
    private const int MaxHintLength = 128;
    private const string DigestSelector = "wasm:digest:";
    private const string NameSelector = "wasm:name:";

    // Longer than a day is no short-lived credential.
    private static readonly TimeSpan MostTtl = TimeSpan.FromHours(24);

    public RegistrationEntryDocument? Bind(DocumentNode root)
    {
        var before = problems.Count;
        var fields = Fields.Of(
            root, problems, "a registration entry",
            ["kind", "spiffeId", "parentId", "selectors", "x509SvidTtl", "jwtSvidTtl", "hint", "dnsNames", "federatesWith"]);
        if (fields is null) return null;
        var id = fields.RequiredValue<SpiffeId>("spiffeId", "the SPIFFE ID it gives, such as spiffe://example.org/shop", Quantities.TryParseId);
        var parent = fields.RequiredValue<SpiffeId>("parentId", "the SPIFFE ID of the agent, node or host that asks for it, such as spiffe://example.org/hosts/local", Quantities.TryParseId);
        var selectors = Fields.Values<string>(fields.RequiredList("selectors", "a list such as [unix:uid:1000]", MaxListed), "a selector", TryParseSelector, problems);
        var dnsNames = fields.Optional("dnsNames") is null
            ? [] : Fields.Values<string>(fields.RequiredList("dnsNames", "a list of DNS names, such as [shop.example.org]", MaxListed), "a DNS name", TryParseDnsName, problems);
        var federatesWith = fields.Optional("federatesWith") is null
            ? [] : Fields.Values<string>(fields.RequiredList("federatesWith", "a list of trust domains, such as [other.example]", MaxListed), "a trust domain", TryParseTrustDomain, problems);
        var entry = new RegistrationEntryDocument
        {
            SpiffeId = id!,
            ParentId = parent!,
            Selectors = selectors,
            X509SvidTtl = BindTtl(fields.Optional("x509SvidTtl")),
            JwtSvidTtl = BindTtl(fields.Optional("jwtSvidTtl")),
            Hint = fields.OptionalValue<string>("hint", "one line of text", TryParseHint),
            DnsNames = dnsNames,
            FederatesWith = federatesWith,
        };
        if (problems.Count > before) return null;
        if (!id!.HasPath) problems.Add(root, $"'{id}' names the trust domain itself; an entry needs a path, such as {id}/hosts/local");
        else if (id.TrustDomain != parent!.TrustDomain) problems.Add(root, $"'{id}' and its parent '{parent}' are of different trust domains; an agent gives IDs of its own trust domain only, so name a parent of '{id.TrustDomain}'");
        else if (entry.FederatesWith.Contains(id.TrustDomain.Name)) problems.Add(root, $"federatesWith names {id.TrustDomain}, the entry's own trust domain; its bundle is always there: leave it out");
        return problems.Count > before ? null : entry;
    }

    private TimeSpan? BindTtl(DocumentNode? node)
    {
        if (node is null) return null;
        string? problem = null;
        if (node is DocumentNode.Scalar scalar && Quantities.TryParseTime(scalar.Text, RegistrationEntryDocument.LeastTtl, MostTtl, out var ttl, out problem)) return ttl;
        problems.Add(node, problem ?? $"expected a time such as 1h, found {node.Describe()}");
        return null;
    }

    private static bool TryParseSelector(string text, [NotNullWhen(true)] out string? selector, [NotNullWhen(false)] out string? problem)
    {
        selector = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || colon == text.Length - 1 || text.Length > MaxSelectorLength || text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            problem = $"{Quoted.From(text)} is not a selector; expected type:value such as unix:uid:1000, printable and without spaces";
        else if (text.StartsWith(DigestSelector, StringComparison.Ordinal))
            _ = ComponentDigest.TryParse(text[DigestSelector.Length..], out _, out problem);
        else if (text.StartsWith("wasm:", StringComparison.Ordinal) && (!text.StartsWith(NameSelector, StringComparison.Ordinal) || text.Length == NameSelector.Length))
            problem = $"{Quoted.From(text)} is not a selector of components; expected {DigestSelector}sha256:<hex> or {NameSelector}<name>";
        else
            problem = KnownSelectors.WhyNeverMatches(text);
        if (problem is null) selector = text;
        return problem is null;
    }

    // RFC 1123 §2.1, lower case so that one name has one spelling; wildcards would speak for names nobody registered.
    private static bool TryParseDnsName(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        name = null;
        problem = text.Length is 0 or > 253 || text.Split('.').Any(label => !IsDnsLabel(label))
            ? $"{Quoted.From(text)} is not a DNS name; expected labels of a-z, 0-9 and '-' joined by '.'"
            : null;
        if (problem is null) name = text;
        return problem is null;
    }

    private static bool IsDnsLabel(string label) =>
        label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-'
        && label.All(character => char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character == '-');

    private static bool TryParseTrustDomain(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        name = TrustDomain.TryParse(text, out var domain, out problem) ? domain.Name : null;
        return name is not null;
    }

    private static bool TryParseHint(string text, [NotNullWhen(true)] out string? hint, [NotNullWhen(false)] out string? problem)
    {
        problem = text.Length is 0 or > MaxHintLength || text.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? $"the hint {Quoted.From(text)} must be 1 to {MaxHintLength} printable ASCII characters"
            : null;
        hint = problem is null ? text : null;
        return problem is null;
    }
}
