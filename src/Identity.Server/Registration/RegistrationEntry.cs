using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Identity.Issuance;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>Who may have which SPIFFE ID: a workload with all the selectors, attested by the parent. Always valid.</summary>
internal sealed partial class RegistrationEntry
{
    public const int MaxSelectors = 64;
    public const int MaxDnsNames = 32;
    public const int MaxFederatedTrustDomains = 64;
    public const int MaxHintLength = 1024;
    public static readonly TimeSpan MinTtl = Identity.Policy.RegistrationEntryDocument.LeastTtl;
    public static readonly TimeSpan MaxX509SvidTtl = TimeSpan.FromDays(7);
    public static readonly TimeSpan MaxJwtSvidTtl = TimeSpan.FromDays(1);

    private RegistrationEntry()
    {
    }

    /// <summary>Empty until the registry gives it one.</summary>
    public required string Id { get; init; }

    public required SpiffeId SpiffeId { get; init; }

    public required SpiffeId ParentId { get; init; }

    /// <summary>Each as <c>type:value</c>, sorted, without repeats.</summary>
    public required ImmutableArray<string> Selectors { get; init; }

    /// <summary>Zero: the server's default.</summary>
    public required TimeSpan X509SvidTtl { get; init; }

    /// <summary>Zero: the server's default.</summary>
    public required TimeSpan JwtSvidTtl { get; init; }

    public required ImmutableArray<string> DnsNames { get; init; }

    /// <summary>Names of other trust domains, sorted, without repeats. That their bundles are known is for the registry to see to.</summary>
    public required ImmutableArray<string> FederatesWith { get; init; }

    public required string Hint { get; init; }

    /// <summary>Null: never.</summary>
    public required DateTimeOffset? ExpiresAt { get; init; }

    public required Entry.Types.AdditionalAttributes? AdditionalAttributes { get; init; }

    /// <summary>Two entries of the same likeness would say the same thing twice; SPIRE refuses the second.</summary>
    public string Likeness => $"{SpiffeId}\n{ParentId}\n{string.Join('\n', Selectors)}";

    public static string LikenessOf(Entry stored) =>
        $"{stored.SpiffeId.ToText()}\n{stored.ParentId.ToText()}\n{string.Join('\n', stored.Selectors.Select(SelectorText.From).Order(StringComparer.Ordinal))}";

    public static bool TryParse(
        Entry wire, TrustDomain trustDomain, [NotNullWhen(true)] out RegistrationEntry? entry, [NotNullWhen(false)] out string? problem)
    {
        entry = null;
        if (!TryParseIds(wire, trustDomain, out var spiffeId, out var parentId, out problem)) return false;
        if (!TryParseSelectors(wire, out var selectors, out problem)) return false;
        if (!TryParseFederation(wire, trustDomain, out var federatesWith, out problem)) return false;
        problem = FindProblem(wire);
        if (problem is not null) return false;

        entry = new RegistrationEntry
        {
            Id = wire.Id,
            SpiffeId = spiffeId,
            ParentId = parentId,
            Selectors = selectors,
            X509SvidTtl = TimeSpan.FromSeconds(wire.X509SvidTtl),
            JwtSvidTtl = TimeSpan.FromSeconds(wire.JwtSvidTtl),
            DnsNames = [.. wire.DnsNames],
            FederatesWith = federatesWith,
            Hint = wire.Hint,
            ExpiresAt = wire.ExpiresAt == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(wire.ExpiresAt),
            AdditionalAttributes = wire.AdditionalAttributes?.Clone(),
        };
        return true;
    }

    public Entry ToWire(string id, long revisionNumber, DateTimeOffset createdAt)
    {
        var wire = new Entry
        {
            Id = id,
            SpiffeId = SpiffeId.ToWire(),
            ParentId = ParentId.ToWire(),
            X509SvidTtl = (int)X509SvidTtl.TotalSeconds,
            JwtSvidTtl = (int)JwtSvidTtl.TotalSeconds,
            Hint = Hint,
            ExpiresAt = ExpiresAt?.ToUnixTimeSeconds() ?? 0,
            RevisionNumber = revisionNumber,
            CreatedAt = createdAt.ToUnixTimeSeconds(),
            AdditionalAttributes = AdditionalAttributes?.Clone(),
        };
        wire.Selectors.AddRange(Selectors.Select(SelectorText.ToWire));
        wire.DnsNames.AddRange(DnsNames);
        wire.FederatesWith.AddRange(FederatesWith);
        return wire;
    }

    private static bool TryParseIds(
        Entry wire,
        TrustDomain trustDomain,
        [NotNullWhen(true)] out SpiffeId? spiffeId,
        [NotNullWhen(true)] out SpiffeId? parentId,
        [NotNullWhen(false)] out string? problem)
    {
        parentId = null;
        if (!WireSpiffeId.TryParse(wire.SpiffeId, "spiffe_id", trustDomain, out spiffeId, out problem)) return false;
        if (!WireSpiffeId.TryParse(wire.ParentId, "parent_id", trustDomain, out parentId, out problem)) return false;
        if (ReservedPaths.Contains(spiffeId))
        {
            problem = $"spiffe_id {spiffeId} is reserved: {ReservedPaths.Explanation}";
            return false;
        }

        if (ReservedPaths.Contains(parentId) && !ReservedPaths.IsAgent(parentId) && parentId != ReservedPaths.Server(trustDomain))
        {
            problem = $"parent_id {parentId} is neither an agent, nor the server, nor an identity that may be registered: {ReservedPaths.Explanation}";
            return false;
        }

        if (spiffeId == parentId)
        {
            problem = $"spiffe_id and parent_id are both {spiffeId}; an identity cannot vouch for itself";
            return false;
        }

        return true;
    }

