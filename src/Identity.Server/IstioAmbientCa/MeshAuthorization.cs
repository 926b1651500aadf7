using Spiffe.Net;

namespace Identity.Server.IstioAmbientCa;

/// <summary>Whose certificate a caller may have.</summary>
internal abstract record MeshAuthorization
{
    private MeshAuthorization() { }

    public sealed record Allowed(SpiffeId Id) : MeshAuthorization;

    /// <summary>The caller asked for something that can never be granted as it is written.</summary>
    public sealed record Malformed(string Reason) : MeshAuthorization;

    public sealed record Denied(string Reason) : MeshAuthorization;

    /// <param name="impersonated">What the request's metadata names; null when it names nobody.</param>
    public static MeshAuthorization Decide(KubernetesCaller caller, string? impersonated, NodePlacement placement, TrustDomain trustDomain)
    {
        // A waypoint, gateway or sidecar asks for itself.
        if (impersonated is null) return new Allowed(SpiffeId.FromSegments(trustDomain, "ns", caller.Namespace, "sa", caller.ServiceAccount));

        // 1. ztunnel accepts these five segments only, and a trust domain that is not ours is not ours to sign for.
        if (!SpiffeId.TryParse(impersonated, out var id, out var problem)) return new Malformed($"ImpersonatedIdentity: {problem}");
        if (!id.IsMemberOf(trustDomain)) return new Denied($"{id} is not in the trust domain {trustDomain}, which this CA signs for");
        if (id.Segments is not ["ns", var space, "sa", var account])
            return new Malformed($"ImpersonatedIdentity {id} is not of the form spiffe://{trustDomain}/ns/<namespace>/sa/<service account>");

        // 2. Only a node proxy asks for others, and only one whose pod we know.
        if (!placement.TrustedNodeAccounts.Contains($"{caller.Namespace}/{caller.ServiceAccount}", StringComparer.Ordinal))
            return new Denied($"{caller} may ask for itself only: {caller.Namespace}/{caller.ServiceAccount} is not in trustedNodeAccounts");
        if (placement.Find(caller) is not { } pod)
            return new Denied($"the pod of {caller} with the uid of its token is not in the placement, so its node is not known");
        if (caller.Node is { } node && node != pod.Node)
            return new Denied($"the token of {caller} was made for node {node}, but the placement has its pod on {pod.Node}");

        // 3. The property all of this is for: a node obtains the identities of the pods it runs, and no others.
        return placement.Runs(space, account, pod.Node)
            ? new Allowed(id)
            : new Denied($"no running pod of service account {space}/{account} is on node {pod.Node}, where {caller} asks from");
    }
}
