// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using ShadowOutcome = Identity.V1.ShadowOutcome;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class PolicyQuestionsTests : PolicyServerTest
{
    [Fact]
    public async Task Decides_as_the_policy_of_a_past_revision_did()
    {
        var permitted = (await _admin.ApplyAsync(Permit("shop"))).Revision;
        var forbidden = (await _admin.ApplyAsync(Forbid("guard"))).Revision;
        var gone = (await _admin.DeleteAsync("shop", "guard")).Revision;

        Assert.Equal((true, "shop/only", permitted), Told(await AskAsync(permitted)));
        Assert.Equal((false, "guard/only", forbidden), Told(await AskAsync(forbidden)));
        Assert.Equal((false, "", gone), Told(await AskAsync(gone)));
        Assert.Equal((false, "", gone), Told(await AskAsync(0)));
        Assert.Equal((false, "", 0ul), Told(await AskAsync(permitted - 1)));
        Assert.NotEmpty((await AskAsync(gone)).SmallestGrant);
    }

    [Fact]
    public async Task Decides_as_of_another_time()
    {
        var expires = _server.Time.GetUtcNow() + TimeSpan.FromDays(1);
        await _admin.ApplyAsync(Permit("shop").Replace("capabilities: [start] }", $"capabilities: [start], expires: {expires:yyyy-MM-ddTHH:mm:ssZ}, reason: a trial }}", StringComparison.Ordinal));
        Assert.True((await AskAsync(0)).Allowed);
        Assert.False((await AskAsync(0, at: expires + TimeSpan.FromSeconds(1))).Allowed);
    }

    [Fact]
    public async Task Decides_by_the_clock_of_the_revision_that_is_asked_about_and_says_by_which()
    {
        var expires = _server.Time.GetUtcNow() + TimeSpan.FromDays(1);
        var exception = (await _admin.ApplyAsync(Permit("shop").Replace("capabilities: [start] }", $"capabilities: [start], expires: {expires:yyyy-MM-ddTHH:mm:ssZ}, reason: a trial }}", StringComparison.Ordinal))).Revision;
        var written = _server.Ledger.ReadTransactions([exception]).Single().Transaction.At;
        _server.Time.Shift = TimeSpan.FromDays(2);
        var later = (await _admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/other }"))).Revision;

        var then = await AskAsync(exception);
        Assert.Equal((true, "shop/only", written), (then.Allowed, then.Rule, then.AtTime));
        // The exception is in force still as a document, and has ended: by the clock of the later revision, and by today's.
        Assert.False((await AskAsync(later)).Allowed);
        var now = await AskAsync(0);
        Assert.Equal((false, true), (now.Allowed, now.AtTime.ToDateTimeOffset() > expires));
        // A time that is named goes before.
        var named = await AskAsync(exception, at: expires);
        Assert.Equal((false, expires), (named.Allowed, named.AtTime.ToDateTimeOffset()));
    }

    [Fact]
    public async Task A_forbid_about_what_is_not_told_forbids_and_about_what_is_absent_does_not()
    {
        await _admin.ApplyAsync(Permit("shop"), Forbid("guard", "{ namespace: bank }"));
        Assert.False((await AskAsync(0)).Allowed);
        var request = Question(0);
        request.KnownAbsent.AddRange(["digest", "signer", "image", "host", "namespace", "lattice"]);
        Assert.True((await _admin.Client.DecideAtAsync(request)).Allowed);
    }

    [Fact]
    public async Task Offers_no_grant_where_the_question_told_too_little_and_says_what()
    {
        await _admin.ApplyAsync(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, image: ghcr.io/shop/cart:1.0, hostPrefix: spiffe://example.org/hosts }}"));

        var answer = await AskAsync(0);

        Assert.Equal((false, "", "image,host"), (answer.Allowed, answer.SmallestGrant, string.Join(',', answer.Untold)));
        var told = Question(0);
        (told.Image, told.Host) = ("ghcr.io/shop/cart:1.0", "spiffe://example.org/elsewhere");
        answer = await _admin.Client.DecideAtAsync(told);
        Assert.Empty(answer.Untold);
        Assert.NotEmpty(answer.SmallestGrant);
    }

    [Theory]
    [InlineData("", "start")]
    [InlineData("not an id", "start")]
    [InlineData(Shop, "")]
    [InlineData(Shop, "fly high")]
    public async Task Refuses_a_question_that_cannot_be_understood(string id, string request)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await _admin.Client.DecideAtAsync(new() { SpiffeId = id, Request = request }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task Says_what_one_revision_lets_anybody_do_that_another_does_not()
    {
        var one = (await _admin.ApplyAsync(Permit("shop"))).Revision;
        var two = (await _admin.ApplyAsync(Permit("shop", capability: "start, { import: wasi:sockets/tcp@0.2.0 }"))).Revision;

        var wider = await _admin.Client.DiffRevisionsAsync(new() { FromRevision = one });
        var narrower = await _admin.Client.DiffRevisionsAsync(new() { FromRevision = two, ToRevision = one });
        var same = await _admin.Client.DiffRevisionsAsync(new() { FromRevision = two, ToRevision = two });

        Assert.Contains("wasi:sockets/tcp@0.2.0", Assert.Single(wider.Gained), StringComparison.Ordinal);
        Assert.Empty(wider.Lost);
        Assert.Equal(wider.Gained, narrower.Lost);
        Assert.Empty(same.Gained.Concat(same.Lost));
    }

    [Fact]
    public async Task Counts_what_rules_in_mode_shadow_would_have_done_and_only_those()
    {
        await _admin.ApplyAsync(Permit("shop"), Forbid("trial").Replace("effect: forbid", "effect: forbid, mode: shadow", StringComparison.Ordinal));
        var counts = _server.Service<ShadowCounts>();
        var decision = new Identity.V1.Decision { Id = "d-aaaaaaaaaaaaaaaaaaaaaaaaaa" };
        decision.Shadow.AddRange(
        [
            new Identity.V1.ShadowOutcome { Rule = "trial/only" }, new Identity.V1.ShadowOutcome { Rule = "trial/none" }, new Identity.V1.ShadowOutcome { Rule = "shop/only" },
            new Identity.V1.ShadowOutcome { Rule = "x" }, new Identity.V1.ShadowOutcome { Rule = "/" },
        ]);
        counts.RecordReported(decision, _server.Ledger.State.Policy);
        counts.Record(new RuleReference("trial", "only"), wouldAllow: true);

        var count = Assert.Single((await _admin.Client.ListShadowCountsAsync(new())).Counts);

        Assert.Equal(("trial/only", 1ul, 1ul, decision.Id), (count.Rule, count.WouldAllow, count.WouldDeny, count.Example));
        Assert.True(count.FirstSeen <= count.LastSeen);
    }

    [Fact]
    public void Counts_no_more_rules_than_it_has_room_for()
    {
        var counts = new ShadowCounts(TimeProvider.System);
        for (var i = 0; i <= ShadowCounts.MaxRules; i++) counts.Record(new RuleReference("p", $"r{i}"), wouldAllow: false);
        Assert.Equal((ShadowCounts.MaxRules, 1ul), (counts.List().Counts.Count, counts.List().NotCounted));
    }

    [Theory]
    [InlineData(long.MaxValue, 0)]
    [InlineData(long.MinValue, 0)]
    [InlineData(0, -1)]
    [InlineData(0, int.MaxValue)]
    public async Task A_moment_that_is_none_is_refused_by_its_name(long seconds, int nanos)
    {
        var request = Question(0);
        request.AtTime = new Timestamp { Seconds = seconds, Nanos = nanos };
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await _admin.Client.DecideAtAsync(request));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.StartsWith($"at_time is {seconds} s and {nanos} ns; expected", refused.Status.Detail, StringComparison.Ordinal);
    }

    private static (bool, string, ulong) Told(DecideAtResponse answer) => (answer.Allowed, answer.Rule, answer.PolicyRevision);

    private async Task<DecideAtResponse> AskAsync(ulong revision, DateTimeOffset? at = null)
    {
        var request = Question(revision);
        if (at is { } time) request.AtTime = Timestamp.FromDateTimeOffset(time);
        return await _admin.Client.DecideAtAsync(request);
    }

    private static DecideAtRequest Question(ulong revision) => new() { AtRevision = revision, SpiffeId = $"{Shop}/cart", Request = "start" };
}
