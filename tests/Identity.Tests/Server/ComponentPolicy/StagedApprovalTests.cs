// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A change that others must approve is approved first, then tried, then in force; what it rests on is asked at every step.</summary>
public sealed class StagedApprovalTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Bob = "spiffe://example.org/people/bob";
    private const string Cleo = "spiffe://example.org/people/cleo";
    private const string Clocks = "{ import: wasi:clocks/wall-clock@0.2.0 }";
    private const string Poll = "{ import: wasi:io/poll@0.2.0 }";

    private StagingServer _staging = null!;
    private PolicyWriter _ann = null!;
    private PolicyWriter _bob = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Permit("shop", capability: $"start, {Clocks}"), Team());
        _ann = new PolicyWriter(await _staging.Server.AsAsync(Ann));
        _bob = new PolicyWriter(await _staging.Server.AsAsync(Bob));
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    [Fact]
    public async Task Is_approved_then_tried_then_in_force_and_says_whose_word_it_was()
    {
        var asked = await StageAsync(_ann, [Permit("shop.more", capability: Poll)]);
        Assert.Equal("waits for approval", asked.State);
        Assert.Equal((1u, "shadow,warn,enforce"), (asked.Proposal.Stage.SoakSeconds, string.Join(',', asked.Proposal.Stage.Through)));

        var approved = await _bob.ApproveAsync(asked.Proposal);
        Assert.Equal(0UL, approved.AppliedRevision);
        Assert.Equal("soaking", approved.Staged.State);
        Assert.DoesNotContain("shop.more", _staging.Server.Ledger.State.Policies.Keys);
        Assert.Empty((await _ann.Client.ListProposalsAsync(new())).Proposals);

        var end = await _staging.EndOfAsync(approved.Staged);
        Assert.Equal(("in force", Ann), (end.State, end.Person));
        Assert.Equal([Bob], end.Approvals.Select(given => given.Person));
        Assert.Equal(Ann, _staging.Server.Ledger.State.Policies["shop.more"].Author);
    }

    [Fact]
    public async Task Stops_when_it_would_deny_something_that_runs_however_many_agreed()
    {
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0"]);
        var asked = await StageAsync(_ann, [Permit("shop", capability: $"start, {Poll}")]);
        var staged = (await _bob.ApproveAsync(asked.Proposal)).Staged;
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("wasi:clocks/wall-clock@0.2.0", end.Explanation, StringComparison.Ordinal);
        Assert.Contains(Clocks, _staging.Server.Ledger.State.Policies["shop"].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_approval_to_try_it_is_none_to_put_it_into_force_at_once_nor_to_try_it_otherwise()
    {
        string[] documents = [Permit("shop.more", capability: Poll)];
        var slow = (await StageAsync(_ann, documents, 3600)).Proposal;
        var quick = (await StageAsync(_ann, documents)).Proposal;
        var plain = await _ann.ProposeAsync(documents);
        Assert.Equal(3, new[] { slow.Hash, quick.Hash, plain.Hash }.Distinct().Count());
        foreach (var other in new[] { quick, plain })
            Assert.Equal(StatusCode.Aborted, (await Assert.ThrowsAsync<RpcException>(async () => await _bob.Client.ApproveAsync(new() { Id = other.Id, Hash = slow.Hash }))).StatusCode);
        Assert.Equal("soaking", (await _bob.ApproveAsync(slow)).Staged.State);
        Assert.DoesNotContain("shop.more", _staging.Server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Is_proposed_to_be_tried_also_where_no_role_demands_it()
    {
        var request = new ProposeRequest { Reason = "a test", Stage = new() { SoakSeconds = 1, Through = { "warn", "enforce" } } };
        request.Documents.Add(new PolicySource { Text = Forbid("shop.guard", capability: Poll) });
        var staged = (await _bob.ApproveAsync(await _ann.Client.ProposeAsync(request))).Staged;
        Assert.Equal("in force", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Stops_when_an_approver_lost_the_role_while_it_soaked()
    {
        var staged = (await _bob.ApproveAsync((await StageAsync(_ann, [Permit("shop.more", capability: Poll)], 3600)).Proposal)).Staged;
        await _staging.Admin.ApplyAsync(Role("shop-team", $"{Ann}, {Cleo}", approvals: 1));
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("0 count by now, and 1 are needed", end.Explanation, StringComparison.Ordinal);
        Assert.NotEmpty(end.Approvals.Single().Void);
    }

    [Fact]
    public async Task Stops_when_more_must_agree_by_now()
    {
        var staged = (await _bob.ApproveAsync((await StageAsync(_ann, [Permit("shop.more", capability: Poll)], 3600)).Proposal)).Staged;
        await _staging.Admin.ApplyAsync(Team(approvals: 2));
        Assert.Contains("1 count by now, and 2 are needed", (await _staging.EndOfAsync(staged)).Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stops_when_its_author_lost_the_role_while_it_soaked()
    {
        var staged = (await _bob.ApproveAsync((await StageAsync(_ann, [Permit("shop.more", capability: Poll)], 3600)).Proposal)).Staged;
        await _staging.Admin.ApplyAsync(Role("shop-team", $"{Bob}, {Cleo}", approvals: 1));
        Assert.Contains(Ann, (await _staging.EndOfAsync(staged)).Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stops_when_it_would_give_something_else_than_what_was_approved()
    {
        await _staging.Admin.ApplyAsync(Forbid("lid", capability: Poll));
        var staged = (await _bob.ApproveAsync((await StageAsync(_ann, [Permit("shop.more", capability: Poll), Permit("shop.clocks", capability: "{ import: wasi:io/error@0.2.0 }")], 3600)).Proposal)).Staged;
        await _staging.Admin.DeleteAsync("lid");
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("something else", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Survives_a_restart_with_its_approvals()
    {
        var staged = (await _bob.ApproveAsync((await StageAsync(_ann, [Permit("shop.more", capability: Poll)], 2)).Proposal)).Staged;
        await _staging.Server.RestartAsync();
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal(("in force", Bob), (end.State, end.Approvals.Single().Person));
    }

    [Fact]
    public async Task Refuses_to_try_roles_and_plans_that_are_none()
    {
        foreach (var (document, plan) in new (string, StagePlan)[]
        {
            (Team(2), new() { SoakSeconds = 1 }),
            (Permit("shop.more", capability: Poll), new() { SoakSeconds = 0 }),
            (Permit("shop.more", capability: Poll), new() { SoakSeconds = 1, Through = { "enforce", "warn" } }),
            (Permit("shop.more", capability: Poll), new() { SoakSeconds = 1, Through = { "at once" } }),
        })
        {
            var request = new ProposeRequest { Reason = "a test", Stage = plan, Documents = { new PolicySource { Text = document } } };
            Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(async () => await _staging.Admin.Client.ProposeAsync(request))).StatusCode);
        }

        Assert.Empty((await _staging.Admin.Client.ListProposalsAsync(new())).Proposals);
    }

    [Fact]
    public async Task The_last_approval_is_refused_whole_while_too_many_are_tried()
    {
        var asked = (await StageAsync(_ann, [Permit("shop.more", capability: Poll)], 3600)).Proposal;
        for (var i = 0; i < 16; i++) await StageAsync(_staging.Admin, [Permit($"other{i}", capability: Poll)], 3600);
        Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => _bob.ApproveAsync(asked))).StatusCode);
        Assert.Empty((await _ann.FindAsync(asked.Id)).Approvals);
        var one = (await _staging.Admin.Client.ListStagesAsync(new())).Stages[0];
        await _staging.Admin.Client.AbortStageAsync(new() { Id = one.Id });
        Assert.NotNull((await _bob.ApproveAsync(asked)).Staged);
    }

    private static string Team(int approvals = 1) => Role("shop-team", $"{Ann}, {Bob}, {Cleo}", approvals: approvals);

    private Task<StagedChange> StageAsync(PolicyWriter by, string[] documents, uint soak = 1) => _staging.StageAsync(documents, soak, by: by);
}
