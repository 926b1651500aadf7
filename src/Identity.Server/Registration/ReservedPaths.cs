using Spiffe.Net;

namespace Identity.Server.Registration;

/// <summary>
/// Identities the control plane itself rests on; no entry may name one of them. Below <c>/spire/</c> are the server and its agents;
/// NATS lets <c>/identityd</c> into its system account, and logins travel to whoever shows the certificate of <c>/nats-server</c>.
/// </summary>
internal static class ReservedPaths
{
    public const string Explanation = "/identityd, /nats-server and everything below /spire/ belong to the control plane";

    public static SpiffeId Server(TrustDomain trustDomain) => SpiffeId.FromSegments(trustDomain, "spire", "server");

    public static SpiffeId Identityd(TrustDomain trustDomain) => SpiffeId.FromSegments(trustDomain, "identityd");

    public static SpiffeId NatsServer(TrustDomain trustDomain) => SpiffeId.FromSegments(trustDomain, "nats-server");

    public static bool Contains(SpiffeId id) => id.Segments is ["spire", ..] or ["identityd"] or ["nats-server"];

    /// <summary>An operator may have a certificate for nats-server and nothing else of these: the rest only this process gives, to itself and to attested nodes.</summary>
    public static bool ForbidsMintingX509(SpiffeId id) => Contains(id) && id.Segments is not ["nats-server"];

    public static bool IsAgent(SpiffeId id) => id.Segments is ["spire", "agent", _, ..];
}
