// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Spiffe.Broker;
using Spiffe.Net;
using static Identity.Tests.Agent.AdmissionCalls;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;
using static Identity.V1.AdmitResponse;

namespace Identity.Tests.Agent;

/// <summary>What an admission gives a component by its host: an identity, tokens for granted audiences, and reasons.</summary>
public sealed class AdmittedComponentTests
{
    private readonly WatchedClock _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Gives_an_admitted_component_its_identity_and_nobody_else()
    {
        await using var node = await AdmittingNode.StartAsync(_time, plane =>
        {
            plane.Entry("host2", "spiffe://example.org/hosts/other", "spiffe://example.org/nodes/local", OwnUid);
            plane.Policies.Add(Grant(Messaging) + "      - audience: x\n");
        });
        var (plane, agent) = node;
        using var call = await node.AdmitAsync(Component(Messaging));
        var id = (await call.ResponseStream.NextAsync()).Admitted.AdmissionId;
        var broker = new API.APIClient(agent.BrokerChannel(plane.SvidOf(Host)));
        var reference = new WorkloadReference { Reference = Any.Pack(new V1.AdmissionReference { AdmissionId = id }) };

        var token = Assert.Single((await broker.FetchJWTSVIDAsync(new() { Reference = reference, Audience = { "x" } }, BrokerHeader)).Svids);
        Assert.Equal(Greeter, token.SpiffeId);
        using var svids = broker.SubscribeToX509SVID(new() { Reference = reference }, BrokerHeader);
        Assert.Equal(Greeter, Assert.Single((await svids.ResponseStream.NextAsync()).Svids).SpiffeId);

        await RefusedAsync(StatusCode.InvalidArgument, () => broker.FetchJWTSVIDAsync(new() { Reference = reference, Audience = { "x" } }).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => broker.FetchJWTSVIDAsync(new() { Reference = reference }, BrokerHeader).ResponseAsync);
        await RefusedWithReasonAsync(StatusCode.InvalidArgument, "WORKLOAD_REFERENCE_INVALID", () => broker.FetchJWTSVIDAsync(new() { Audience = { "x" } }, BrokerHeader).ResponseAsync);
        var pid = new WorkloadReference { Reference = Any.Pack(new WorkloadPIDReference { Pid = 1 }) };
        await RefusedWithReasonAsync(
            StatusCode.InvalidArgument, "WORKLOAD_REFERENCE_INVALID", () => broker.FetchJWTSVIDAsync(new() { Reference = pid, Audience = { "x" } }, BrokerHeader).ResponseAsync);
        await RefusedWithReasonAsync(StatusCode.PermissionDenied, "WORKLOAD_NOT_ENTITLED", () => broker.FetchJWTSVIDAsync(
            new() { Reference = reference, Audience = { "x" }, SpiffeId = Host.ToString() }, BrokerHeader).ResponseAsync);
        var other = new API.APIClient(agent.BrokerChannel(plane.SvidOf(SpiffeId.Parse("spiffe://example.org/hosts/other"))));
        await RefusedWithReasonAsync(
            StatusCode.NotFound, "WORKLOAD_NOT_FOUND", () => other.FetchJWTSVIDAsync(new() { Reference = reference, Audience = { "x" } }, BrokerHeader).ResponseAsync);

        plane.Policies.Clear();
        plane.Push();
        await RefusedWithReasonAsync(StatusCode.NotFound, "WORKLOAD_NOT_FOUND", () => svids.ResponseStream.NextAsync());
    }

