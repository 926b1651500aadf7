using System.Diagnostics.CodeAnalysis;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// How things of wasmCloud are named as SPIFFE IDs, so that policy can speak of them. A name that is no SPIFFE path segment has none, and
/// is refused: folding or escaping it would give two things one name.
/// </summary>
internal static class WasmCloudIdentity
{
    /// <summary><c>spiffe://&lt;td&gt;/wasmcloud/&lt;lattice&gt;/&lt;componentId&gt;</c> (v1).</summary>
    public static bool TryOfLatticeComponent(
        TrustDomain trustDomain, string lattice, string id, [NotNullWhen(true)] out SpiffeId? identity, [NotNullWhen(false)] out string? problem) =>
        TryJoin(trustDomain, out identity, out problem, "wasmcloud", lattice, id);

    /// <summary><c>spiffe://&lt;td&gt;/wasmcloud/&lt;lattice&gt;/provider/&lt;providerId&gt;</c> (v1). A host keeps the two apart: a provider, which runs
    /// outside of the sandbox, may have a component's id.</summary>
    public static bool TryOfLatticeProvider(
        TrustDomain trustDomain, string lattice, string id, [NotNullWhen(true)] out SpiffeId? identity, [NotNullWhen(false)] out string? problem) =>
        TryJoin(trustDomain, out identity, out problem, "wasmcloud", lattice, "provider", id);

    /// <summary><c>spiffe://&lt;td&gt;/ns/&lt;namespace&gt;/component/&lt;component&gt;</c> (v2). The workload's name is not in it: below a
    /// WorkloadDeployment it is made up anew for each replica.</summary>
    public static bool TryOfComponent(
        TrustDomain trustDomain, string @namespace, string component, [NotNullWhen(true)] out SpiffeId? identity, [NotNullWhen(false)] out string? problem) =>
        TryJoin(trustDomain, out identity, out problem, "ns", @namespace, "component", component);

    /// <summary><c>spiffe://&lt;td&gt;/ns/&lt;namespace&gt;/service</c> (v2): the service of a workload has no name of its own.</summary>
    public static bool TryOfService(
        TrustDomain trustDomain, string @namespace, [NotNullWhen(true)] out SpiffeId? identity, [NotNullWhen(false)] out string? problem) =>
        TryJoin(trustDomain, out identity, out problem, "ns", @namespace, "service");

    private static bool TryJoin(
        TrustDomain trustDomain, [NotNullWhen(true)] out SpiffeId? identity, [NotNullWhen(false)] out string? problem, params ReadOnlySpan<string> segments)
    {
        identity = null;
        foreach (var segment in segments)
        {
            // A slash would pass as two segments once they are joined.
            if (segment.Length is 0 or > 256 || segment.Contains('/', StringComparison.Ordinal))
            {
                problem = $"{Quote.From(segment)} cannot be part of a SPIFFE ID, so policy cannot name it; expected 1 to 256 of a-z, A-Z, 0-9, '.', '-' and '_'";
                return false;
            }
        }

        return SpiffeId.TryParse($"{trustDomain.Id}/{string.Join('/', segments)}", out identity, out problem);
    }
}
