using Identity.Issuance;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Server.IstioAmbientCa;

/// <summary>What this room asks of the rest of the control plane.</summary>
internal interface IIstioCaBackend
{
    TrustDomain TrustDomain { get; }

    /// <summary>Keeps the decision for `identity why` and gives it its id.</summary>
    string Record(Decision decision);

    /// <summary>Records the intent, signs, and returns the chain with the roots in force.</summary>
    Task<MeshSigning> SignAsync(SpiffeId id, SubjectPublicKey publicKey, TimeSpan lifetime, string requester, CancellationToken cancellation);
}

internal abstract record MeshSigning
{
    private MeshSigning() { }

    /// <param name="RootsPem">Every root in force, PEM, never empty: ztunnel learns its trust from it and from nowhere else.</param>
    public sealed record Issued(IssuedX509Svid Svid, string RootsPem) : MeshSigning;

    public sealed record Refused(string Reason) : MeshSigning;
}
