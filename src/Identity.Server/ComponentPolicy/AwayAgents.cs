using System.Globalization;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Agents of which nobody here knows what they run, and that may still run components: a node goes on with what it was told for as long as that is fresh,
/// also when it is cut off and when the server starts anew.
/// </summary>
/// <param name="Ids">Some of them; the one to wait longest for first.</param>
/// <param name="Until">Whatever they were told is stale then.</param>
internal sealed record AwayAgents(IReadOnlyList<SpiffeId> Ids, DateTimeOffset Until)
{
    private const int MaxNamed = 3;

    /// <summary>As an end of a sentence.</summary>
    public string Text => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Ids.Count == 1 ? "an agent that is" : "agents that are")} away and may run components ({string.Join(", ", Ids.Take(MaxNamed))}{(Ids.Count > MaxNamed ? " and others" : "")}), until {Until:u} at the latest");

    /// <param name="started">Nothing was told to anybody between the end of an earlier server and this.</param>
    /// <returns>Null when there is none.</returns>
    public static AwayAgents? Find(ControlPlaneState state, LiveAdmissions live, DateTimeOffset started, DateTimeOffset now)
    {
        var silent = new List<(SpiffeId Id, DateTimeOffset Until)>();
        foreach (var (text, agent) in state.Agents)
        {
            if (agent.Banned || !SpiffeId.TryParse(text, out var id, out _) || live.Knows(id, out var lastSeen)) continue;
            var told = lastSeen ?? started;
            // Its stream ended with its SVID, if not before.
            if (agent.SvidExpiresAt?.ToDateTimeOffset() is { } expired && expired < told) told = expired;
            var until = told + SnapshotComposer.Freshness;
            if (until > now) silent.Add((id, until));
        }

        // After a start that is everybody, so no more are looked below than are named.
        var away = silent.OrderByDescending(one => one.Until).ThenBy(one => one.Id.ToString(), StringComparer.Ordinal)
            .Where(one => AuthorizedEntries.For(state, one.Id, now).Any(entry => entry.Selectors.Any(selector => selector.Type == "wasm"))).Take(MaxNamed + 1).ToList();
        return away.Count == 0 ? null : new AwayAgents(away.ConvertAll(one => one.Id), away[0].Until);
    }
}
