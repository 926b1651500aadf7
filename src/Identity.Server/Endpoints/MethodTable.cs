using System.Collections.Frozen;

namespace Identity.Server.Endpoints;

/// <summary>Who may call what. A method that is not here is refused to everyone.</summary>
internal static class MethodTable
{
    private const CallerKinds Admin = CallerKinds.Admin;
    private const CallerKinds Agent = CallerKinds.Agent;
    private const CallerKinds PolicyAuthors = CallerKinds.Admin | CallerKinds.PolicyAuthor;
    private const CallerKinds DecisionClients = CallerKinds.Admin | CallerKinds.DecisionClient;
    private const CallerKinds Anyone = CallerKinds.Admin | CallerKinds.Agent | CallerKinds.Anonymous | CallerKinds.PolicyAuthor | CallerKinds.DecisionClient;
    private const CallerKinds Everyone = Anyone | CallerKinds.MeshClient;

    private static readonly FrozenDictionary<string, CallerKinds> Rules = new Dictionary<string, CallerKinds>(StringComparer.Ordinal)
    {
        ["/spire.api.server.agent.v1.Agent/AttestAgent"] = CallerKinds.Anonymous | Agent,
        ["/spire.api.server.agent.v1.Agent/RenewAgent"] = Agent,
        ["/spire.api.server.agent.v1.Agent/PostStatus"] = Agent,
        ["/spire.api.server.agent.v1.Agent/CountAgents"] = Admin,
        ["/spire.api.server.agent.v1.Agent/ListAgents"] = Admin,
        ["/spire.api.server.agent.v1.Agent/GetAgent"] = Admin,
        ["/spire.api.server.agent.v1.Agent/DeleteAgent"] = Admin,
        ["/spire.api.server.agent.v1.Agent/BanAgent"] = Admin,
        ["/spire.api.server.agent.v1.Agent/CreateJoinToken"] = Admin,

        ["/spire.api.server.entry.v1.Entry/CountEntries"] = Admin,
        ["/spire.api.server.entry.v1.Entry/ListEntries"] = Admin,
        ["/spire.api.server.entry.v1.Entry/GetEntry"] = Admin,
        ["/spire.api.server.entry.v1.Entry/BatchCreateEntry"] = Admin,
        ["/spire.api.server.entry.v1.Entry/BatchUpdateEntry"] = Admin,
        ["/spire.api.server.entry.v1.Entry/BatchDeleteEntry"] = Admin,
        ["/spire.api.server.entry.v1.Entry/GetAuthorizedEntries"] = Agent,
        ["/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries"] = Agent,

        ["/spire.api.server.svid.v1.SVID/MintX509SVID"] = Admin,
        ["/spire.api.server.svid.v1.SVID/MintJWTSVID"] = Admin,
        ["/spire.api.server.svid.v1.SVID/MintWITSVID"] = Admin,
        ["/spire.api.server.svid.v1.SVID/BatchNewX509SVID"] = Agent,
        ["/spire.api.server.svid.v1.SVID/NewJWTSVID"] = Agent,
        ["/spire.api.server.svid.v1.SVID/BatchNewWITSVID"] = Agent,

        // A bundle holds public keys only, and a newcomer may need it.
        ["/spire.api.server.bundle.v1.Bundle/GetBundle"] = Anyone,
        ["/spire.api.server.bundle.v1.Bundle/CountBundles"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/AppendBundle"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/ListFederatedBundles"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/GetFederatedBundle"] = Admin | Agent,
        ["/spire.api.server.bundle.v1.Bundle/BatchCreateFederatedBundle"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/BatchUpdateFederatedBundle"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/BatchSetFederatedBundle"] = Admin,
        ["/spire.api.server.bundle.v1.Bundle/BatchDeleteFederatedBundle"] = Admin,

        ["/identity.v1.Sync/Subscribe"] = Agent,
        ["/identity.v1.WitSigning/NewWitSvid"] = Agent,
        // What each may change is the roles' to say: PolicyChanges.
        ["/identity.v1.PolicyAdmin/ApplyPolicies"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListPolicies"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/DeletePolicies"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListRevisions"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/GetPolicies"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/Rollback"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListRoles"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/Propose"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListProposals"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/Approve"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/Withdraw"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/DecideAt"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/DiffRevisions"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListShadowCounts"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/Stage"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ListStages"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/AbortStage"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ConfirmStage"] = PolicyAuthors,
        ["/identity.v1.PolicyAdmin/ForgetWorkloads"] = PolicyAuthors,
        ["/identity.v1.DecisionPoint/Decide"] = DecisionClients,
        ["/identity.v1.DecisionPoint/DecideBatch"] = DecisionClients,
        ["/identity.v1.DecisionPoint/Explain"] = DecisionClients,
        ["/identity.v1.Explain/GetDecision"] = PolicyAuthors,
        ["/identity.v1.Explain/ListDecisions"] = PolicyAuthors,
        ["/identity.v1.Revocation/SetCrl"] = Admin,
        ["/identity.v1.Revocation/ListCrls"] = Admin,
        ["/identity.v1.Control/GetStatus"] = Admin,
        ["/identity.v1.Control/GetNatsConfiguration"] = Admin,
        ["/identity.v1.Control/VerifyLedger"] = Admin,
        ["/identity.v1.Control/ListRunning"] = Admin,
        ["/identity.v1.Control/ListLetThrough"] = Admin,
        ["/identity.v1.Control/ListTransactions"] = Admin,

        ["/istio.v1.auth.IstioCertificateService/CreateCertificate"] = CallerKinds.MeshClient,

        ["/grpc.health.v1.Health/Check"] = Everyone,
        ["/grpc.health.v1.Health/List"] = Everyone,
        ["/grpc.health.v1.Health/Watch"] = Everyone,
        ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = Admin,
        ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = Admin,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <param name="method">As gRPC names it: <c>/package.Service/Method</c>.</param>
    public static CallerKinds Allowed(string method) => Rules.GetValueOrDefault(method, CallerKinds.None);

    public static bool Allows(string method, CallerKinds caller) => caller != CallerKinds.None && (Allowed(method) & caller) == caller;

    /// <summary>Every method that somebody may call.</summary>
    public static IReadOnlyCollection<string> Methods => Rules.Keys;
}
