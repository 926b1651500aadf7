// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.Server.ComponentPolicy;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Whoever asks for comparisons shares what was compared before, and takes no more than a little room.</summary>
public sealed class PolicyComparisonsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ShiftedTime _time = new();

    [Fact]
    public async Task What_was_compared_is_not_compared_again_until_a_rule_of_it_expires()
    {
        using var comparisons = new PolicyComparisons(_time, atOnce: 1, maxWaiting: 1);
        var compared = 0;
        Task<DifferenceSummary> AskAsync(ulong before, string after) => comparisons.OfAsync(
            new(before, after),
            () =>
            {
                compared++;
                return Summary(_time.GetUtcNow() + TimeSpan.FromDays(1));
            },
            CancellationToken.None);

        var first = await AskAsync(1, "p-a");
        Assert.Same(first, await AskAsync(1, "p-a"));
        Assert.NotSame(first, await AskAsync(1, "p-b"));
        Assert.NotSame(first, await AskAsync(2, "p-a"));
        Assert.Equal(3, compared);

        _time.Shift = TimeSpan.FromDays(2);
        Assert.NotSame(first, await AskAsync(1, "p-a"));
        Assert.Equal(4, compared);
    }

    [Fact]
    public async Task Who_waits_for_the_same_is_given_what_the_first_one_found()
    {
        using var comparisons = new PolicyComparisons(_time, atOnce: 1, maxWaiting: 10);
        using var enough = new ManualResetEventSlim();
        var compared = 0;
        var answers = Enumerable.Range(0, 5).Select(_ => comparisons.OfAsync(
            new(1, "2"),
            () =>
            {
                Assert.True(enough.Wait(Patience));
                Interlocked.Increment(ref compared);
                return Summary(DateTimeOffset.MaxValue);
            },
            CancellationToken.None)).ToArray();
        enough.Set();
        Assert.Single((await Task.WhenAll(answers)).Distinct());
        Assert.Equal(1, compared);
    }

    [Fact]
    public async Task When_too_many_wait_whoever_asks_next_is_refused_and_told_so()
    {
        using var comparisons = new PolicyComparisons(_time, atOnce: 2, maxWaiting: 3);
        using var enough = new ManualResetEventSlim();
        var running = Enumerable.Range(0, 5).Select(_ => comparisons.RunAsync(() => enough.Wait(Patience), CancellationToken.None)).ToArray();

        var refused = await Assert.ThrowsAsync<RpcException>(() => comparisons.RunAsync(() => true, CancellationToken.None));
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains("2 comparisons of policies, or looks into the past, run and 3 more wait already", refused.Status.Detail, StringComparison.Ordinal);

        enough.Set();
        Assert.All(await Task.WhenAll(running), Assert.True);
        Assert.True(await comparisons.RunAsync(() => true, CancellationToken.None));
    }

    [Fact]
    public async Task Who_stops_waiting_or_fails_takes_no_room_any_more()
    {
        using var comparisons = new PolicyComparisons(_time, atOnce: 1, maxWaiting: 1);
        using var enough = new ManualResetEventSlim();
        using var gone = new CancellationTokenSource();
        var running = comparisons.RunAsync(() => enough.Wait(Patience), CancellationToken.None);
        var waiting = comparisons.RunAsync(() => true, gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        enough.Set();
        await running;
        for (var i = 0; i < 3; i++) await Assert.ThrowsAsync<InvalidOperationException>(() => comparisons.RunAsync<bool>(() => throw new InvalidOperationException(), CancellationToken.None));
        Assert.True(await comparisons.RunAsync(() => true, CancellationToken.None));
    }

    [Fact]
    public async Task Asking_for_proposals_for_stages_or_for_the_past_is_bounded_and_writing_goes_on()
    {
        await using var server = await RegistryServer.StartAsync();
        var admin = new PolicyWriter(server.Admin);
        var one = (await admin.ApplyAsync(Permit("shop"))).Revision;
        var two = (await admin.ApplyAsync(Permit("other"), Role("ops", "unix:4711"))).Revision;
        var proposal = await admin.ProposeAsync(Permit("shop.more"));
        var known = await admin.Client.DiffRevisionsAsync(new() { FromRevision = one, ToRevision = two });

        var comparisons = server.Service<PolicyComparisons>();
        using var enough = new ManualResetEventSlim();
        var running = new List<Task>();
        while (running.All(task => !task.IsFaulted)) running.Add(comparisons.RunAsync(() => enough.Wait(Patience), CancellationToken.None));

        Func<Task>[] asked =
        [
            async () => await admin.FindAsync(proposal.Id),
            async () => await admin.Client.DiffRevisionsAsync(new() { FromRevision = two, ToRevision = one }),
            async () => await admin.Client.DecideAtAsync(new() { AtRevision = one, SpiffeId = Shop, Request = "start" }),
            // Each of these reads documents anew: of all that is open, or of what was in force once.
            async () => await admin.Client.ListProposalsAsync(new()),
            async () => await admin.Client.ListStagesAsync(new()),
            async () => await admin.Client.GetPoliciesAsync(new() { AtRevision = one }),
            async () => await admin.Client.ListRolesAsync(new() { AtRevision = one }),
            async () => await admin.Client.ListRevisionsAsync(new()),
        ];
        foreach (var ask in asked) Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(ask)).StatusCode);
        // What is known, what costs nothing, and changes are not in the way of it.
        Assert.Equal(known, await admin.Client.DiffRevisionsAsync(new() { FromRevision = one, ToRevision = two }));
        Assert.Equal(2, (await admin.Client.GetPoliciesAsync(new())).Policies.Count);
        Assert.Single((await admin.Client.ListRolesAsync(new())).Policies);
        Assert.True((await admin.Client.DecideAtAsync(new() { SpiffeId = Shop, Request = "start" })).Allowed);
        await admin.ApplyAsync(Permit("another"));

        enough.Set();
        await Task.WhenAll(running.Where(task => !task.IsFaulted));
        Assert.Equal(proposal.Id, (await admin.FindAsync(proposal.Id)).Id);
        Assert.Single((await admin.Client.GetPoliciesAsync(new() { AtRevision = one })).Policies);
        Assert.Empty((await admin.Client.ListRolesAsync(new() { AtRevision = one })).Policies);
        Assert.Single((await admin.Client.ListProposalsAsync(new())).Proposals);
    }

    private static DifferenceSummary Summary(DateTimeOffset until) => new(false, false, default, new([], 0), new([], 0), until) { LiftedFrom = [], Moved = [] };
}