    [Fact]
    public async Task Tells_a_host_why_about_its_own_decisions_only()
    {
        await using var node = await AdmittingNode.StartAsync(_time, plane => plane.Entry("host2", "spiffe://example.org/hosts/other", "spiffe://example.org/nodes/local", OwnUid));
        var (plane, agent) = node;
        using var call = await node.AdmitAsync(Component(Messaging));
        var denied = (await call.ResponseStream.NextAsync()).Denied;

        var own = new V1.Explain.ExplainClient(agent.BrokerChannel(plane.SvidOf(Host)));
        Assert.Equal(denied, await own.GetDecisionAsync(new() { Id = denied.Id }, BrokerHeader));
        Assert.Single((await own.ListDecisionsAsync(new() { DeniedOnly = true }, BrokerHeader)).Decisions);
        await RefusedAsync(StatusCode.InvalidArgument, () => own.GetDecisionAsync(new() { Id = "x" }, BrokerHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => own.ListDecisionsAsync(new() { Limit = -1 }, BrokerHeader).ResponseAsync);
        var other = new V1.Explain.ExplainClient(agent.BrokerChannel(plane.SvidOf(SpiffeId.Parse("spiffe://example.org/hosts/other"))));
        await RefusedAsync(StatusCode.NotFound, () => other.GetDecisionAsync(new() { Id = denied.Id }, BrokerHeader).ResponseAsync);
    }

    [Fact]
    public async Task Gives_a_component_tokens_for_granted_audiences_only_and_says_why_not()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging) + "      - audience: https://vault.example.com\n");
        var (plane, agent) = node;
        using var call = await node.AdmitAsync(Component(Messaging));
        var id = (await call.ResponseStream.NextAsync()).Admitted.AdmissionId;
        var broker = new API.APIClient(agent.BrokerChannel(plane.SvidOf(Host)));
        var reference = new WorkloadReference { Reference = Any.Pack(new V1.AdmissionReference { AdmissionId = id }) };
        Task<FetchJWTSVIDResponse> FetchAsync(params string[] audience) =>
            broker.FetchJWTSVIDAsync(new() { Reference = reference, Audience = { audience } }, BrokerHeader).ResponseAsync;

        Assert.Single((await FetchAsync("https://vault.example.com")).Svids);
        await RefusedWithReasonAsync(StatusCode.PermissionDenied, "WORKLOAD_NOT_ENTITLED", () => FetchAsync("https://vault.example.com/"));
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("https://vault.example.com", "https://bank.example.com"));
        var decision = await new V1.Explain.ExplainClient(agent.BrokerChannel(plane.SvidOf(Host)))
            .GetDecisionAsync(new() { Id = refused.Status.Detail.Split(' ')[1].TrimEnd(':') }, BrokerHeader);
        Assert.Contains("https://bank.example.com", decision.Summary, StringComparison.Ordinal);
        Assert.Contains("audience: https://bank.example.com", decision.Reasons[0].SmallestGrant, StringComparison.Ordinal);

        // Asked again, it is the same decision; a guest that asks in a loop fills no log.
        Assert.Equal(refused.Status.Detail, (await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("https://bank.example.com"))).Status.Detail);
        await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("two words"));

        // The audience that logs in to NATS goes with a right on NATS.
        await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("spiffe://example.org/nats"));
        plane.Policies[0] += "      - natsPublish: greetings.hello\n";
        plane.Push();
        Assert.Equal(EventOneofCase.Ended, (await call.ResponseStream.NextAsync()).EventCase);
        reference.Reference = Any.Pack(new V1.AdmissionReference { AdmissionId = (await call.ResponseStream.NextAsync()).Admitted.AdmissionId });
        var login = Assert.Single((await FetchAsync("spiffe://example.org/nats")).Svids);

        // Which of the components of one identity logs in, the agent says, and nobody else.
        var own = $"spiffe://example.org/nats/admission/{reference.Reference.Unpack<V1.AdmissionReference>().AdmissionId}";
        Assert.True(JwtSvid.TryParseUnverified(login.Svid, out var token, out _));
        Assert.Equal(["spiffe://example.org/nats", own], token.Audience);
        await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("spiffe://example.org/nats", own));
        await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("spiffe://example.org/nats/admission/other"));

        // The smallest grant does what it says; the admission goes on under it.
        plane.Policies.Add(decision.Reasons[0].SmallestGrant);
        plane.Push();
        await agent.FollowsAsync(plane);
        Assert.Single((await FetchAsync("https://bank.example.com")).Svids);
    }

    private static async Task RefusedWithReasonAsync(StatusCode status, string reason, Func<Task> call)
    {
        var refused = await RefusedAsync(status, call);
        var details = refused.Trailers.GetValueBytes("grpc-status-details-bin");
        Assert.NotNull(details);
        var text = Encoding.UTF8.GetString(details);
        Assert.Contains(reason, text, StringComparison.Ordinal);
        Assert.Contains("spiffe.io", text, StringComparison.Ordinal);
    }
}
