// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using static Identity.V1.PolicyChange.Types;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class PolicyRevisionsTests : PolicyServerTest
{
    [Fact]
    public async Task Tells_what_was_in_force_at_every_past_revision()
    {
        var expected = new Dictionary<ulong, string[]> { [_server.Ledger.State.Revision] = [] };
        expected[(await _admin.ApplyAsync(Permit("a"), Permit("b"))).Revision] = [Permit("a"), Permit("b")];
        await _server.CreateTokenAsync();
        expected[_server.Ledger.State.Revision] = [Permit("a"), Permit("b")];
        expected[(await _admin.ApplyAsync(Forbid("a"))).Revision] = [Forbid("a"), Permit("b")];
        expected[(await _admin.DeleteAsync("b")).Revision] = [Forbid("a")];
        expected[(await _admin.ApplyAsync(Permit("b"), Permit("c"))).Revision] = [Forbid("a"), Permit("b"), Permit("c")];

        foreach (var (revision, documents) in expected.Where(at => at.Key > 0))
        {
            var answer = await _admin.Client.GetPoliciesAsync(new() { AtRevision = revision });
            Assert.Equal(documents, answer.Policies.Select(policy => policy.Text));
            Assert.Equal(revision, answer.Revision);
        }
    }

    [Fact]
    public async Task Says_of_each_past_document_who_brought_it_when()
    {
        var first = await _admin.ApplyAsync(Permit("a"));
        await _admin.ApplyAsync(Permit("b"));
        var then = (await _admin.Client.GetPoliciesAsync(new() { AtRevision = first.Revision })).Policies.Single();
        var now = (await _admin.Client.ListPoliciesAsync(new())).Policies[0];
        Assert.Equal(now, then);
    }

    [Fact]
    public async Task Refuses_a_revision_that_is_not_there_yet()
    {
        var refused = await RefusedAsync(() => _admin.Client.GetPoliciesAsync(new() { AtRevision = 1_000_000 }).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task Lists_the_revisions_that_changed_a_policy_with_author_reason_and_documents()
    {
        await _admin.ApplyAsync(Permit("a"));
        await _server.CreateTokenAsync();
        await _admin.ApplyAsync(Forbid("a"), Permit("b"));
        await _admin.DeleteAsync("a");

        var all = await _admin.Client.ListRevisionsAsync(new());
        var ofB = await _admin.Client.ListRevisionsAsync(new() { Name = "b" });
        var older = await _admin.Client.ListRevisionsAsync(new() { Before = all.Revisions[1].Revision, Limit = 1 });

        Assert.Equal(3, all.Revisions.Count);
        Assert.Equal(all.Revisions[0].Revision, all.Current);
        Assert.Equal([("a", Kind.Deleted)], Changes(all.Revisions[0]));
        Assert.Equal([("a", Kind.Updated), ("b", Kind.Created)], Changes(all.Revisions[1]));
        Assert.Equal([("a", Kind.Created)], Changes(all.Revisions[2]));
        Assert.All(all.Revisions, revision => Assert.StartsWith("admin:uid=", revision.Author, StringComparison.Ordinal));
        Assert.Equal("a test", all.Revisions[1].Reason);
        Assert.Equal([all.Revisions[1]], ofB.Revisions);
        Assert.Equal([all.Revisions[2]], older.Revisions);
    }

    [Fact]
    public async Task Rolls_back_in_one_transaction_and_the_rollback_rolls_back()
    {
        var first = await _admin.ApplyAsync(Permit("a"), Permit("b"));
        var second = await _admin.ApplyAsync(Forbid("a"), Permit("c"));

        var back = await RollbackAsync(first.Revision, second.Revision);
        Assert.Equal(second.Revision + 1, back.Revision);
        Assert.Equal([Permit("a"), Permit("b")], await TextsAsync());
        Assert.Equal([("a", Kind.Updated), ("c", Kind.Deleted)], back.Changes.Select(change => (change.Name, change.Kind)));

        await RollbackAsync(second.Revision, back.Revision);
        Assert.Equal([Forbid("a"), Permit("b"), Permit("c")], await TextsAsync());
    }

    [Fact]
    public async Task Refuses_to_roll_back_over_a_change_that_the_caller_has_not_seen()
    {
        var first = await _admin.ApplyAsync(Permit("a"));
        var seen = await _admin.ApplyAsync(Permit("b"));
        await _admin.ApplyAsync(Forbid("guard"));

        foreach (var expected in new ulong[] { 0, first.Revision, seen.Revision, _server.Ledger.State.Revision + 1 })
        {
            var refused = await RefusedAsync(() => RollbackAsync(first.Revision, expected));
            Assert.Equal(StatusCode.Aborted, refused.StatusCode);
        }

        Assert.Contains("guard", _server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Rolls_back_though_something_else_than_policy_changed_meanwhile()
    {
        var first = await _admin.ApplyAsync(Permit("a"));
        var seen = await _admin.ApplyAsync(Forbid("a"));
        await _server.CreateTokenAsync();

        await RollbackAsync(first.Revision, seen.Revision);
        Assert.Equal([Permit("a")], await TextsAsync());
    }

    [Fact]
    public async Task Rolls_back_to_nothing_and_from_nothing()
    {
        var before = _server.Ledger.State.Revision;
        var first = await _admin.ApplyAsync(Permit("a"));
        var nothing = await RollbackAsync(before, first.Revision);
        Assert.Empty(_server.Ledger.State.Policies);
        await RollbackAsync(first.Revision, nothing.Revision);
        Assert.Equal(["a"], _server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Says_what_to_put_back_first_when_a_rollback_is_larger_than_one_change_may_be_and_then_rolls_back()
    {
        string[] large = [.. Enumerable.Range(10, 15).Select(at => Large($"p{at}"))];
        foreach (var part in large.Chunk(3)) await _admin.ApplyAsync(part);
        var full = _server.Ledger.State.Revision;
        var emptied = await _admin.DeleteAsync([.. Enumerable.Range(10, 15).Select(at => $"p{at}")]);

        var refused = await RefusedAsync(() => RollbackAsync(full, emptied.Revision));
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains($"identity policy show NAME --at {full}", refused.Status.Detail, StringComparison.Ordinal);
        Assert.EndsWith("then roll back the others: p10; nothing was changed", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.Policies);

        var first = await _admin.ApplyAsync(large[0].TrimEnd());
        await RollbackAsync(full, first.Revision);
        Assert.Equal(large.Select(text => text.TrimEnd()), _server.Ledger.State.Policies.Values.Select(policy => policy.Text.TrimEnd()));

        // In lines, for none may be very long.
        static string Large(string name) =>
            Permit(name) + "\n" + string.Concat(Enumerable.Repeat($"# {new string('x', 997)}\n", (Identity.Server.ComponentPolicy.PolicyRegistry.MaxDocumentBytes - 1000) / 1000));
    }

    [Fact]
    public async Task Refuses_to_roll_back_without_a_reason_or_into_the_future()
    {
        var applied = await _admin.ApplyAsync(Permit("a"));
        foreach (var request in new[]
        {
            new RollbackRequest { ToRevision = 1, ExpectedRevision = applied.Revision },
            new RollbackRequest { ToRevision = 1, ExpectedRevision = applied.Revision, Reason = " " },
            new RollbackRequest { ToRevision = applied.Revision + 1, ExpectedRevision = applied.Revision, Reason = "why" },
        })
        {
            var refused = await RefusedAsync(() => _admin.Client.RollbackAsync(request).ResponseAsync);
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        }
    }

    [Fact]
    public async Task Keeps_roles_when_policies_roll_back()
    {
        var before = await _admin.ApplyAsync(Permit("a"));
        await _admin.ApplyAsync(Role("shop", "unix:4242"));
        var seen = await _admin.ApplyAsync(Forbid("a"));
        await RollbackAsync(before.Revision, seen.Revision);
        Assert.Equal("shop", (await _admin.Client.ListRolesAsync(new())).Policies.Single().Name);
    }

    private async Task<ApplyPoliciesResponse> RollbackAsync(ulong to, ulong expected) =>
        await _admin.Client.RollbackAsync(new() { ToRevision = to, ExpectedRevision = expected, Reason = "it broke" });

    private async Task<IEnumerable<string>> TextsAsync() => (await _admin.Client.ListPoliciesAsync(new())).Policies.Select(policy => policy.Text);

    private static IEnumerable<(string, Kind)> Changes(PolicyRevision revision) => revision.Changes.Select(change => (change.Name, change.Kind));

    private static Task<RpcException> RefusedAsync(Func<Task> call) => Assert.ThrowsAsync<RpcException>(call);
}
