// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Someone who changes policies, as a client of the running server.</summary>
internal sealed class PolicyWriter(CallInvoker invoker)
{
    public PolicyAdmin.PolicyAdminClient Client { get; } = new(invoker);

    public async Task<ApplyPoliciesResponse> ApplyAsync(params string[] documents) => await Client.ApplyPoliciesAsync(Request(documents));

    public async Task<ApplyPoliciesResponse> DeleteAsync(params string[] names) => await Client.DeletePoliciesAsync(new() { Names = { names } });

    public async Task<Proposal> ProposeAsync(params string[] documents)
    {
        var request = new ProposeRequest { Reason = "a test" };
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        return await Client.ProposeAsync(request);
    }

    public async Task<ApproveResponse> ApproveAsync(Proposal proposal) => await Client.ApproveAsync(new() { Id = proposal.Id, Hash = proposal.Hash });

    public async Task<Proposal> FindAsync(string id) => (await Client.ListProposalsAsync(new() { Id = id })).Proposals.Single();

    public static ApplyPoliciesRequest Request(params string[] documents)
    {
        var request = new ApplyPoliciesRequest { Reason = "a test" };
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        return request;
    }
}

/// <summary>Documents as short as tests need them.</summary>
internal static class TestPolicies
{
    public const string Shop = "spiffe://example.org/components/shop";

    public static string Permit(string name, string subject = $"{{ spiffeIdPrefix: {Shop} }}", string capability = "start", string effect = "permit") =>
        $$"""
        kind: CapabilityPolicy
        name: {{name}}
        rules:
          - { name: only, effect: {{effect}}, subjects: [{{subject}}], capabilities: [{{capability}}] }
        """;

    public static string Forbid(string name, string subject = $"{{ spiffeIdPrefix: {Shop} }}", string capability = "start") => Permit(name, subject, capability, "forbid");

    public static string Role(string name, string members, string policies = "[shop, shop.*]", string subjects = $"[{{ spiffeIdPrefix: {Shop} }}]", int approvals = 0) =>
        $$"""
        kind: PolicyRole
        name: {{name}}
        members: [{{members}}]
        policies: {{policies}}
        subjects: {{subjects}}
        approvals: {{approvals}}
        """;
}
