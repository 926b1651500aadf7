using Google.Protobuf.Reflection;
using Identity.Server.Endpoints;
using Xunit;

namespace Identity.Tests.Server.Endpoints;

public sealed class MethodTableTests
{
    private static readonly string[] ForAnyone = ["/spire.api.server.bundle.v1.Bundle/GetBundle"];

    private static readonly string[] ForStrangers = [.. ForAnyone, "/spire.api.server.agent.v1.Agent/AttestAgent"];

    private static readonly string[] ForAgents =
    [
        .. ForStrangers,
        "/spire.api.server.agent.v1.Agent/RenewAgent",
        "/spire.api.server.agent.v1.Agent/PostStatus",
        "/spire.api.server.entry.v1.Entry/GetAuthorizedEntries",
        "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries",
        "/spire.api.server.svid.v1.SVID/BatchNewX509SVID",
        "/spire.api.server.svid.v1.SVID/BatchNewWITSVID",
        "/spire.api.server.svid.v1.SVID/NewJWTSVID",
        "/spire.api.server.bundle.v1.Bundle/GetFederatedBundle",
        "/identity.v1.Sync/Subscribe",
        "/identity.v1.WitSigning/NewWitSvid",
    ];

    private static readonly string[] ForTheMesh = ["/istio.v1.auth.IstioCertificateService/CreateCertificate"];

    /// <summary>Every method of every service this repository has a contract for.</summary>
    internal static readonly IReadOnlyList<string> Everything =
    [
        .. new[]
        {
            Spire.Api.Server.Agent.V1.AgentReflection.Descriptor,
            Spire.Api.Server.Entry.V1.EntryReflection.Descriptor,
            Spire.Api.Server.Svid.V1.SvidReflection.Descriptor,
            Spire.Api.Server.Bundle.V1.BundleReflection.Descriptor,
            Identity.V1.SyncReflection.Descriptor,
            Identity.V1.WitSigningReflection.Descriptor,
            Identity.V1.PolicyReflection.Descriptor,
            Identity.V1.ExplainReflection.Descriptor,
            Identity.V1.DecisionPointReflection.Descriptor,
            Identity.V1.ControlReflection.Descriptor,
            Identity.V1.AdmissionReflection.Descriptor,
            Istio.V1.Auth.IstioCertificateService.Descriptor.File,
        }.SelectMany(file => file.Services).SelectMany(Methods),
    ];

    [Fact]
    public void Refuses_to_strangers_all_but_attestation_and_the_bundle() => AllowsExactly(CallerKinds.Anonymous, ForStrangers);

    [Fact]
    public void Refuses_to_agents_all_that_is_for_operators() => AllowsExactly(CallerKinds.Agent, ForAgents);

    [Fact]
    public void Refuses_to_the_mesh_all_but_its_certificate() => AllowsExactly(CallerKinds.MeshClient, ForTheMesh);

    [Fact]
    public void Refuses_to_authors_of_policies_all_but_policy_and_explanations() => AllowsExactly(
        CallerKinds.PolicyAuthor,
        [.. ForAnyone, .. Everything.Where(method => method.StartsWith("/identity.v1.PolicyAdmin/", StringComparison.Ordinal) || method.StartsWith("/identity.v1.Explain/", StringComparison.Ordinal))]);

    [Fact]
    public void Refuses_to_decision_clients_all_but_decisions() => AllowsExactly(
        CallerKinds.DecisionClient,
        [.. ForAnyone, .. Everything.Where(method => method.StartsWith("/identity.v1.DecisionPoint/", StringComparison.Ordinal))]);

    [Fact]
    public void Refuses_to_operators_what_only_an_agent_can_mean()
    {
        var agentsOnly = ForAgents.Except(ForAnyone).Except(["/spire.api.server.bundle.v1.Bundle/GetFederatedBundle"]);
        Assert.All(agentsOnly.Concat(ForTheMesh), method => Assert.False(MethodTable.Allows(method, CallerKinds.Admin), method));
    }

    [Fact]
    public void Refuses_everything_to_a_caller_of_no_kind() =>
        Assert.All(Everything, method => Assert.False(MethodTable.Allows(method, CallerKinds.None), method));

    [Fact]
    public void Refuses_to_be_asked_about_two_kinds_at_once_unless_both_may() =>
        Assert.False(MethodTable.Allows("/spire.api.server.svid.v1.SVID/MintJWTSVID", CallerKinds.Admin | CallerKinds.Anonymous));

    [Theory]
    [InlineData("")]
    [InlineData("/identity.v1.Control/NoSuchMethod")]
    [InlineData("/IDENTITY.v1.Control/GetStatus")]
    [InlineData("identity.v1.Control/GetStatus")]
    [InlineData("/identity.v1.Admission/Admit")]
    public void Refuses_a_method_it_does_not_name(string method) => Assert.Equal(CallerKinds.None, MethodTable.Allowed(method));

    private static void AllowsExactly(CallerKinds kind, string[] expected) =>
        Assert.Equal(expected.Order(StringComparer.Ordinal), Everything.Where(method => MethodTable.Allows(method, kind)).Order(StringComparer.Ordinal));

    private static IEnumerable<string> Methods(ServiceDescriptor service) => service.Methods.Select(method => $"/{service.FullName}/{method.Name}");
}
