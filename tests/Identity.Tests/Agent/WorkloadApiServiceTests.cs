// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

public sealed class WorkloadApiServiceTests
{
    [Fact]
    public async Task A_process_gets_tokens_for_any_audience_that_no_rule_forbids_it()
    {
        await using var node = await OneNode.StartAsync("/a", "/b");
        var (plane, agent) = node;
        var api = node.Workload;
        Assert.Equal(2, (await api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank" } }, WorkloadHeader)).Svids.Count);

        plane.Policies.Add("kind: CapabilityPolicy\nname: no-bank\nrules:\n  - name: no-bank\n    effect: forbid\n    subjects:\n      - spiffeId: spiffe://example.org/b\n    capabilities:\n      - audience: bank\n");
        plane.Push();
        await agent.FollowsAsync(plane);
        Assert.Single((await api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank" } }, WorkloadHeader)).Svids);
        var forbidden = await RefusedAsync(
            StatusCode.PermissionDenied, () => api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank" }, SpiffeId = "spiffe://example.org/b" }, WorkloadHeader).ResponseAsync);
        Assert.Contains("decision d-", forbidden.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("no-bank/no-bank", forbidden.Status.Detail, StringComparison.Ordinal);
        Assert.Single((await api.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" }, SpiffeId = "spiffe://example.org/b" }, WorkloadHeader)).Svids);
    }

    [Fact]
    public async Task An_agent_that_refuses_a_snapshot_asks_for_another_by_itself()
    {
        await using var node = await OneNode.StartAsync("/a");
        var (plane, agent) = node;
        plane.Entry("e2", "spiffe://example.org/b", OneNode.Id, OwnUid);
        plane.SpoilNext(snapshot => snapshot.Bundle.TrustDomain = "other.test");
        plane.Push();
        await agent.FollowsAsync(plane);
        Assert.Equal(2, (await node.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" } }, WorkloadHeader)).Svids.Count);
    }

    [Theory]
    [InlineData("spiffe://example.org/nats/admission/0197b3c0-0000-7000-8000-000000000000")]
    [InlineData("spiffe://example.org/nats/admission/x")]
    public async Task A_process_gets_no_token_that_would_make_it_an_admitted_component_for_NATS(string audience)
    {
        await using var node = await OneNode.StartAsync("/a");
        foreach (var audiences in (string[][])[[audience], ["spiffe://example.org/nats", audience]])
        {
            var refused = await RefusedAsync(
                StatusCode.PermissionDenied, () => node.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { audiences } }, WorkloadHeader).ResponseAsync);
            Assert.Contains("is for the component that was admitted", refused.Status.Detail, StringComparison.Ordinal);
        }

        Assert.Single((await node.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "spiffe://example.org/nats" } }, WorkloadHeader)).Svids);
    }

    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-13")]
    [Trait("rule", "WLAPI-14")]
    [Trait("rule", "WLAPI-16")]
    [Trait("rule", "WLAPI-17")]
    [Trait("rule", "WLAPI-20")]
    [Trait("rule", "WLAPI-34")]
    public async Task Hands_a_process_its_identity_and_pushes_entries_as_they_come_and_go()
    {
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid).Hint = "same");
        var plane = node.Plane;
        using var call = node.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);

        var first = await call.ResponseStream.NextAsync();
        var only = Assert.Single(first.Svids);
        Assert.Equal("spiffe://example.org/a", only.SpiffeId);
        Assert.True(X509Svid.TryParse(only.X509Svid.Memory, only.X509SvidKey.Memory, "", out var svid, out var problem), problem);
        Assert.Equal(plane.Bundle.ToX509Der(), only.Bundle.ToByteArray());
        Assert.IsType<X509SvidVerification.Verified>(
            X509SvidVerifier.Verify([svid.Leaf.RawDataMemory], new TrustBundleSet(plane.Bundle), plane.Time.GetUtcNow()));

        // WLAPI-07, -17, -34: the whole set, unique hints, and the default stays the default.
        plane.Entry("e0", "spiffe://example.org/b", OneNode.Id, OwnUid).Hint = "same";
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
    [Trait("rule", "WLEP-13")]
    [Trait("rule", "WLAPI-18")]
    [Trait("rule", "WLAPI-25")]
    public async Task Refuses_a_process_without_an_entry_and_tells_the_server_what_was_nearest()
    {
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid, "unix:path:/somewhere/else"));
        var plane = node.Plane;

        using var call = node.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => call.ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => node.Workload.FetchX509Bundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => node.Workload.FetchJWTBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(
            StatusCode.PermissionDenied, () => node.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "x" } }, WorkloadHeader).ResponseAsync);

        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Contains(told.Id, refused.Status.Detail, StringComparison.Ordinal);
        Assert.False(told.Allowed);
        var reason = Assert.Single(told.Reasons);
        Assert.Contains("also asks for unix:path:/somewhere/else", reason.Explanation, StringComparison.Ordinal);
        Assert.Contains("kind: RegistrationEntry", reason.SmallestGrant, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Warns_of_an_entry_for_the_dotnet_that_many_programs_share_and_tells_a_program_whose_file_went_to_start_anew()
    {
        var log = new FakeLogCollector();
        await using var node = await OneNode.StartAsync(_ => { }, start: plane => RunningAgent.StartAsync(
            plane, OptionsFor(plane, NewFolder()), also: builder => builder.Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(log))));
        var (plane, agent) = node;
        var dotnet = Path.Combine(NewFolder(), "dotnet");
        File.Copy("/usr/bin/perl", dotnet);
        using var relay = RelayProcess.StartAndBecome(agent.Options.WorkloadSocket, dotnet);
        await relay.Stream.WriteAsync(new byte[] { 1 }, TestContext.Current.CancellationToken);
        var api = agent.WorkloadThrough(relay);

        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader).ResponseStream.NextAsync());
        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Contains($"beware: unix:path:{dotnet} is what every .NET program of this user has", Assert.Single(told.Reasons).Explanation, StringComparison.Ordinal);
        Assert.Contains(
            log.GetSnapshot(), entry => entry.Message.StartsWith($"decision {told.Id}: WorkloadSvid of process {relay.Id} of user ", StringComparison.Ordinal));

        File.Delete(dotnet);
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader).ResponseStream.NextAsync());
        Assert.Contains(
            "no registration entry fits this process, which has neither unix:path nor unix:sha256: its executable was replaced or deleted after it started",
            refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WLAPI-11")]
    [Trait("rule", "WLAPI-23")]
    [Trait("rule", "WLAPI-24")]
    [Trait("rule", "WLAPI-25")]
    [Trait("rule", "WLAPI-28")]
    [Trait("rule", "WLAPI-29")]
    public async Task Issues_and_validates_tokens_and_refuses_what_is_missing_or_not_the_callers()
    {
        await using var node = await OneNode.StartAsync(plane =>
        {
            plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid);
            plane.Entry("e2", "spiffe://example.org/b", OneNode.Id, OwnUid);
            plane.Entry("e3", "spiffe://example.org/other", OneNode.Id, "unix:uid:4294967294");
        });
        var plane = node.Plane;
        var api = node.Workload;

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
    public async Task Whoever_fits_no_entry_is_told_so_however_often_others_of_its_user_asked_for_what_is_not_theirs()
    {
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid, $"unix:path:{Environment.ProcessPath}"));
        for (var i = 0; i < 70; i++)
        {
            await RefusedAsync(
                StatusCode.PermissionDenied, () => node.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" }, SpiffeId = $"spiffe://example.org/{i}" }, WorkloadHeader).ResponseAsync);
        }

        using var other = RelayProcess.Start(node.Agent.Options.WorkloadSocket);
        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => node.Agent.WorkloadThrough(other).FetchX509SVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        Assert.Contains("no registration entry fits this process (", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, StatusCode.Unavailable)]
    [InlineData(false, StatusCode.PermissionDenied)]
    [Trait("rule", "WLAPI-18")]
    public async Task Who_might_be_entitled_by_a_hash_that_is_not_known_yet_is_not_told_that_it_has_no_identity(bool isForThisUser, StatusCode expected)
    {
        var hash = $"unix:sha256:{new string('0', 64)}";
        await using var node = await OneNode.StartAsync(
            plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, isForThisUser ? [OwnUid, hash] : [OwnUid, hash, "unix:gid:4294967294"]),
            new HashesTakeTooLong());

        await RefusedAsync(expected, () => node.Workload.FetchX509SVID(new(), WorkloadHeader).ResponseStream.NextAsync());
    }

    [Theory]
    [InlineData(StatusCode.PermissionDenied, StatusCode.Unavailable)]
    [InlineData(StatusCode.NotFound, StatusCode.Unavailable)]
    [InlineData(StatusCode.Unimplemented, StatusCode.Unavailable)]
    [InlineData(StatusCode.Internal, StatusCode.Unavailable)]
    [InlineData(StatusCode.InvalidArgument, StatusCode.InvalidArgument)]
    [Trait("rule", "WLAPI-25")]
    [Trait("rule", "WLEP-12")]
    public async Task What_the_server_has_against_the_agent_takes_no_identity_from_a_workload(StatusCode byServer, StatusCode byAgent)
    {
        await using var node = await OneNode.StartAsync("/a");
        var (plane, agent) = node;
        plane.JwtRefusal = byServer;
        await RefusedAsync(byAgent, () => agent.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader).ResponseAsync);
        plane.JwtRefusal = null;
        Assert.Single((await agent.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader)).Svids);
    }

    // The agent takes each of them, and together they make a token that nobody would accept.
    [Fact]
    public async Task A_token_that_would_be_too_long_is_the_fault_of_who_asks_for_it()
    {
        await using var node = await OneNode.StartAsync("/a");
        var audiences = Enumerable.Range(10, 16).Select(i => $"{i}{new string('x', 510)}");
        await RefusedAsync(StatusCode.InvalidArgument, () => node.Workload.FetchJWTSVIDAsync(new() { Audience = { audiences } }, WorkloadHeader).ResponseAsync);
    }

    [Fact]
    [Trait("rule", "WLAPI-02")]
    [Trait("rule", "WLAPI-21")]
    [Trait("rule", "WLAPI-26")]
    [Trait("rule", "WLEP-17")]
    public async Task Answers_bundles_keyed_by_trust_domain_and_leaves_the_wit_profile_out()
    {
        await using var node = await OneNode.StartAsync("/a");
        var plane = node.Plane;

        using var x509 = node.Workload.FetchX509Bundles(new(), WorkloadHeader);
        Assert.Equal(plane.Bundle.ToX509Der(), (await x509.ResponseStream.NextAsync()).Bundles["spiffe://example.org"].ToByteArray());
        using var jwt = node.Workload.FetchJWTBundles(new(), WorkloadHeader);
        Assert.Equal(plane.Bundle.ToJwtJson(), (await jwt.ResponseStream.NextAsync()).Bundles["spiffe://example.org"].ToByteArray());

        await RefusedAsync(StatusCode.Unimplemented, () => node.Workload.FetchWITSVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unimplemented, () => node.Workload.FetchWITBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
    }

    [Fact]
    public async Task A_workload_that_asks_for_token_after_token_costs_its_neighbour_none_of_those_held()
    {
        await using var node = await OneNode.StartAsync("/modest", "/greedy");
        var plane = node.Plane;

        var first = await TokenAsync("modest", "x");
        foreach (var some in Enumerable.Range(0, 2100).Chunk(50)) await Task.WhenAll(some.Select(i => TokenAsync("greedy", $"audience-{i}")));
        Assert.Equal(2101, plane.JwtRequests);
        Assert.Equal(first, await TokenAsync("modest", "x"));
        Assert.Equal(2101, plane.JwtRequests);

        async Task<string> TokenAsync(string who, string audience) => Assert.Single((await node.Workload.FetchJWTSVIDAsync(
            new JWTSVIDRequest { Audience = { audience }, SpiffeId = $"spiffe://example.org/{who}" }, WorkloadHeader)).Svids).Svid;
    }

    [Fact]
    [Trait("rule", "WLAPI-31")]
    [Trait("rule", "WLAPI-33")]
    [Trait("rule", "WIT-17")]
    public async Task Hands_out_wit_svids_with_their_keys_where_the_profile_is_turned_on_and_renews_them()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var node = await OneNode.StartAsync(
            plane =>
            {
                plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid).Hint = "one";
                plane.Entry("e2", "spiffe://example.org/b", OneNode.Id, OwnUid);
            },
            time,
            plane => RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), wit: true)));
        var (plane, agent) = node;
        using var all = agent.Workload.FetchWITSVID(new(), WorkloadHeader);
        using var one = agent.Workload.FetchWITSVID(new() { SpiffeId = "spiffe://example.org/b" }, WorkloadHeader);
        var both = await all.ResponseStream.NextAsync();
        Assert.Equal(["spiffe://example.org/a", "spiffe://example.org/b"], both.Svids.Select(s => s.SpiffeId));
        Assert.Equal(["one", ""], both.Svids.Select(s => s.Hint));
        Assert.Equal(both.Svids[1], Assert.Single((await one.ResponseStream.NextAsync()).Svids));
        Assert.Equal(2, plane.WitRequests);
        var first = AssertBound(both.Svids[0]);

        using var bundles = agent.Workload.FetchWITBundles(new(), WorkloadHeader);
        var json = (await bundles.ResponseStream.NextAsync()).Bundles["spiffe://example.org"];
        Assert.True(TrustBundle.TryParseWit(FakeControlPlane.Domain, System.Text.Encoding.UTF8.GetBytes(json), out var bundle, out var problem), problem);
        Assert.Equal(first.KeyId, Assert.Single(bundle.WitAuthorities).KeyId);

        await RefusedAsync(
            StatusCode.PermissionDenied, () => agent.Workload.FetchWITSVID(new() { SpiffeId = "spiffe://example.org/c" }, WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.FetchWITSVID(new() { SpiffeId = "c" }, WorkloadHeader).ResponseStream.NextAsync());

        time.Advance(TimeSpan.FromMinutes(34));
        var renewed = await all.ResponseStream.NextAsync();
        Assert.NotEqual(first.Token, AssertBound(renewed.Svids[0]).Token);
        plane.Entries.Clear();
        plane.Push();
        await RefusedAsync(StatusCode.PermissionDenied, async () =>
        {
            while (await all.ResponseStream.NextAsync() is not null) { }
        });
    }

    private static UnverifiedWitSvid AssertBound(WITSVID svid)
    {
        Assert.True(WitSvid.TryParseUnverified(svid.WitSvid, out var parsed, out var problem), problem);
        Assert.Equal(svid.SpiffeId, parsed.Id.ToString());
        using var jwk = System.Text.Json.JsonDocument.Parse(svid.WitSvidKey);
        byte[] Member(string name) => System.Buffers.Text.Base64Url.DecodeFromChars(jwk.RootElement.GetProperty(name).GetString());
        using var key = System.Security.Cryptography.ECDsa.Create(new System.Security.Cryptography.ECParameters
        {
            Curve = System.Security.Cryptography.ECCurve.NamedCurves.nistP256,
            Q = new() { X = Member("x"), Y = Member("y") },
            D = Member("d"),
        });
        Assert.Equal(parsed.ProofKey.PublicKey.SubjectPublicKeyInfo.ToArray(), key.ExportSubjectPublicKeyInfo());
        return parsed;
    }

    [Fact]
    public async Task Answers_the_same_question_with_the_same_decision_and_a_flood_of_questions_with_few()
    {
        await using var node = await OneNode.StartAsync("/a");
        var decisions = new HashSet<string>();
        for (var i = 0; i < 200; i++)
        {
            var refused = await RefusedAsync(
                StatusCode.PermissionDenied,
                () => node.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" }, SpiffeId = $"spiffe://example.org/b{i % 100}" }, WorkloadHeader).ResponseAsync);
            decisions.Add(refused.Status.Detail[refused.Status.Detail.IndexOf("d-", StringComparison.Ordinal)..]);
        }

        Assert.Equal(65, decisions.Count);
    }

    /// <summary>The real clock, on which the time that hashing may take is over at once.</summary>
    private sealed class HashesTakeTooLong : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != TimeSpan.FromSeconds(20)) return base.CreateTimer(callback, state, dueTime, period);
            callback(state);
            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
