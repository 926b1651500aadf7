// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.ComponentPolicy;
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
            SomebodyElse(),
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
            SomebodyElse(),
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
    public async Task A_busy_ledger_keeps_no_costly_change_out(string what)
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}, {Bob}", approvals: what == "stage" ? 0 : 1), Costly("shop", 0));
        var (ann, bob) = (new PolicyWriter(await _server.AsAsync(Ann)), new PolicyWriter(await _server.AsAsync(Bob)));
        var proposal = what is "approve" or "withdraw" ? await ann.ProposeAsync(Costly("shop", 1)) : null;
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
            "withdraw" => (await ann.Client.WithdrawAsync(new() { Id = proposal!.Id })).Id,
            _ => (await ann.Client.StageAsync(stage)).Id,
        };
        await over.CancelAsync();
        await busy;
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

    // Several people may share a lane, and it is another one in every process.
    private string SomebodyElse()
    {
        var administrator = PolicyRegistry.LaneOf(_server.Ledger.ListTransactions(1)[0].Transaction.Author);
        return Enumerable.Range(0, 1000).Select(number => $"somebody-{number}").First(name => PolicyRegistry.LaneOf(name) != administrator);
    }

    // A comparison of two of these takes longer than many other writes.
    private static string Costly(string name, int salt) =>
        $"kind: CapabilityPolicy\nname: {name}\nrules:\n"
        + string.Concat(Enumerable.Range(0, 80).Select(number =>
            $"  - {{ name: p{number}, effect: permit, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{{ natsPublish: 'a.*.{number}.{salt}.>' }}] }}\n"
            + $"  - {{ name: f{number}, effect: forbid, subjects: [{{ spiffeIdPrefix: {Shop}/x{number} }}], capabilities: [{{ natsPublish: 'a.{number}.>' }}] }}\n"));
}