    private static bool TryParseSelectors(Entry wire, out ImmutableArray<string> selectors, [NotNullWhen(false)] out string? problem)
    {
        selectors = [];
        if (wire.Selectors.Count is 0 or > MaxSelectors)
        {
            problem = $"the entry has {wire.Selectors.Count} selectors; expected 1 to {MaxSelectors}";
            return false;
        }

        var texts = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var selector in wire.Selectors)
        {
            if (!SelectorText.TryParse(selector, out var text, out problem)) return false;
            texts.Add(text);
        }

        selectors = [.. texts];
        problem = null;
        return true;
    }

    private static bool TryParseFederation(
        Entry wire, TrustDomain own, out ImmutableArray<string> names, [NotNullWhen(false)] out string? problem)
    {
        names = [];
        if (wire.FederatesWith.Count > MaxFederatedTrustDomains)
        {
            problem = $"the entry federates with {wire.FederatesWith.Count} trust domains; at most {MaxFederatedTrustDomains} are allowed";
            return false;
        }

        var sorted = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var text in wire.FederatesWith)
        {
            if (!WireTrustDomain.TryParse(text, out var other, out problem))
            {
                problem = $"federatesWith: {problem}";
                return false;
            }

            if (other == own)
            {
                problem = $"federatesWith names {own}, this server's own trust domain, which its workloads trust anyway; leave it out";
                return false;
            }

            sorted.Add(other.Name);
        }

        names = [.. sorted];
        problem = null;
        return true;
    }

    private static string? FindProblem(Entry wire) =>
        FindIdProblem(wire.Id)
        ?? FindTtlProblem("x509_svid_ttl", wire.X509SvidTtl, MaxX509SvidTtl)
        ?? FindTtlProblem("jwt_svid_ttl", wire.JwtSvidTtl, MaxJwtSvidTtl)
        ?? FindExpiryProblem(wire.ExpiresAt)
        ?? FindHintProblem(wire.Hint)
        ?? FindDnsProblem(wire)
        ?? FindUnsupported(wire);

    private static string? FindIdProblem(string id) =>
        id.Length == 0 || IdPattern().IsMatch(id)
            ? null
            : $"the entry id {Quote.From(id)} is not 1 to 128 of a-z, A-Z, 0-9, '.', '_' and '-'; leave it out to be given one";

    private static string? FindTtlProblem(string name, int seconds, TimeSpan most) =>
        seconds == 0 || (seconds >= MinTtl.TotalSeconds && seconds <= most.TotalSeconds)
            ? null
            : $"{name} is {seconds} seconds; expected {MinTtl.TotalSeconds} to {most.TotalSeconds}, or 0 for the server's default";

    private static string? FindExpiryProblem(long seconds) =>
        seconds is >= 0 and <= 253402300799
            ? null
            : $"expires_at is {seconds}; expected seconds since 1970 up to the year 9999, or 0 for never";

    private static string? FindHintProblem(string hint) =>
        hint.Length > MaxHintLength ? $"hint has {hint.Length} characters; at most {MaxHintLength} are allowed"
        : hint.Any(char.IsControl) ? $"hint {Quote.From(hint)} contains a control character"
        : null;

    private static string? FindDnsProblem(Entry wire)
    {
        if (wire.DnsNames.Count > MaxDnsNames) return $"the entry has {wire.DnsNames.Count} DNS names; at most {MaxDnsNames} are allowed";
        foreach (var name in wire.DnsNames)
        {
            // RFC 1123 §2.1, lower case so that a name has one spelling, and what issuing takes: an entry that it refuses would never have an SVID.
            // No wildcards: a name is granted, not a family of names.
            if (!DnsName.IsValid(name) || !DnsPattern().IsMatch(name))
            {
                return $"the DNS name {Quote.From(name)} is not valid; expected lower-case labels joined by dots, without wildcard, and nothing that reads as an IP address";
            }
        }

        return wire.DnsNames.Distinct(StringComparer.Ordinal).Count() == wire.DnsNames.Count ? null : "a DNS name is given twice";
    }

    // Accepting a field without doing what it says would be a promise nobody keeps.
    private static string? FindUnsupported(Entry wire) =>
        wire.Admin ? "admin entries are not supported; administration goes through the admin socket"
        : wire.Downstream ? "downstream entries are not supported; this server signs no subordinate authorities"
        : wire.StoreSvid ? "store_svid is not supported; there is no SVID store"
        : null;

    [GeneratedRegex(@"\A[a-zA-Z0-9._-]{1,128}\z", RegexOptions.CultureInvariant)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex DnsPattern();
}
