// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using static Identity.V1.PolicyChange.Types;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Roles say who may change policy: their changes are in its history, what they were can be seen, and no rollback of policy touches them.</summary>
public sealed class RoleRevisionsTests : PolicyServerTest
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Bob = "spiffe://example.org/people/bob";

    [Fact]
    public async Task History_has_changes_of_roles_in_order_with_those_of_policies()
    {
        await _admin.ApplyAsync(Permit("shop"));
        await _admin.ApplyAsync(Role("shop-team", Ann));
        await _admin.ApplyAsync(Role("shop-team", Ann, approvals: 1), Forbid("shop"));
        await _admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" }, Reason = "nobody" });

        var all = await _admin.Client.ListRevisionsAsync(new());
        Assert.Equal(all.Revisions.Select(revision => revision.Revision).OrderDescending(), all.Revisions.Select(revision => revision.Revision));
        Assert.Equal(
            ["role shop-team Deleted", "shop Updated, role shop-team Updated", "role shop-team Created", "shop Created"],
            all.Revisions.Select(revision => string.Join(", ", revision.Changes.Select(change => $"{(change.Role ? "role " : "")}{change.Name} {change.Kind}"))));
        Assert.Equal("nobody", all.Revisions[0].Reason);
        Assert.All(all.Revisions, revision => Assert.StartsWith("admin:uid=", revision.Author, StringComparison.Ordinal));
        Assert.Equal(all.Revisions[0].Revision, all.Current);

        Assert.Equal(all.Revisions.Take(3), (await _admin.Client.ListRevisionsAsync(new() { Name = "shop-team" })).Revisions);
        Assert.Equal(all.Revisions.Skip(1).Take(2), (await _admin.Client.ListRevisionsAsync(new() { Before = all.Revisions[0].Revision, Limit = 2 })).Revisions);
    }

    [Fact]
    public async Task A_policy_and_a_role_of_one_name_are_two_documents()
    {
        await _admin.ApplyAsync(Permit("shop"));
        await _admin.ApplyAsync(Role("shop", Ann));
        var newest = (await _admin.Client.ListRevisionsAsync(new() { Name = "shop" })).Revisions;
        Assert.Equal([(true, Kind.Created), (false, Kind.Created)], newest.Select(revision => (revision.Changes[0].Role, revision.Changes[0].Kind)));
    }

    [Fact]
    public async Task Roles_are_told_as_they_were_at_every_revision()
    {
        var none = (await _admin.ApplyAsync(Permit("shop"))).Revision;
        var first = (await _admin.ApplyAsync(Role("shop-team", Ann))).Revision;
        var second = (await _admin.ApplyAsync(Role("shop-team", Bob), Role("b-team", Ann))).Revision;
        await _admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } });
        await _admin.ApplyAsync(Forbid("shop"));

        Assert.Empty(await RolesAsync(none));
        Assert.Equal([Role("shop-team", Ann)], await RolesAsync(first));
        Assert.Equal([Role("b-team", Ann), Role("shop-team", Bob)], await RolesAsync(second));
        Assert.Equal([Role("b-team", Ann)], await RolesAsync(0));
        var refused = await Assert.ThrowsAsync<RpcException>(() => RolesAsync(1_000_000));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task They_are_the_same_after_a_restart()
    {
        await _admin.ApplyAsync(Permit("shop"));
        var first = (await _admin.ApplyAsync(Role("shop-team", Ann))).Revision;
        await _admin.ApplyAsync(Role("shop-team", Bob));
        var before = await _admin.Client.ListRevisionsAsync(new());
        await _server.RestartAsync();
        Assert.Equal(before, await _admin.Client.ListRevisionsAsync(new()));
        Assert.Equal([Role("shop-team", Ann)], await RolesAsync(first));
    }

    [Fact]
    public async Task A_rollback_over_a_change_of_roles_leaves_them_and_says_so()
    {
        var first = (await _admin.ApplyAsync(Permit("shop"))).Revision;
        var seen = (await _admin.ApplyAsync(Forbid("shop"))).Revision;
        var back = await RollbackAsync(first, seen);
        Assert.Empty(back.Notes);

        await _admin.ApplyAsync(Role("shop-team", Ann));
        // The current revision that history tells is the one to give: a role counts as seen with it.
        var current = (await _admin.Client.ListRevisionsAsync(new())).Current;
        back = await RollbackAsync(seen, current);
        Assert.Equal([("shop", Kind.Updated)], back.Changes.Select(change => (change.Name, change.Kind)));
        Assert.Contains($"roles stay as they are; one is not as at revision {seen}: shop-team", Assert.Single(back.Notes), StringComparison.Ordinal);
        Assert.Equal([Role("shop-team", Ann)], await RolesAsync(0));
    }

    [Fact]
    public async Task A_revision_of_roles_alone_decides_as_the_policy_of_then_and_differs_in_no_authority()
    {
        var policy = (await _admin.ApplyAsync(Permit("shop"))).Revision;
        var role = (await _admin.ApplyAsync(Role("shop-team", Ann))).Revision;
        await _admin.ApplyAsync(Forbid("shop"));

        var then = await _admin.Client.DecideAtAsync(new() { AtRevision = role, SpiffeId = $"{Shop}/cart", Request = "start" });
        Assert.Equal((true, policy), (then.Allowed, then.PolicyRevision));
        var difference = await _admin.Client.DiffRevisionsAsync(new() { FromRevision = policy, ToRevision = role });
        Assert.Empty(difference.Gained.Concat(difference.Lost));
        Assert.Equal(["shop-team"], difference.RolesChanged);
        Assert.Empty((await _admin.Client.DiffRevisionsAsync(new() { FromRevision = role })).RolesChanged);
        Assert.Equal([Permit("shop")], (await _admin.Client.GetPoliciesAsync(new() { AtRevision = role })).Policies.Select(document => document.Text));
    }

    [Fact]
    public async Task Whoever_binds_somebody_is_told_who_must_agree_from_now_on()
    {
        Assert.Empty((await _admin.ApplyAsync(Role("shop-team", Ann))).Notes);
        var bound = Assert.Single((await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}", approvals: 1))).Notes);
        Assert.StartsWith($"role shop-team: from now on a change by {Ann} and {Bob} that lets anybody do more by a policy shop or shop.*", bound, StringComparison.Ordinal);
        Assert.Contains("waits until another person agrees: of this role, whoever else may make the change by a role, or an administrator (unix:0", bound, StringComparison.Ordinal);
        Assert.DoesNotContain("a change of roles", bound, StringComparison.Ordinal);

        var alone = Assert.Single((await _admin.ApplyAsync(Role("shop-team", Ann, approvals: 1))).Notes);
        Assert.DoesNotContain("of this role", alone, StringComparison.Ordinal);
        Assert.Equal($"role shop-team: changes by {Ann} wait for nobody any more by this role", Assert.Single((await _admin.ApplyAsync(Role("shop-team", Ann))).Notes));
    }

    [Fact]
    public async Task So_is_who_binds_an_administrator_and_who_approves_that_role()
    {
        var bound = Assert.Single((await _admin.ApplyAsync(Role("four-eyes", $"unix:0, {Ann}", "[\"*\"]", "any", approvals: 1))).Notes);
        Assert.EndsWith("a change of roles by unix:0 waits likewise, for others of this role or another administrator", bound, StringComparison.Ordinal);

        var asked = await _admin.ApplyAsync(Role("four-eyes", $"unix:0, {Bob}", "[\"*\"]", "any", approvals: 1));
        if (asked.Proposal is null) return; // Not root: another administrator than the one that is bound.
        Assert.Empty(asked.Notes);
        var approved = await new PolicyWriter(await _server.AsAsync(Ann)).ApproveAsync(asked.Proposal);
        Assert.Contains(Bob, Assert.Single(approved.Notes), StringComparison.Ordinal);
    }

    private async Task<IEnumerable<string>> RolesAsync(ulong at) => (await _admin.Client.ListRolesAsync(new() { AtRevision = at })).Policies.Select(role => role.Text);

    private async Task<ApplyPoliciesResponse> RollbackAsync(ulong to, ulong expected) =>
        await _admin.Client.RollbackAsync(new() { ToRevision = to, ExpectedRevision = expected, Reason = "a test" });
}
