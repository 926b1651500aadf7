using Spiffe.Net;

namespace Identity.Server.Registration;

/// <summary>Below <c>/spire/</c> are the server and its agents; no entry may name one of them as its own identity.</summary>
internal static class ReservedPaths
{
    public static SpiffeId Server(TrustDomain trustDomain) => SpiffeId.FromSegments(trustDomain, "spire", "server");

    public static bool Contains(SpiffeId id) => id.Segments is ["spire", ..];

    public static bool IsAgent(SpiffeId id) => id.Segments is ["spire", "agent", _, ..];
}
