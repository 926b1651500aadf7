using System.Security.Cryptography;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Server.IstioAmbientCa;

internal sealed class IstioCaBackend(SigningAuthority authority, ControlPlaneLedger ledger, DecisionLog decisions) : IIstioCaBackend
{
    public TrustDomain TrustDomain => authority.TrustDomain;

    public string Record(Decision decision) => decisions.Record(decision);

    public async Task<MeshSigning> SignAsync(
        SpiffeId id, SubjectPublicKey publicKey, TimeSpan lifetime, string requester, CancellationToken cancellation)
    {
        var request = new X509SigningRequest(id, publicKey, requester)
        {
            Lifetime = lifetime,

            // ztunnel renews at the exact middle, so a node's pods that began together would ask together for ever. A tenth less at most
            // keeps the middle of the shortest lifetime minutes away.
            Jitter = lifetime * (RandomNumberGenerator.GetInt32(1000) / 10_000.0),
            Kind = IssuanceRecord.Types.Kind.MeshCertificate,
        };
        return await authority.SignX509Async(request, cancellation) switch
        {
            X509Signing.Issued issued => new MeshSigning.Issued(issued.Svid, authority.Bundle(ledger.State).ToPem()),
            X509Signing.Refused refused => new MeshSigning.Refused(refused.Reason),
            _ => new MeshSigning.Refused("nothing was signed"),
        };
    }
}
