// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

public sealed class WorkloadApiServiceTests
{
    private const string Node = "spiffe://example.org/nodes/local";

    [Fact]
    public async Task Hands_a_process_its_identity_and_pushes_entries_as_they_come_and_go()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid).Hint = "same";
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);

        var first = await call.ResponseStream.NextAsync();
        var only = Assert.Single(first.Svids);
        Assert.Equal("spiffe://example.org/a", only.SpiffeId);
        Assert.True(X509Svid.TryParse(only.X509Svid.Memory, only.X509SvidKey.Memory, "", out var svid, out var problem), problem);
        Assert.Equal(plane.Bundle.ToX509Der(), only.Bundle.ToByteArray());
        Assert.IsType<X509SvidVerification.Verified>(
            X509SvidVerifier.Verify([svid.Leaf.RawDataMemory], new TrustBundleSet(plane.Bundle), plane.Time.GetUtcNow()));

        // WLAPI-07, -17, -34: the whole set, unique hints, and the default stays the default.
        plane.Entry("e0", "spiffe://example.org/b", Node, OwnUid).Hint = "same";
        plane.Push();
        var both = await call.ResponseStream.NextAsync();
        Assert.Equal(["spiffe://example.org/a", "spiffe://example.org/b"], both.Svids.Select(s => s.SpiffeId));
        Assert.Equal(["same", ""], both.Svids.Select(s => s.Hint));

        plane.Entries.Clear();
        plane.Push();
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => call.ResponseStream.NextAsync());
        Assert.Contains("decision d-", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_process_without_an_entry_and_tells_the_server_what_was_nearest()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid, "unix:path:/somewhere/else");
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);

        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => call.ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => agent.Workload.FetchX509Bundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => agent.Workload.FetchJWTBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(
            StatusCode.PermissionDenied, () => agent.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" } }, WorkloadHeader).ResponseAsync);

        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Contains(told.Id, refused.Status.Detail, StringComparison.Ordinal);
        Assert.False(told.Allowed);
        var reason = Assert.Single(told.Reasons);
        Assert.Contains("also asks for unix:path:/somewhere/else", reason.Explanation, StringComparison.Ordinal);
        Assert.Contains("kind: RegistrationEntry", reason.SmallestGrant, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("false")]
    [InlineData("True")]
    public async Task Refuses_a_call_without_the_security_header(string? value)
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        var headers = value is null ? new Metadata() : new Metadata { { "workload.spiffe.io", value } };

        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.FetchX509SVID(new(), headers).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, headers).ResponseAsync);
    }

    [Fact]
    public async Task Issues_and_validates_tokens_and_refuses_what_is_missing_or_not_the_callers()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid);
        plane.Entry("e2", "spiffe://example.org/b", Node, OwnUid);
        plane.Entry("e3", "spiffe://example.org/other", Node, "unix:uid:4294967294");
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        var api = agent.Workload;

        var all = await api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" } }, WorkloadHeader);
        Assert.Equal(["spiffe://example.org/a", "spiffe://example.org/b"], all.Svids.Select(s => s.SpiffeId));
        var one = await api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" }, SpiffeId = "spiffe://example.org/b" }, WorkloadHeader);
        Assert.Equal(all.Svids[1].Svid, Assert.Single(one.Svids).Svid); // Held, not asked for again.
        Assert.Equal(2, plane.JwtRequests);

        var valid = await api.ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest { Audience = "x", Svid = one.Svids[0].Svid }, WorkloadHeader);
        Assert.Equal("spiffe://example.org/b", valid.SpiffeId);
        Assert.Equal("spiffe://example.org/b", valid.Claims.Fields["sub"].StringValue);

        await RefusedAsync(StatusCode.InvalidArgument, () => api.FetchJWTSVIDAsync(new(), WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => api.FetchJWTSVIDAsync(new() { Audience = { "" } }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => api.FetchJWTSVIDAsync(new() { Audience = { "x" }, SpiffeId = "b" }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(
            StatusCode.PermissionDenied, () => api.FetchJWTSVIDAsync(new() { Audience = { "x" }, SpiffeId = "spiffe://example.org/other" }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => api.ValidateJWTSVIDAsync(new() { Audience = "y", Svid = one.Svids[0].Svid }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => api.ValidateJWTSVIDAsync(new() { Audience = "x" }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => api.ValidateJWTSVIDAsync(new() { Svid = "a.b.c", Audience = "x" }, WorkloadHeader).ResponseAsync);
    }

    [Fact]
    public async Task Answers_bundles_keyed_by_trust_domain_and_leaves_the_wit_profile_out()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);

        using var x509 = agent.Workload.FetchX509Bundles(new(), WorkloadHeader);
        Assert.Equal(plane.Bundle.ToX509Der(), (await x509.ResponseStream.NextAsync()).Bundles["spiffe://example.org"].ToByteArray());
        using var jwt = agent.Workload.FetchJWTBundles(new(), WorkloadHeader);
        Assert.Equal(plane.Bundle.ToJwtJson(), (await jwt.ResponseStream.NextAsync()).Bundles["spiffe://example.org"].ToByteArray());

        await RefusedAsync(StatusCode.Unimplemented, () => agent.Workload.FetchWITSVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unimplemented, () => agent.Workload.FetchWITBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
    }

    [Fact]
    public async Task Serves_nothing_of_the_broker_on_the_workload_socket()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        var channel = agent.WorkloadChannel();

        await RefusedAsync(StatusCode.Unimplemented, () => new V1.Explain.ExplainClient(channel).GetDecisionAsync(new(), BrokerHeader).ResponseAsync);
        await RefusedAsync(StatusCode.Unimplemented, () => new global::Spiffe.Broker.API.APIClient(channel).FetchJWTSVIDAsync(new(), BrokerHeader).ResponseAsync);
        var health = await new Grpc.Health.V1.Health.HealthClient(channel).CheckAsync(new());
        Assert.Equal(Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving, health.Status);
    }

    [Fact]
    public void The_workload_socket_is_open_to_all_and_its_folder_only_to_its_owner_for_writing()
    {
        var folder = RunningAgent.NewFolder();
        var path = Path.Combine(folder, "run", "w.sock");
        using var socket = Identity.Agent.Endpoints.UnixListener.Bind(new(path), Identity.Agent.Endpoints.UnixListener.Everyone);
        Assert.Equal("777", ModeOf(path));
        Assert.Equal("755", ModeOf(Path.GetDirectoryName(path)!));
    }
}
