using System.Diagnostics.CodeAnalysis;
using Identity.Server.Ledger;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>SPIFFE IDs as the SPIRE API spells them: trust domain and path apart.</summary>
internal static class WireSpiffeId
{
    extension(SpiffeId id)
    {
        public SPIFFEID ToWire() => new() { TrustDomain = id.TrustDomain.Name, Path = id.Path };
    }

    extension(SPIFFEID wire)
    {
        public string ToText() => ControlPlaneState.Text(wire);
    }

    /// <param name="wire">Foreign; null when the field was left out.</param>
    /// <param name="name">What the caller knows the field as.</param>
    public static bool TryParse(
        SPIFFEID? wire, string name, TrustDomain trustDomain, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        id = null;
        if (wire is null)
        {
            problem = $"{name} is missing; expected a SPIFFE ID such as spiffe://{trustDomain}/hosts/local";
            return false;
        }

        // SPIFFE-ID §2.1: the trust domain is one part; a slash in it would move the border between the two.
        if (wire.TrustDomain.Contains('/', StringComparison.Ordinal))
        {
            problem = $"{name}: the trust domain contains a slash";
            return false;
        }

        if (!SpiffeId.TryParse(wire.ToText(), out id, out problem))
        {
            problem = $"{name}: {problem}";
            return false;
        }

        if (!id.IsMemberOf(trustDomain))
        {
            problem = $"{name} {id} is not in this trust domain; expected spiffe://{trustDomain}/…";
            id = null;
            return false;
        }

        if (!id.HasPath)
        {
            problem = $"{name} {id} has no path; expected spiffe://{trustDomain}/…";
            id = null;
            return false;
        }

        return true;
    }
}
