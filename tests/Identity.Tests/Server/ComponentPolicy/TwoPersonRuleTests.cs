// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A change that widens authority needs others to agree when a role says so, and no way around that.</summary>
public sealed class TwoPersonRuleTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Bob = "spiffe://example.org/people/bob";
    private const string Cleo = "spiffe://example.org/people/cleo";
    private const string Dan = "spiffe://example.org/people/dan";

    private RegistryServer _server = null!;
    private PolicyWriter _admin = null!;
    private PolicyWriter _ann = null!;
    private PolicyWriter _bob = null!;
    private PolicyWriter _cleo = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyWriter(_server.Admin);
        await _admin.ApplyAsync(
            Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 1),
            Role("others", Dan, "[other]"));
        _ann = await AsAsync(Ann);
        _bob = await AsAsync(Bob);
        _cleo = await AsAsync(Cleo);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Makes_a_widening_change_a_proposal_that_another_puts_into_force()
    {
        var asked = await _ann.ApplyAsync(Permit("shop"));
        Assert.Equal([PolicyChange.Types.Kind.Proposed], asked.Changes.Select(change => change.Kind));
        Assert.Empty(_server.Ledger.State.Policies);

        var approved = await _bob.ApproveAsync(asked.Proposal);

        Assert.Equal(_server.Ledger.State.Revision, approved.AppliedRevision);
        Assert.Equal(Ann, _server.Ledger.State.Policies["shop"].Author);
        Assert.Empty((await _ann.Client.ListProposalsAsync(new())).Proposals);
        var transaction = _server.Ledger.ListTransactions(1).Single().Transaction;
        Assert.Equal(Bob, transaction.Author);
        Assert.Contains(asked.Proposal.Id, transaction.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Asks_nobody_about_a_change_that_only_narrows()
    {
        var applied = await _ann.ApplyAsync(Forbid("shop.guard"));
        Assert.Null(applied.Proposal);
        Assert.Equal(["shop.guard"], _server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Lifting_a_forbid_widens_also_when_nobody_is_permitted_what_it_holds_back()
    {
        await _ann.ApplyAsync(Forbid("shop.guard"));
        var asked = await _ann.DeleteAsync("shop.guard");
        Assert.NotNull(asked.Proposal);
        Assert.Single(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Taking_away_a_permit_widens_where_a_login_says_more_without_it()
    {
        // Beside what lies below it, nats-server cannot be told of a star.
        await _admin.ApplyAsync(Permit("shop.star", capability: "{ natsSubscribe: orders.* }"), Permit("shop.below", capability: "{ natsSubscribe: orders.new.items }"));
        var asked = await _ann.DeleteAsync("shop.below");
        Assert.Equal([PolicyChange.Types.Kind.Proposed], asked.Changes.Select(change => change.Kind));
        var told = await _bob.FindAsync(asked.Proposal.Id);
        Assert.StartsWith($"{Shop}/…: NATS login: subscribe orders.* [shop.below/only], for example {Shop}", Assert.Single(told.Gained), StringComparison.Ordinal);
        Assert.Contains("natsSubscribe orders.new.items", Assert.Single(told.Lost), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rollback_that_widens_needs_approval_like_any_other_change()
    {
        var before = _server.Ledger.State.Revision;
        var seen = await _ann.ApplyAsync(Forbid("shop.guard"));
        var asked = await _ann.Client.RollbackAsync(new() { ToRevision = before, ExpectedRevision = seen.Revision, Reason = "quick" });
        Assert.NotNull(asked.Proposal);
        Assert.Single(_server.Ledger.State.Policies);
        await _bob.ApproveAsync(asked.Proposal);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Nobody_approves_their_own()
    {
        var asked = await _ann.ApplyAsync(Permit("shop"));
        await RefusedAsync(() => _ann.ApproveAsync(asked.Proposal), StatusCode.PermissionDenied);
        // Not through another connection either: it is the person who counts.
        await RefusedAsync(async () => await (await AsAsync(Ann)).ApproveAsync(asked.Proposal), StatusCode.PermissionDenied);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Nobody_approves_what_they_could_not_change_themselves()
    {
        var asked = await _ann.ApplyAsync(Permit("shop"));
        await RefusedAsync(async () => await (await AsAsync(Dan)).ApproveAsync(asked.Proposal), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task An_approval_is_of_one_proposal_and_of_what_it_said()
    {
        var one = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        var other = (await _ann.ApplyAsync(Permit("shop", capability: "start, { import: wasi:sockets/tcp@0.2.0 }"))).Proposal;

        await RefusedAsync(async () => await _bob.Client.ApproveAsync(new() { Id = other.Id, Hash = one.Hash }), StatusCode.Aborted);
        foreach (var hash in new[] { "", "00", new string('0', 64), one.Hash.ToUpperInvariant() })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await _bob.Client.ApproveAsync(new() { Id = one.Id, Hash = hash }));
            Assert.Contains(refused.StatusCode, new[] { StatusCode.Aborted, StatusCode.InvalidArgument });
        }

        await _bob.ApproveAsync(one);
        Assert.Equal(Permit("shop"), _server.Ledger.State.Policies["shop"].Text);
        // The other was written for what the first replaced.
        await RefusedAsync(() => _bob.ApproveAsync(other), StatusCode.Aborted);
    }

    [Fact]
    public async Task An_approval_is_worth_nothing_for_the_same_change_made_again()
    {
        var before = _server.Ledger.State.Revision;
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        var applied = await _bob.ApproveAsync(asked);
        await _ann.Client.RollbackAsync(new() { ToRevision = before, ExpectedRevision = applied.AppliedRevision, Reason = "narrow" });
        Assert.Empty(_server.Ledger.State.Policies);

        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.NotFound);
        var again = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        Assert.NotEqual((asked.Id, asked.Hash), (again.Id, again.Hash));
        Assert.Empty(again.Approvals);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Somebody_who_approves_twice_is_one_person()
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 2));
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        Assert.Equal(0ul, (await _bob.ApproveAsync(asked)).AppliedRevision);
        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.AlreadyExists);
        Assert.Empty(_server.Ledger.State.Policies);
        Assert.NotEqual(0ul, (await _cleo.ApproveAsync(asked)).AppliedRevision);
    }

    [Fact]
    public async Task An_approver_who_lost_the_role_counts_no_more()
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 2));
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _bob.ApproveAsync(asked);
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Cleo}", approvals: 2));

        Assert.Equal(0ul, (await _cleo.ApproveAsync(asked)).AppliedRevision);

        Assert.NotEmpty((await _ann.FindAsync(asked.Id)).Approvals.Single(approval => approval.Person == Bob).Void);
        Assert.Empty(_server.Ledger.State.Policies);
        await _admin.ApproveAsync(asked);
        Assert.Single(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task A_proposal_of_somebody_who_lost_the_role_is_stale()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _admin.ApplyAsync(Role("shop-team", $"{Bob}, {Cleo}", approvals: 1));
        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.Aborted);
    }

    [Fact]
    public async Task A_role_that_asks_for_more_by_now_is_heeded_and_one_that_asks_for_less_is_not()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 2));
        Assert.Equal(0ul, (await _bob.ApproveAsync(asked)).AppliedRevision);
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 0));
        Assert.Empty(_server.Ledger.State.Policies);
        var second = await _ann.ProposeAsync(Permit("shop.two"));
        Assert.NotEqual(0ul, (await _bob.ApproveAsync(second)).AppliedRevision);
    }

    [Fact]
    public async Task Is_stale_once_the_same_policy_changed()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _admin.ApplyAsync(Forbid("shop"));
        Assert.NotEmpty((await _ann.FindAsync(asked.Id)).Stale);
        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.Aborted);
        // Also when it is what it was again.
        await _admin.DeleteAsync("shop");
        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.Aborted);
    }

    [Fact]
    public async Task Is_not_stale_when_something_unrelated_changed()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _admin.ApplyAsync(Permit("bank", "{ spiffeId: spiffe://example.org/components/bank }"));
        await _server.CreateTokenAsync();
        Assert.NotEqual(0ul, (await _bob.ApproveAsync(asked)).AppliedRevision);
    }

    [Fact]
    public async Task Expires()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        _server.Time.Shift = asked.ExpiresAt.ToDateTimeOffset() - _server.Time.GetUtcNow() + TimeSpan.FromSeconds(1);
        await RefusedAsync(() => _admin.ApproveAsync(asked), StatusCode.NotFound);
        Assert.Empty((await _admin.Client.ListProposalsAsync(new())).Proposals);
    }

    [Fact]
    public async Task Is_withdrawn_by_its_proposer_or_an_administrator_and_by_nobody_else()
    {
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await RefusedAsync(async () => await _bob.Client.WithdrawAsync(new() { Id = asked.Id }), StatusCode.PermissionDenied);
        await _ann.Client.WithdrawAsync(new() { Id = asked.Id });
        await RefusedAsync(() => _bob.ApproveAsync(asked), StatusCode.NotFound);
    }

    [Fact]
    public async Task Binds_an_administrator_whom_a_role_names_also_in_taking_that_role_away()
    {
        var own = Own();
        await _admin.ApplyAsync(Role("four-eyes", $"{own}, {Ann}", "['*']", "any", approvals: 1));

        Assert.NotNull((await _admin.ApplyAsync(Permit("bank"))).Proposal);
        Assert.NotNull((await _admin.ApplyAsync(Role("four-eyes", $"{own}, {Ann}", "['*']", "any", approvals: 0))).Proposal);
        Assert.NotNull((await _admin.ApplyAsync(Role("friend", "unix:4242", "['*']", "any"))).Proposal);
        var removal = (await _admin.Client.DeletePoliciesAsync(new() { Roles = { "four-eyes" } })).Proposal;
        Assert.NotNull(removal);
        Assert.Empty(_server.Ledger.State.Policies);

        // Those whom the same role binds may agree to it, and nobody else who changes no roles.
        await RefusedAsync(() => _bob.ApproveAsync(removal), StatusCode.PermissionDenied);
        Assert.NotEqual(0ul, (await _ann.ApproveAsync(removal)).AppliedRevision);
        Assert.Null((await _admin.ApplyAsync(Permit("bank"))).Proposal);
    }

    [Fact]
    public async Task A_forbid_is_not_carried_out_from_under_its_lock_step_by_step()
    {
        await _admin.ApplyAsync(Role("guards", $"{Own()}, {Ann}", "[guard, guard.*]", "any", approvals: 1));
        await _admin.ApplyAsync(Permit("shop"), Forbid("guard"));
        Assert.Null((await _admin.ApplyAsync(Forbid("scratch"))).Proposal);

        // Said elsewhere too it is still gone from where it is locked.
        Assert.NotNull((await _admin.DeleteAsync("guard")).Proposal);
        Assert.NotNull((await _admin.ApplyAsync(Forbid("guard", capability: "{ import: wasi:io/poll@0.2.0 }"))).Proposal);
        Assert.Contains("guard", _server.Ledger.State.Policies.Keys);
        Assert.Null((await _admin.DeleteAsync("scratch")).Proposal);

        // Under the same lock it may move.
        Assert.Null((await _admin.ApplyAsync(Forbid("guard.moved"))).Proposal);
        Assert.Null((await _admin.DeleteAsync("guard")).Proposal);
        Assert.NotNull((await _admin.DeleteAsync("guard.moved")).Proposal);
    }

    [Fact]
    public async Task A_locked_forbid_is_not_emptied_by_the_labels_it_is_about()
    {
        const string Teams = $$"""
            kind: CapabilityPolicy
            name: teams
            labels:
              - { name: team, value: shop, subjects: [{ spiffeIdPrefix: {{Shop}} }] }
            rules:
              - { name: only, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org/bank }], capabilities: [start] }
            """;
        await _admin.ApplyAsync(Role("guards", $"{Own()}, {Ann}", "[guard]", "any", approvals: 1));
        await _admin.ApplyAsync(Permit("shop"), Teams);
        Assert.Null((await _admin.ApplyAsync(Forbid("guard", "{ labels: { team: shop } }"))).Proposal);

        Assert.NotNull((await _admin.DeleteAsync("teams")).Proposal);
        Assert.Contains("teams", _server.Ledger.State.Policies.Keys);
        // What has nothing to do with the lock asks nobody.
        Assert.Null((await _admin.ApplyAsync(Permit("shop.more", capability: "{ import: wasi:io/poll@0.2.0 }"))).Proposal);
    }

    [Fact]
    public async Task Who_may_agree_to_a_change_of_roles_may_not_make_it_nor_agree_to_policies_beyond_their_own()
    {
        await _admin.ApplyAsync(Role("four-eyes", $"{Own()}, {Ann}", "[four.eyes]", "any", approvals: 1));
        await RefusedAsync(() => _ann.ApplyAsync(Role("friend", Ann, "['*']", "any")), StatusCode.PermissionDenied);

        var both = new Identity.V1.ApplyPoliciesRequest { Reason = "both" };
        foreach (var text in new[] { Role("friend", "unix:4242"), Permit("bank") }) both.Documents.Add(new Identity.V1.PolicySource { Text = text });
        var asked = (await _admin.Client.ApplyPoliciesAsync(both)).Proposal;
        Assert.NotNull(asked);
        await RefusedAsync(() => _ann.ApproveAsync(asked), StatusCode.PermissionDenied);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("", 3)]
    [InlineData(", spiffe://example.org/people/ann", 3)]
    public async Task A_role_that_nobody_could_ever_change_again_is_refused(string others, int approvals)
    {
        var own = Own();
        // Root is an administrator beside the server's own user, where those are two.
        var members = own == "unix:0" ? own : $"{own}, unix:0";
        var needed = own == "unix:0" ? approvals : Math.Max(approvals, 2);
        await RefusedAsync(() => _admin.ApplyAsync(Role("frozen", members + others, "['*']", "any", approvals: needed)), StatusCode.FailedPrecondition);
        await RefusedAsync(() => _admin.ProposeAsync(Role("frozen", members + others, "['*']", "any", approvals: needed)), StatusCode.FailedPrecondition);
        Assert.Null(_server.Ledger.State.Governance.Roles.Find("frozen"));

        // Nor may such a role lose whoever could agree.
        await _admin.ApplyAsync(Role("frozen", $"{members}, {Ann}, {Bob}, {Cleo}", "['*']", "any", approvals: needed));
        await RefusedAsync(() => _admin.ApplyAsync(Role("frozen", members + others, "['*']", "any", approvals: needed)), StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task Keeps_proposals_and_approvals_over_a_restart_of_the_fold()
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: 2));
        var asked = (await _ann.ApplyAsync(Permit("shop"))).Proposal;
        await _bob.ApproveAsync(asked);
        var before = _server.Ledger.State.Governance.Proposals[asked.Id];

        var fold = new Identity.Server.Ledger.ControlPlaneState.Fold(Identity.Server.Ledger.ControlPlaneState.Empty);
        foreach (var transaction in _server.Ledger.ListTransactions(1000).Reverse()) fold.Apply(transaction.Transaction);
        var after = fold.ToState().Governance.Proposals[asked.Id];

        Assert.Equal(before.Proposal, after.Proposal);
        Assert.Equal(before.Approvals, after.Approvals);
    }

    [Fact]
    public async Task Nobody_opens_proposals_without_end()
    {
        for (var i = 0; i < 20; i++) await _ann.ProposeAsync(Permit($"shop.p{i}"));
        await RefusedAsync(() => _ann.ProposeAsync(Permit("shop.more")), StatusCode.ResourceExhausted);
        await _bob.ProposeAsync(Permit("shop.more"));
    }

    [Fact]
    public async Task Nobody_keeps_others_out_with_large_proposals()
    {
        await _ann.ProposeAsync(Large(0));
        var refused = await Assert.ThrowsAsync<RpcException>(() => _ann.ProposeAsync(Large(1)));
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains("6 MiB", refused.Status.Detail, StringComparison.Ordinal);
        await _bob.ProposeAsync(Large(2));
        await _admin.ProposeAsync(Large(3));

        // Under the four MiB of a message.
        static string[] Large(int number) => [.. Enumerable.Range(0, 4).Select(part => Permit($"shop.p{number}x{part}") + "\n#" + new string('x', 900_000))];
    }

    [Fact]
    public async Task Nobody_fills_the_ledger_by_proposing_and_withdrawing()
    {
        var number = 0;
        var refused = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            for (; number < 24; number++)
            {
                var made = await _ann.ProposeAsync([.. Enumerable.Range(0, 4).Select(part => Permit($"shop.x{part}") + "\n#" + new string('x', 950_000))]);
                await _ann.Client.WithdrawAsync(new() { Id = made.Id });
            }
        });
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains("64 MiB", refused.Status.Detail, StringComparison.Ordinal);
        Assert.InRange(number, 16, 18);
        await _bob.ProposeAsync(Permit("shop"));
        await _admin.ApplyAsync(Permit("shop"));
    }

    private async Task<PolicyWriter> AsAsync(string id) => new(await _server.AsAsync(id));

    // As this process's user everything here is administered.
    private string Own() => $"unix:{_server.Ledger.ListTransactions(1).Single().Transaction.Author["admin:uid=".Length..]}";

    private static async Task RefusedAsync(Func<Task> call, StatusCode code)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal(code, refused.StatusCode);
    }
}
