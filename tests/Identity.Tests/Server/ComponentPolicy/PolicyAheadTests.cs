// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.Endpoints;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What a change would do is compared before its turn, once, and holds up nobody else.</summary>
public sealed class PolicyAheadTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Bob = "spiffe://example.org/people/bob";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private RegistryServer _server = null!;
    private PolicyWriter _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyWriter(_server.Admin);
        await _admin.ApplyAsync(Permit("first"));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_change_that_takes_long_to_compare_holds_up_nobody_elses()
    {
        using var comparing = new ManualResetEventSlim();
        using var enough = new ManualResetEventSlim();
        var slow = _server.Service<PolicyRegistry>().DecideAsync<int>(
            "somebody",
            _ =>
            {
                comparing.Set();
                Assert.True(enough.Wait(Patience));
                return new(1, [], "");
            },
            CancellationToken.None);
        Assert.True(comparing.Wait(Patience));

        Assert.NotEqual(0ul, (await _admin.ApplyAsync(Permit("shop"))).Revision);
        await _admin.ProposeAsync(Permit("shop.more"));

        Assert.False(slow.IsCompleted);
        enough.Set();
        Assert.Equal(1, (await slow).Answer);
    }

    [Fact]
    public async Task A_change_that_others_overtake_is_compared_anew_and_in_its_turn_at_the_third_time()
    {
        var seen = new List<ulong>();
        var (_, state) = await _server.Service<PolicyRegistry>().DecideAsync<int>(
            "somebody",
            at =>
            {
                seen.Add(PolicyProposals.Base(at));
                // Within the turn this would wait for itself.
                if (seen.Count < 3) _admin.ApplyAsync(Permit($"p{seen.Count}")).GetAwaiter().GetResult();
                return new(0, [], "");
            },
            CancellationToken.None);

        Assert.Equal(3, seen.Distinct().Count());
        Assert.Equal(PolicyProposals.Base(state), seen[^1]);
    }

    [Fact]
    public async Task What_a_change_would_do_is_compared_anew_only_when_a_policy_or_a_role_changed_or_a_rule_expired()
    {
        var effects = new PolicyEffects(_server.Time);
        var whole = PolicyEditParser.Parse([new PolicySource { Text = Permit("shop") }], [], []);
        PolicyEffect Now() => effects.In(_server.Ledger.State, () => whole.Against(_server.Ledger.State));
        var first = Now().Difference;

        await _server.CreateTokenAsync();
        Assert.Same(first, Now().Difference);
        Assert.Same(_server.Ledger.State, Now().State);

        await _admin.ApplyAsync(Permit("other").Replace("capabilities: [start]", "capabilities: [start], expires: 2099-01-01T00:00:00Z, reason: a trial", StringComparison.Ordinal));
        var second = Now().Difference;
        Assert.NotSame(first, second);
        Assert.Equal(new DateTimeOffset(2099, 1, 1, 0, 0, 0, TimeSpan.Zero), second.HoldsUntil);

        await _admin.ApplyAsync(Role("shop-team", Ann));
        var third = Now().Difference;
        Assert.NotSame(second, third);

        _server.Time.Shift = TimeSpan.FromDays(100 * 365);
        Assert.NotSame(third, Now().Difference);
        Assert.Equal(DateTimeOffset.MaxValue, Now().Difference.HoldsUntil);
    }

    [Theory]
    [InlineData("propose")]
    [InlineData("stage")]
    [InlineData("stage what needs approval")]
    [InlineData("approve")]
    [InlineData("withdraw")]
    [InlineData("roll back")]
    public async Task A_busy_ledger_keeps_no_costly_change_out(string what)
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}", approvals: what == "stage" ? 0 : 1), Costly("shop", 0));
        var (ann, bob) = (new PolicyWriter(await _server.AsAsync(Ann)), new PolicyWriter(await _server.AsAsync(Bob)));
        var proposal = what is "approve" or "withdraw" ? await ann.ProposeAsync(Costly("shop", 1)) : null;
        var was = _server.Ledger.State.PolicyRevision;
        // Something else changed, so that what was proposed has to be compared anew.
        await _admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/other }"));

        using var over = new CancellationTokenSource();
        var busy = Task.WhenAll(Enumerable.Range(0, 2).Select(async _ =>
        {
            while (!over.IsCancellationRequested) await _server.CreateTokenAsync();
        }));
        var stage = new StageRequest { Reason = "a test", SoakSeconds = 3600, Documents = { new PolicySource { Text = Costly("shop", 1) } } };
        _ = what switch
        {
            "propose" => (await ann.ProposeAsync(Costly("shop", 1))).Id,
            "approve" => (await bob.ApproveAsync(proposal!)).Proposal.Id,
            "roll back" => $"{(await _admin.Client.RollbackAsync(new() { ToRevision = was, ExpectedRevision = _server.Ledger.State.Revision, Reason = "a test" })).Revision}",
            "withdraw" => (await ann.Client.WithdrawAsync(new() { Id = proposal!.Id })).Id,
            _ => (await ann.Client.StageAsync(stage)).Id,
        };
        await over.CancelAsync();
        await busy;
    }

    [Fact]
    public async Task Nobody_has_more_than_sixteen_changes_under_way_and_others_have_theirs()
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}"));
        var (ann, bob) = (new PolicyWriter(await _server.AsAsync(Ann)), new PolicyWriter(await _server.AsAsync(Bob)));
        var registry = _server.Service<PolicyRegistry>();
        var caller = new Caller.PolicyAuthor(PolicyPerson.TryParse(Ann, out var person, out _) ? person : throw new InvalidOperationException());
        var places = Enumerable.Range(0, 16).Select(_ => registry.Enter(caller)).ToList();

        // Whatever it is about, and before it is read: this document is none.
        Func<Task>[] asked =
        [
            () => ann.ApplyAsync("no document"), () => ann.DeleteAsync("shop"), () => ann.ProposeAsync("no document"),
            async () => await ann.Client.StageAsync(new() { Reason = "a test", Documents = { new PolicySource { Text = "no document" } } }),
            async () => await ann.Client.RollbackAsync(new() { ToRevision = 1, Reason = "a test" }),
            async () => await ann.Client.ApproveAsync(new() { Id = "p-unknown" }),
            async () => await ann.Client.WithdrawAsync(new() { Id = "p-unknown" }),
            async () => await ann.Client.AbortStageAsync(new() { Id = "s-unknown", Reason = "a test" }),
            async () => await ann.Client.ConfirmStageAsync(new() { Id = "s-unknown", Reason = "a test" }),
        ];
        foreach (var ask in asked)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(ask);
            Assert.Equal((StatusCode.ResourceExhausted, $"{Ann} has 16 changes of policy under way already; wait for one of them, and try again; nothing was changed"), (refused.StatusCode, refused.Status.Detail));
        }

        await bob.ApplyAsync(Permit("shop"));
        await _admin.ApplyAsync(Permit("other"));
        places[0].Dispose();
        places[0].Dispose();
        await ann.ApplyAsync(Permit("shop.more"));
        using (registry.Enter(caller)) Assert.Throws<RpcException>(() => registry.Enter(caller));
        places.ForEach(place => place.Dispose());
    }

    [Fact]
    public async Task Authors_take_turns_however_many_changes_one_of_them_has_and_administrators_wait_for_no_one()
    {
        using var lanes = new AuthorLanes(atOnce: 1, maxOfOne: 100);
        using var enough = new ManualResetEventSlim();
        using var first = new ManualResetEventSlim();
        var order = new System.Collections.Concurrent.ConcurrentQueue<string>();
        List<Task> all =
        [
            lanes.RunAsync("ann", () =>
            {
                first.Set();
                Assert.True(enough.Wait(Patience));
            }, CancellationToken.None),
        ];
        Assert.True(first.Wait(Patience));
        for (var at = 0; at < 20; at++) all.Add(lanes.RunAsync("ann", () => order.Enqueue("ann"), CancellationToken.None));
        all.Add(lanes.RunAsync("bob", () => order.Enqueue("bob"), CancellationToken.None));
        await lanes.RunAsync("admin:uid=0", () => order.Enqueue("admin"), CancellationToken.None);

        // Who gives up takes no turn, and leaves the others theirs.
        using var over = new CancellationTokenSource();
        var given = lanes.RunAsync("ann", () => order.Enqueue("never"), over.Token);
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        enough.Set();
        await Task.WhenAll(all).WaitAsync(Patience);
        Assert.Equal(22, order.Count);
        Assert.Equal("admin", order.First());
        Assert.InRange(order.ToList().IndexOf("bob"), 1, 2);
        Assert.DoesNotContain("never", order);
    }

    [Fact]
    public async Task What_is_withdrawn_is_answered_without_comparing_it()
    {
        var proposal = await _admin.ProposeAsync(Permit("shop", capability: "{ natsPublish: orders.new }"));
        Assert.NotEmpty(proposal.Gained);

        var withdrawn = await _admin.Client.WithdrawAsync(new() { Id = proposal.Id });

        Assert.Equal((proposal.Id, proposal.Hash), (withdrawn.Id, withdrawn.Hash));
        Assert.Empty(withdrawn.Gained);
    }

    // A comparison of two of these takes longer than many other writes.
    private static string Costly(string name, int salt) =>
        $"kind: CapabilityPolicy\nname: {name}\nrules:\n"
        + string.Concat(Enumerable.Range(0, 80).Select(number =>
            $"  - {{ name: p{number}, effect: permit, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{{ natsPublish: 'a.*.{number}.{salt}.>' }}] }}\n"
            + $"  - {{ name: f{number}, effect: forbid, subjects: [{{ spiffeIdPrefix: {Shop}/x{number} }}], capabilities: [{{ natsPublish: 'a.{number}.>' }}] }}\n"));
}
