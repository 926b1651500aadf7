using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Agent.ControlPlane;

/// <summary>A registration entry this agent may ask SVIDs for.</summary>
internal sealed class AuthorizedEntry
{
    public const string ComponentSelectorPrefix = "wasm:";

    private const string NodeSelectorPrefix = "spiffe_id:";

    /// <summary>Seconds since 1970 until the last that a date can name, in the year 9999.</summary>
    public static readonly long LastSecond = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    public required string Id { get; init; }

    public required long Revision { get; init; }

    public required SpiffeId SpiffeId { get; init; }

    public required SpiffeId Parent { get; init; }

    /// <summary>As <c>type:value</c>, sorted, never empty: an entry that asks for nothing would fit everyone.</summary>
    public required ImmutableArray<string> Selectors { get; init; }

    /// <summary>Trust domains whose bundles the workload is given besides our own. A bundle may be missing all the same.</summary>
    public required ImmutableArray<TrustDomain> FederatesWith { get; init; }

    public required string Hint { get; init; }

    /// <summary>Seconds since 1970, at most <see cref="LastSecond"/>; 0 for never.</summary>
    public required long ExpiresAt { get; init; }

    public required long CreatedAt { get; init; }

    /// <summary>An entry for administrators or downstream servers; never given to a component.</summary>
    public required bool IsPrivileged { get; init; }

    /// <summary>Speaks of a WebAssembly component, so it has an identity only while it is admitted.</summary>
    public bool IsForComponent => Selectors.Any(s => s.StartsWith(ComponentSelectorPrefix, StringComparison.Ordinal));

    /// <summary>Another name of the node: its selectors are of the agent, and no process or component ever has them.</summary>
    public bool IsForNode => Selectors.Any(s => s.StartsWith(NodeSelectorPrefix, StringComparison.Ordinal));

    public bool IsExpired(DateTimeOffset now) => ExpiresAt != 0 && now.ToUnixTimeSeconds() >= ExpiresAt;

    /// <summary>True when an SVID made for the other is still right for this one.</summary>
    public bool IssuesTheSameAs(AuthorizedEntry other) => Id == other.Id && Revision == other.Revision && SpiffeId == other.SpiffeId;

    public static bool TryRead(Entry entry, [NotNullWhen(true)] out AuthorizedEntry? result, [NotNullWhen(false)] out string? problem)
    {
        result = null;
        if (entry.Id.Length is 0 or > 255)
        {
            problem = "an entry has no ID, or one of more than 255 characters";
            return false;
        }

        if (!TryReadId(entry.SpiffeId, out var id, out problem) || !TryReadId(entry.ParentId, out var parent, out problem)) return false;
        if (entry.Selectors.Count == 0)
        {
            problem = $"the entry of {id} has no selectors";
            return false;
        }

        var federatesWith = ImmutableArray.CreateBuilder<TrustDomain>(entry.FederatesWith.Count);
        foreach (var name in entry.FederatesWith)
        {
            if (!TrustDomain.TryParse(name, out var other, out problem)) return false;
            federatesWith.Add(other);
        }

        result = new AuthorizedEntry
        {
            Id = entry.Id,
            Revision = entry.RevisionNumber,
            SpiffeId = id,
            Parent = parent,
            Selectors = [.. entry.Selectors.Select(s => $"{s.Type}:{s.Value}").Order(StringComparer.Ordinal)],
            FederatesWith = federatesWith.ToImmutable(),
            Hint = entry.Hint,
            // An operator's "never" may be any large number. What ended before 1970 has ended.
            ExpiresAt = entry.ExpiresAt == 0 ? 0 : Math.Clamp(entry.ExpiresAt, 1, LastSecond),
            CreatedAt = entry.CreatedAt,
            IsPrivileged = entry.Admin || entry.Downstream,
        };
        return true;
    }

    private static bool TryReadId(SPIFFEID? id, [NotNullWhen(true)] out SpiffeId? value, [NotNullWhen(false)] out string? problem) =>
        SpiffeId.TryParse($"spiffe://{id?.TrustDomain}{id?.Path}", out value, out problem);
}
