using Identity.Policy;
using Identity.Server.DecisionPoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using static Spire.Api.Types.PermissionDeniedDetails.Types;

namespace Identity.Server.Endpoints;

/// <summary>Tells who is calling, from the connection and the current state.</summary>
internal sealed class CallerIdentification(ControlPlaneLedger ledger, DecisionClients decisionClients, TimeProvider time)
{
    public Caller Identify(HttpContext call) => call.Features.Get<ListenerFeature>()?.Kind switch
    {
        ListenerKind.Admin when call.Features.Get<PeerCredentials>() is { } peer => IdentifyUser(peer.Uid),
        ListenerKind.Mesh => new Caller.MeshClient(),
        ListenerKind.Grpc => IdentifyClient(call.Features.Get<ClientCertificate>()),
        _ => new Caller.Anonymous("the connection came on no listener of ours"),
    };

    // Asked anew on each call: who was named when the connection began may be named no more.
    private Caller IdentifyUser(uint uid) =>
        AdminSocket.IsAdmin(uid) ? new Caller.Admin(uid)
        : ledger.State.Governance.Roles.Names(PolicyPerson.Of(uid)) ? new Caller.PolicyAuthor(PolicyPerson.Of(uid))
        : new Caller.Anonymous($"no PolicyRole names unix:{uid}");

    private Caller IdentifyClient(ClientCertificate? certificate) => certificate?.Verification switch
    {
        null => new Caller.Anonymous(),
        X509SvidVerification.Verified verified => IdentifyAgent(verified),
        X509SvidVerification.Refused refused => new Caller.Anonymous(refused.Reason),
        _ => new Caller.Anonymous("the client certificate was not verified"),
    };

    private Caller IdentifyAgent(X509SvidVerification.Verified verified)
    {
        var id = verified.Id.ToString();
        var serial = verified.SerialNumber.ToLowerInvariant();
        // A ban is told first: an agent that is only told that it is expired holds its clock, or ours, for wrong.
        var isKnown = ledger.State.Agents.TryGetValue(id, out var agent);
        if (agent is { Banned: true })
        {
            return new Caller.Anonymous($"the agent {id} is banned", Reason.AgentBanned, verified.Id, serial);
        }
        if (verified.TrustedUntil <= time.GetUtcNow())
        {
            return new Caller.Anonymous($"the SVID of {id}, or an authority above it, expired at {verified.TrustedUntil:O} while the connection was open", Reason.AgentExpired, verified.Id, serial);
        }
        if (!isKnown)
        {
            return ReservedPaths.Contains(verified.Id) ? NotAnAgent()
                : ledger.State.Governance.Roles.Names(PolicyPerson.Of(verified.Id)) ? new Caller.PolicyAuthor(PolicyPerson.Of(verified.Id))
                : decisionClients.Contains(verified.Id) ? new Caller.DecisionClient(verified.Id)
                : NotAnAgent();

            Caller NotAnAgent() => new Caller.Anonymous($"{id} is not an attested agent", Reason.AgentNotAttested, verified.Id, serial);
        }
        return serial == agent!.Serial || (serial == agent.PreviousSerial && serial.Length > 0)
            ? new Caller.Agent(verified.Id, serial)
            : new Caller.Anonymous($"the agent {id} called with an SVID that was renewed long ago", Reason.AgentNotActive, verified.Id, serial);
    }
}
