// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.V1.PolicyChange.Types;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class PolicyAdminServiceTests : IAsyncLifetime
{
    private RegistryServer _server = null!;
    private PolicyAdmin.PolicyAdminClient _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyAdmin.PolicyAdminClient(_server.Admin);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Applies_documents_in_one_transaction_and_lists_them_as_written()
    {
        var before = _server.Ledger.State.Revision;

        var applied = await ApplyAsync(Document("one"), Document("two"));
        var listed = await _admin.ListPoliciesAsync(new ListPoliciesRequest());

        Assert.Equal(before + 1, applied.Revision);
        Assert.Equal([Kind.Created, Kind.Created], applied.Changes.Select(c => c.Kind));
        Assert.Equal([Document("one"), Document("two")], listed.Policies.Select(p => p.Text));
        Assert.All(listed.Policies, p => Assert.StartsWith("admin:uid=", p.Author, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Changes_nothing_when_one_of_several_documents_is_bad_and_says_where()
    {
        var before = _server.Ledger.State.Revision;
        var bad = Document("two").Replace("effect: permit", "efect: permit", StringComparison.Ordinal);

        var refused = await RefusedAsync(() => ApplyAsync(Document("one"), bad));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains("document 2, line 5", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(before, _server.Ledger.State.Revision);
    }

    [Fact]
    public async Task Names_the_problems_of_every_document()
    {
        var refused = await RefusedAsync(() => ApplyAsync("kind: Nonsense", "[", ""));

        Assert.All(["document 1", "document 2", "document 3"], text => Assert.Contains(text, refused.Status.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refuses_two_documents_of_one_name()
    {
        var refused = await RefusedAsync(() => ApplyAsync(Document("one"), Document("one")));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Makes_no_transaction_for_what_is_in_force_already()
    {
        var first = await ApplyAsync(Document("one"));

        var second = await ApplyAsync(Document("one"));

        Assert.Equal(first.Revision, second.Revision);
        Assert.Equal(Kind.Unchanged, second.Changes[0].Kind);
    }

    [Fact]
    public async Task Refuses_a_change_that_was_decided_on_an_older_revision()
    {
        var seen = (await _admin.ListPoliciesAsync(new ListPoliciesRequest())).Revision;
        await ApplyAsync(Document("one"));
        var stale = new ApplyPoliciesRequest { ExpectedRevision = seen };
        stale.Documents.Add(new PolicySource { Text = Document("two") });

        var refused = await RefusedAsync(() => _admin.ApplyPoliciesAsync(stale).ResponseAsync);

        Assert.Equal(StatusCode.Aborted, refused.StatusCode);
        Assert.Equal(["one"], _server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Deletes_nothing_when_one_name_is_unknown()
    {
        await ApplyAsync(Document("one"));
        var request = new DeletePoliciesRequest();
        request.Names.AddRange(["one", "unknown"]);

        var refused = await RefusedAsync(() => _admin.DeletePoliciesAsync(request).ResponseAsync);

        Assert.Equal(StatusCode.NotFound, refused.StatusCode);
        Assert.Contains("'unknown'", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Single(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Refuses_an_empty_request_a_long_reason_and_a_reason_of_two_lines()
    {
        var tooLong = new ApplyPoliciesRequest { Reason = new string('x', 1025) };
        tooLong.Documents.Add(new PolicySource { Text = Document("one") });
        var twoLines = tooLong.Clone();
        twoLines.Reason = "a\nb";

        foreach (var request in new[] { new ApplyPoliciesRequest(), tooLong, twoLines })
        {
            Assert.Equal(StatusCode.InvalidArgument, (await RefusedAsync(() => _admin.ApplyPoliciesAsync(request).ResponseAsync)).StatusCode);
        }
    }

    [Fact]
    public async Task Reaches_a_subscribed_agent()
    {
        var agent = await _server.AttestAsync();
        using var call = new Sync.SyncClient(agent.Invoker).Subscribe(cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Empty(call.ResponseStream.Current.Policy.Documents);

        var applied = await ApplyAsync(Document("one"));
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));

        Assert.Equal(KeyValuePair.Create("one", Document("one")), Assert.Single(call.ResponseStream.Current.Policy.Documents));
        Assert.Equal(applied.Revision, call.ResponseStream.Current.Policy.Revision);
    }

    [Fact]
    public async Task Tells_an_agent_only_the_documents_that_changed_and_a_new_call_all_of_them()
    {
        var agent = await _server.AttestAsync();
        await ApplyAsync(Document("one"), Document("two"));
        using var call = new Sync.SyncClient(agent.Invoker).Subscribe(cancellationToken: TestContext.Current.CancellationToken);
        var whole = await NextAsync(call);
        Assert.Equal((0ul, "one two"), (whole.BaseRevision, string.Join(" ", whole.Documents.Keys.Order())));

        await ApplyAsync(Document("two") + "\n# changed\n", Document("three"));
        var changed = await NextAsync(call);
        Assert.Equal((whole.Revision, "three two"), (changed.BaseRevision, string.Join(" ", changed.Documents.Keys.Order())));
        Assert.EndsWith("# changed\n", changed.Documents["two"], StringComparison.Ordinal);
        Assert.Empty(changed.Removed);

        await _admin.DeletePoliciesAsync(new DeletePoliciesRequest { Names = { "one" } });
        var removed = await NextAsync(call);
        Assert.Equal((changed.Revision, "one"), (removed.BaseRevision, Assert.Single(removed.Removed)));
        Assert.Empty(removed.Documents);

        using var later = new Sync.SyncClient(agent.Invoker).Subscribe(cancellationToken: TestContext.Current.CancellationToken);
        var again = await NextAsync(later);
        Assert.Equal((0ul, "three two"), (again.BaseRevision, string.Join(" ", again.Documents.Keys.Order())));
    }

    private static async Task<PolicySnapshot> NextAsync(AsyncDuplexStreamingCall<AgentReport, Snapshot> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        return call.ResponseStream.Current.Policy;
    }

    [Theory]
    [InlineData("")]
    [InlineData("d-1")]
    [InlineData("../../etc/passwd")]
    [InlineData("D-aaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task Explains_no_malformed_id(string id)
    {
        var explain = new Explain.ExplainClient(_server.Admin);

        var refused = await RefusedAsync(() => explain.GetDecisionAsync(new GetDecisionRequest { Id = id }).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task Explains_no_decision_that_was_not_made()
    {
        var explain = new Explain.ExplainClient(_server.Admin);

        var unknown = await RefusedAsync(() => explain.GetDecisionAsync(new GetDecisionRequest { Id = "d-aaaaaaaaaaaaaaaaaaaaaaaaaa" }).ResponseAsync);
        var negative = await RefusedAsync(() => explain.ListDecisionsAsync(new ListDecisionsRequest { Limit = -1 }).ResponseAsync);

        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
        Assert.Equal(StatusCode.InvalidArgument, negative.StatusCode);
    }

    private async Task<ApplyPoliciesResponse> ApplyAsync(params string[] documents)
    {
        var request = new ApplyPoliciesRequest();
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        return await _admin.ApplyPoliciesAsync(request);
    }

    private static Task<RpcException> RefusedAsync(Func<Task> call) => Assert.ThrowsAsync<RpcException>(call);

    private static string Document(string name) =>
        $$"""
        kind: CapabilityPolicy
        name: {{name}}
        rules:
          - name: greeter
            effect: permit
            subjects: [{ spiffeId: spiffe://example.org/components/greeter }]
            capabilities: [start]
        """;
}
