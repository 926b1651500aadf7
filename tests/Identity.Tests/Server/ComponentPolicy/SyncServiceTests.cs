// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.Tests.Server.Bundles;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class SyncServiceTests : IAsyncLifetime
{
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    private RegistryServer _server = null!;

    private static CancellationToken Patience => CancellationTokenSource.CreateLinkedTokenSource(
        TestContext.Current.CancellationToken, new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token).Token;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Sends_all_an_agent_must_know_at_once()
    {
        var agent = await _server.AttestAsync();
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(agent);

        var snapshot = await NextAsync(call);

        Assert.Equal(["/components/greeter", "/hosts/local", "/nodes/local"], Paths(snapshot));
        Assert.Equal(_server.Ledger.State.Revision, snapshot.Revision);
        Assert.Equal("example.org", snapshot.Bundle.TrustDomain);
        Assert.NotEmpty(snapshot.Bundle.X509Authorities);
        Assert.NotEmpty(snapshot.Bundle.JwtAuthorities);
        Assert.NotNull(snapshot.Policy);
        Assert.True(snapshot.FreshUntil.ToDateTimeOffset() > _server.Time.GetUtcNow());
    }

    [Fact]
    public async Task Pushes_a_change_that_concerns_the_agent_and_none_that_does_not()
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        await NextAsync(call);

        await CreateAsync(TestEntries.Entry("/elsewhere", "/nodes/other", "unix:uid:1"));
        await CreateAsync(TestEntries.Host());
        var snapshot = await NextAsync(call);

        Assert.Equal(["/hosts/local", "/nodes/local"], Paths(snapshot));
        Assert.Equal(_server.Ledger.State.Revision, snapshot.Revision);
    }

    [Fact]
    public async Task Packs_large_documents_for_those_who_can_read_them_and_small_ones_for_nobody()
    {
        using var old = Subscribe(await _server.AttestAsync());
        using var other = Subscribe(await _server.AttestAsync(), packing: "gzip");
        using var packing = Subscribe(await _server.AttestAsync(), packing: "br");
        AsyncDuplexStreamingCall<AgentReport, Snapshot>[] calls = [old, other, packing];
        foreach (var call in calls) await NextAsync(call);
        var policies = new PolicyAdmin.PolicyAdminClient(_server.Admin);

        var small = await ApplyAsync("small", 2);
        foreach (var call in calls) Assert.Equal(small, (await NextAsync(call)).Policy.Documents["small"]);

        var large = await ApplyAsync("large", 500);
        foreach (var call in calls[..2]) Assert.Equal(large, (await NextAsync(call)).Policy.Documents["large"]);
        var policy = (await NextAsync(packing)).Policy;
        Assert.Empty(policy.Documents);
        Assert.InRange(policy.PackedDocuments.Length, 1, large.Length / 4);
        Assert.True(Identity.Agent.ControlPlane.HeldPolicy.TryFollow(Identity.Agent.ControlPlane.HeldPolicy.None, new PolicySnapshot(policy) { BaseRevision = 0 }, out var held, out _));
        Assert.Equal(large, Assert.Single(held.Policy.Documents).Source);

        async Task<string> ApplyAsync(string name, int rules)
        {
            var text = $"kind: CapabilityPolicy\nname: {name}\nrules:\n" + string.Concat(Enumerable.Range(0, rules).Select(i =>
                $"  - {{ name: r{i}, effect: permit, subjects: [{{ spiffeId: spiffe://example.org/c{i} }}], capabilities: [{{ import: wasi:io/poll@0.2.0 }}] }}\n"));
            await policies.ApplyPoliciesAsync(new ApplyPoliciesRequest { Documents = { new PolicySource { Text = text } } }, cancellationToken: Patience);
            return text;
        }
    }

    [Fact]
    public async Task Tells_one_agent_nothing_of_anothers_entries()
    {
        await _server.AttestAsync();
        var other = await _server.AttestAsync("/nodes/other");
        await CreateAsync(TestEntries.Host());
        using var call = Subscribe(other);

        Assert.Equal(["/nodes/other"], Paths(await NextAsync(call)));
    }

    [Fact]
    public async Task Sends_the_bundles_that_its_entries_federate_with_and_no_other_and_takes_them_away()
    {
        var agent = await _server.AttestAsync();
        var bundles = new Spire.Api.Server.Bundle.V1.Bundle.BundleClient(_server.Admin);
        await bundles.BatchSetFederatedBundleAsync(new() { Bundle = { TestBundles.Of("other.test"), TestBundles.Of("third.test") } });
        var host = TestEntries.Host();
        host.FederatesWith.Add("other.test");
        await CreateAsync(host);
        using var call = Subscribe(agent);
        Assert.Equal(["other.test"], (await NextAsync(call)).FederatedBundles.Select(b => b.TrustDomain));

        var newer = TestBundles.Of("other.test", sequence: 2);
        await bundles.BatchSetFederatedBundleAsync(new() { Bundle = { TestBundles.Of("third.test"), newer } });
        Assert.Equal(newer, Assert.Single((await NextAsync(call)).FederatedBundles));

        await bundles.BatchDeleteFederatedBundleAsync(new()
        {
            TrustDomains = { "other.test" },
            Mode = Spire.Api.Server.Bundle.V1.BatchDeleteFederatedBundleRequest.Types.Mode.Dissociate,
        });
        var last = await NextAsync(call);
        Assert.Empty(last.FederatedBundles);
        Assert.All(last.Entries, entry => Assert.Empty(entry.FederatesWith));
    }

    [Fact]
    public async Task Pushes_a_new_revocation_list()
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        Assert.Empty((await NextAsync(call)).Crls);
        var crl = Google.Protobuf.ByteString.CopyFromUtf8("checked elsewhere");

        await _server.Ledger.AppendAsync(
            new() { Author = "test", Changes = { new Identity.Ledger.V1.Change { CrlSet = new() { AuthorityId = "a", Der = crl } } } }, null, Patience);

        Assert.Equal([crl], (await NextAsync(call)).Crls);
    }

    [Fact]
    public async Task Ends_a_banned_agents_stream_and_its_admissions_at_once()
    {
        var agent = await _server.AttestAsync();
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(agent);
        await NextAsync(call);
        await ReportAsync(call, Admission());
        Assert.True(_server.Live.IsLive(Greeter));

        await new AgentClient(_server.Admin).BanAgentAsync(new BanAgentRequest { Id = TestEntries.Id(agent.Id.Path) });
        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));

        Assert.Equal(StatusCode.PermissionDenied, ended.StatusCode);
        Assert.Contains(ended.Trailers, t => t.Key == "grpc-status-details-bin");
        Assert.False(_server.Live.IsLive(Greeter));
    }

    [Fact]
    public async Task Refuses_a_banned_agent_whatever_it_asks_under_one_decision_that_is_explained()
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        await NextAsync(call);
        await new AgentClient(_server.Admin).BanAgentAsync(new BanAgentRequest { Id = TestEntries.Id(agent.Id.Path) });
        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));
        using var again = Subscribe(agent);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(again));

        var id = ended.Trailers.GetValue("identity-decision-id");
        Assert.Equal(id, refused.Trailers.GetValue("identity-decision-id"));
        Assert.Contains($"(decision {id})", ended.Status.Detail, StringComparison.Ordinal);
        var decision = await new Explain.ExplainClient(_server.Admin).GetDecisionAsync(new GetDecisionRequest { Id = id });
        Assert.Equal((DecisionKind.NodeAttestation, false, agent.Id.ToString()), (decision.Kind, decision.Allowed, decision.Subject));
        Assert.Contains("is banned", decision.Summary, StringComparison.Ordinal);
        Assert.Contains($"identity agent delete {agent.Id}", Assert.Single(decision.Reasons).Explanation, StringComparison.Ordinal);

        // Deleted is another cause, and so is a ban after it attested anew.
        await new AgentClient(_server.Admin).DeleteAgentAsync(new DeleteAgentRequest { Id = TestEntries.Id(agent.Id.Path) });
        using var afterwards = Subscribe(agent);
        var deleted = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(afterwards));
        Assert.NotEqual(id, deleted.Trailers.GetValue("identity-decision-id"));
        Assert.Contains("is not an attested agent", deleted.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Believes_no_admission_of_a_component_that_is_not_the_agents()
    {
        await _server.AttestAsync();
        var other = await _server.AttestAsync("/nodes/other");
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(other);
        await NextAsync(call);

        await ReportAsync(call, Admission());

        Assert.False(_server.Live.IsLive(Greeter));
    }

    [Fact]
    public async Task Ends_an_admission_whose_entry_is_deleted_without_waiting_for_the_agent()
    {
        var agent = await _server.AttestAsync();
        var created = await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(agent);
        await NextAsync(call);
        await ReportAsync(call, Admission());
        Assert.True(_server.Live.IsLive(Greeter));

        var request = new BatchDeleteEntryRequest();
        request.Ids.Add(created[1].Entry.Id);
        await new EntryClient(_server.Admin).BatchDeleteEntryAsync(request);
        await NextAsync(call);

        Assert.False(_server.Live.IsLive(Greeter));
    }

    [Theory]
    [InlineData("../a", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    [InlineData("a1", "md5:0")]
    public async Task Cuts_off_an_agent_that_reports_nonsense(string id, string digest)
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        await NextAsync(call);
        var nonsense = Admission();
        (nonsense.AdmissionId, nonsense.Digest) = (id, digest);

        await call.RequestStream.SendAsync(new AgentReport { Admitted = nonsense });
        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));

        Assert.Equal(StatusCode.InvalidArgument, ended.StatusCode);
    }

    [Fact]
    public async Task Lets_a_newer_stream_of_the_same_agent_take_over()
    {
        var agent = await _server.AttestAsync();
        using var old = Subscribe(agent);
        await NextAsync(old);
        using var current = Subscribe(agent);
        await NextAsync(current);

        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(old));

        Assert.Equal(StatusCode.Aborted, ended.StatusCode);
        Assert.Equal(1, _server.Live.ConnectedAgents);
    }

    [Fact]
    public async Task Is_open_to_attested_agents_only()
    {
        foreach (var caller in new[] { _server.Admin, _server.Anonymous })
        {
            using var call = new Sync.SyncClient(caller).Subscribe(cancellationToken: Patience);
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));
            Assert.True(refused.StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated);
        }
    }

    [Fact]
    public async Task Takes_a_list_of_ten_thousand_admissions_in_parts_and_none_of_it_before_the_last()
    {
        var agent = await _server.AttestAsync();
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(agent);
        await NextAsync(call);
        await ReportAsync(call, Admission("before"));

        // As the agent that holds them sends them.
        var reports = new Identity.Agent.ControlPlane.AgentReports();
        for (var i = 0; i < Identity.Server.ComponentPolicy.LiveAdmissions.MaxPerAgent; i++)
        {
            var admission = Admission($"a{i}");
            admission.Imports.AddRange(Enumerable.Range(0, 20).Select(n => $"wasi:io/streams@0.2.0#[method]input-stream.read-{n}"));
            reports.Admitted(admission);
        }

        var parts = 0;
        for (var more = true; more; parts++)
        {
            Assert.Equal(1, _server.Live.Count);
            var report = await reports.NextAsync(Patience);
            Assert.InRange(report.CalculateSize(), 1, 2 << 20);
            more = report.Admissions.MoreFollow;
            await call.RequestStream.WriteAsync(report);
        }

        var last = Admission("a9999");
        await ReportAsync(call, last);
        Assert.Equal(Identity.Server.ComponentPolicy.LiveAdmissions.MaxPerAgent, _server.Live.Count);
        Assert.InRange(parts, 10, 100);
    }

    public static TheoryData<string, LiveAdmissions[]> BrokenLists => new()
    {
        { "part 1 of a list of admissions arrived where part 0", [Part(1, false, "a")] },
        { "part 2 of a list of admissions arrived where part 1", [Part(0, true, "a"), Part(2, false, "b")] },
        { "an admission twice", [Part(0, true, "a"), Part(1, false, "a")] },
        { "is empty", [Part(0, true, "a"), Part(1, true)] },
    };

    [Theory]
    [MemberData(nameof(BrokenLists))]
    public async Task Cuts_off_an_agent_whose_list_is_broken(string problem, LiveAdmissions[] parts)
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        await NextAsync(call);
        await call.RequestStream.SendAsync([.. parts.Select(part => new AgentReport { Admissions = part })]);
        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));
        Assert.Contains(problem, ended.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cuts_off_an_agent_that_says_something_else_between_the_parts_of_a_list()
    {
        var agent = await _server.AttestAsync();
        using var call = Subscribe(agent);
        await NextAsync(call);
        await call.RequestStream.SendAsync(new AgentReport { Admissions = Part(0, true, "a") }, new AgentReport { Admitted = Admission("b") });
        var ended = await Assert.ThrowsAsync<RpcException>(async () => await NextAsync(call));
        Assert.Contains("between the parts", ended.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_that_begins_anew_takes_the_place_of_one_that_was_not_finished()
    {
        var agent = await _server.AttestAsync();
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());
        using var call = Subscribe(agent);
        await NextAsync(call);
        await call.RequestStream.WriteAsync(new AgentReport { Admissions = Part(0, true, "a", "b") });
        await call.RequestStream.WriteAsync(new AgentReport { Admissions = Part(0, false, "c") });
        await ReportAsync(call, Admission("d"));
        Assert.Equal(2, _server.Live.Count);
    }

    private static LiveAdmissions Part(uint part, bool moreFollow, params string[] ids) =>
        new() { Part = part, MoreFollow = moreFollow, Admissions = { ids.Select(Admission) } };

    private static AsyncDuplexStreamingCall<AgentReport, Snapshot> Subscribe(TestAgent agent, string? packing = null) =>
        new Sync.SyncClient(agent.Invoker).Subscribe(packing is null ? [] : new Metadata { { "identity-accept-packed", packing } }, cancellationToken: Patience);

    private static async Task<Snapshot> NextAsync(AsyncDuplexStreamingCall<AgentReport, Snapshot> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(Patience));
        return call.ResponseStream.Current;
    }

    /// <summary>Reports, and waits until the server has read it: reports are read in order, and a decision shows when it was.</summary>
    private async Task ReportAsync(AsyncDuplexStreamingCall<AgentReport, Snapshot> call, LiveAdmission admission)
    {
        var marker = new Decision { Id = Identity.Server.ComponentPolicy.DecisionId.Create(), Kind = DecisionKind.ComponentStart };
        await call.RequestStream.WriteAsync(new AgentReport { Admitted = admission });
        await call.RequestStream.WriteAsync(new AgentReport { Decision = marker });
        var patience = Patience;
        while (_server.Decisions.TryGet(marker.Id) is null)
        {
            patience.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private async Task<IReadOnlyList<BatchCreateEntryResponse.Types.Result>> CreateAsync(params Spire.Api.Types.Entry[] entries)
    {
        var request = new BatchCreateEntryRequest();
        request.Entries.AddRange(entries);
        var response = await new EntryClient(_server.Admin).BatchCreateEntryAsync(request);
        Assert.All(response.Results, r => Assert.Equal(0, r.Status.Code));
        return response.Results;
    }

    private static IEnumerable<string> Paths(Snapshot snapshot) => snapshot.Entries.Select(e => e.SpiffeId.Path).Order(StringComparer.Ordinal);

    private static LiveAdmission Admission(string id = "a1") => new()
    {
        AdmissionId = id,
        SpiffeId = Greeter.ToString(),
        HostSpiffeId = "spiffe://example.org/hosts/local",
        Digest = TestEntries.Digest,
    };
}
