using Identity.Policy;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Cli.Commands;

/// <summary>Registration entries between what a person writes, the wire and the screen.</summary>
internal static class EntryText
{
    public static Entry ToWire(RegistrationEntryDocument document)
    {
        var entry = new Entry
        {
            SpiffeId = ToWire(document.SpiffeId),
            ParentId = ToWire(document.ParentId),
            X509SvidTtl = (int)(document.X509SvidTtl?.TotalSeconds ?? 0),
            JwtSvidTtl = (int)(document.JwtSvidTtl?.TotalSeconds ?? 0),
            Hint = document.Hint ?? "",
        };
        entry.Selectors.AddRange(document.Selectors.Select(ToSelector));
        entry.DnsNames.AddRange(document.DnsNames);
        entry.FederatesWith.AddRange(document.FederatesWith);
        return entry;
    }

    public static SPIFFEID ToWire(SpiffeId id) => new() { TrustDomain = id.TrustDomain.Name, Path = id.Path };

    public static string Of(SPIFFEID? id) => id is null ? "-" : $"spiffe://{id.TrustDomain}{id.Path}";

    public static string Of(Entry entry) => $"{Of(entry.SpiffeId)} below {Of(entry.ParentId)}";

    public static string Selectors(Entry entry) => string.Join(", ", entry.Selectors.Select(selector => $"{selector.Type}:{selector.Value}"));

    /// <summary>Same workload, same parent: what makes two entries one.</summary>
    public static bool SameKey(Entry left, Entry right) =>
        left.SpiffeId.Equals(right.SpiffeId) && left.ParentId.Equals(right.ParentId) && SelectorSet(left).SetEquals(SelectorSet(right));

    /// <summary>Same workload, same parent, all the selectors of the other and more: whoever has it could have the other.</summary>
    public static bool IsNarrower(Entry entry, Entry other) =>
        entry.SpiffeId.Equals(other.SpiffeId) && entry.ParentId.Equals(other.ParentId) && SelectorSet(entry).IsProperSupersetOf(SelectorSet(other));

    public static bool SameContent(Entry left, Entry right) =>
        SameKey(left, right) && left.X509SvidTtl == right.X509SvidTtl && left.JwtSvidTtl == right.JwtSvidTtl && left.Hint == right.Hint
        && left.DnsNames.SequenceEqual(right.DnsNames) && left.FederatesWith.ToHashSet().SetEquals(right.FederatesWith);

    private static HashSet<(string, string)> SelectorSet(Entry entry) => [.. entry.Selectors.Select(selector => (selector.Type, selector.Value))];

    private static Selector ToSelector(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return new Selector { Type = text[..colon], Value = text[(colon + 1)..] };
    }
}
