using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Who may ask for decisions over the network: who asks learns what policy says about everybody, so nobody may by default. Named by
/// SPIFFE ID, or by a prefix of whole segments: <c>spiffe://example.org/gateways/*</c>.
/// </summary>
internal sealed class DecisionClients
{
    private readonly HashSet<SpiffeId> _ids = [];
    private readonly List<SpiffeIdPrefix> _prefixes = [];

    private DecisionClients() { }

    public static DecisionClients None { get; } = new();

    public bool Contains(SpiffeId id) => _ids.Contains(id) || _prefixes.Any(prefix => prefix.Covers(id) && prefix.Text != id.ToString());

    public static bool TryParse(
        IReadOnlyList<string> names, [NotNullWhen(true)] out DecisionClients? clients, [NotNullWhen(false)] out string? problem)
    {
        clients = null;
        problem = null;
        var read = new DecisionClients();
        foreach (var name in names)
        {
            if (name.EndsWith("/*", StringComparison.Ordinal))
            {
                if (!SpiffeIdPrefix.TryParse(name[..^2], out var prefix, out problem)) return false;
                read._prefixes.Add(prefix);
            }
            else
            {
                if (!SpiffeId.TryParse(name, out var id, out problem)) return false;
                if (!id.HasPath)
                {
                    problem = $"{id} is a trust domain; name a workload in it, or {id}/* for every one";
                    return false;
                }

                read._ids.Add(id);
            }
        }

        clients = read;
        return true;
    }
}
