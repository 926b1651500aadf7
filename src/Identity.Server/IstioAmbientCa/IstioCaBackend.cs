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
        var request = new X509SigningRequest(id, publicKey, requester) { Lifetime = lifetime, Kind = IssuanceRecord.Types.Kind.MeshCertificate };
        return await authority.SignX509Async(request, cancellation) switch
        {
            X509Signing.Issued issued => new MeshSigning.Issued(issued.Svid, authority.Bundle(ledger.State).ToPem()),
            X509Signing.Refused refused => new MeshSigning.Refused(refused.Reason),
            _ => new MeshSigning.Refused("nothing was signed"),
        };
    }
}
