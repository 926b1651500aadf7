using System.Text;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>What is said when there was no time, and how much is remembered.</summary>
public sealed class PolicyResponderTests
{
    private const string Policy = """
        kind: CapabilityPolicy
        name: lattice
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/wasmcloud/default/cart" }]
            capabilities: [start]
        """;

    private readonly GivenAnswers _given = new(3, 3);

    [Fact]
    public async Task Too_late_without_a_changes_topic_is_no_answer_for_the_host_would_keep_a_refusal()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var judgement = Responder(world, canCorrect: false).RefuseLate(Start("r-1", "cart"));
        Assert.Null(judgement.Response);
        Assert.Null(judgement.Given);
    }

    [Fact]
    public async Task Too_late_with_one_is_a_refusal_that_the_true_answer_follows()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var responder = Responder(world, canCorrect: true);
        var judgement = responder.RefuseLate(Start("r-1", "cart"));
        Assert.Equal(("r-1", false), (judgement.Response!.RequestId, judgement.Response.Permitted));
        _given.Add(judgement.Given!);
        _given.Add(responder.RefuseLate(Start("r-2", "other")).Given!);
        var changed = Assert.Single(responder.Review()).Response;
        Assert.Equal(("r-1", true), (changed.RequestId, changed.Permitted));
        Assert.Empty(responder.Review());
    }

    [Fact]
    public async Task Too_late_and_malformed_is_no_answer()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        Assert.Null(Responder(world, canCorrect: true).RefuseLate("{}"u8.ToArray()).Response);
    }

    [Fact]
    public async Task An_answer_is_looked_at_again_when_policy_has_changed_and_for_nothing_else()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var judgement = Responder(world, canCorrect: true).Judge(Start("r-1", "cart"));
        var late = Responder(world, canCorrect: true).RefuseLate(Start("r-2", "other"));
        var before = world.Server.Ledger.State.Revision;
        await world.Server.CreateTokenAsync();

        Assert.NotEqual(before, world.Server.Ledger.State.Revision);
        Assert.False(judgement.MayBeOutdated(world.Server.Ledger.State));
        Assert.True(late.MayBeOutdated(world.Server.Ledger.State));
        await world.ApplyAsync(Policy.Replace("effect: permit", "effect: forbid", StringComparison.Ordinal));
        Assert.True(judgement.MayBeOutdated(world.Server.Ledger.State));
    }

    [Fact]
    public async Task Zero_instances_of_what_is_denied_are_denied_where_the_yes_could_not_be_taken_back()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        _given.Add(new GivenAnswer(Request("r-1", "cart", 1), Permitted: true, ValidUntil: null));
        var stop = Start("r-2", "cart", 0).ToArray();
        Assert.True(Responder(world, canCorrect: false).Judge(stop).Response!.Permitted);
        await world.ApplyAsync(Policy.Replace("effect: permit", "effect: forbid", StringComparison.Ordinal));
        Assert.False(Responder(world, canCorrect: false).Judge(stop).Response!.Permitted);
        var judgement = Responder(world, canCorrect: true).Judge(stop);
        Assert.True(judgement.Response!.Permitted);
        Assert.False(judgement.Correction!.Response.Permitted);
        Assert.False(judgement.Correction.After.Permitted);
        Assert.Same(judgement.Given, judgement.Correction.Before);
    }

    [Fact]
    public async Task An_id_stands_for_the_first_question_that_came_with_it_so_nobody_is_told_anothers_answer()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var responder = Responder(world, canCorrect: true);
        var mine = responder.Judge(Start("r-1", "evil"));
        Assert.False(mine.Response!.Permitted);
        _given.Add(mine.Given!);

        // A peer saw the id, and asks for something that is permitted now, or will be.
        foreach (var foreign in new[] { Start("r-1", "cart"), Start("r-1", "other"), Start("r-1", "evil", 2) })
        {
            var judgement = responder.Judge(foreign);
            Assert.False(judgement.Response!.Permitted);
            Assert.Contains("that of another question", judgement.Response.Message, StringComparison.Ordinal);
            Assert.Null(judgement.Given);
            Assert.Null(responder.RefuseLate(foreign).Response);
        }

        await world.ApplyAsync(Policy.Replace("default/cart", "default/other", StringComparison.Ordinal));
        Assert.Empty(responder.Review());
        Assert.Equal("evil", Assert.Single(_given.ToList()).Request.Id);
        Assert.False(responder.Judge(Start("r-1", "evil")).Response!.Permitted);
    }

    [Fact]
    public async Task A_question_that_waits_for_its_answer_holds_its_id_and_is_told_nothing()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var responder = Responder(world, canCorrect: true);
        var waiting = responder.Judge(Start("r-1", "evil"));
        Assert.False(responder.Judge(Start("r-1", "cart")).Response!.Permitted);
        await world.ApplyAsync(Policy.Replace("default/cart", "default/evil", StringComparison.Ordinal));
        Assert.Empty(responder.Review());
        Assert.Equal(0, _given.Count);
        _given.Add(waiting.Given!);
        Assert.True(Assert.Single(responder.Review()).Response.Permitted);
    }

    [Fact]
    public void What_may_run_follows_what_was_told()
    {
        var (start, stop) = (Request("r-1", "cart", 1), Request("r-2", "cart", 0));
        Assert.False(_given.MayRun(stop));
        _given.Add(new GivenAnswer(stop, Permitted: true, ValidUntil: null));
        Assert.False(_given.MayRun(stop));
        var told = new GivenAnswer(start, Permitted: true, ValidUntil: null);
        _given.Add(told);
        Assert.True(_given.MayRun(stop));
        Assert.False(_given.MayRun(Request("r-3", "other", 0)));
        Assert.True(_given.Replace(told, told with { Permitted = false }));
        Assert.False(_given.MayRun(stop));
        _given.Add(told);
        Assert.True(_given.MayRun(stop));
        for (var at = 0; at < 300; at++) Claim(Request($"n-{at}", "other", 1));
        Assert.True(_given.MayRun(stop));
    }

    [Fact]
    public async Task What_policy_permits_and_nobody_could_keep_track_of_is_refused_visibly_and_permitted_once_there_is_room()
    {
        var policy = Policy.Replace("spiffeId: \"spiffe://example.org/wasmcloud/default/cart\"", "spiffeIdPrefix: \"spiffe://example.org/wasmcloud/default\"", StringComparison.Ordinal);
        await using var world = await DecisionWorld.StartAsync(policy);
        var responder = Responder(world, canCorrect: true);
        foreach (var (id, component) in new[] { ("r-1", "cart"), ("r-2", "cart") }) Assert.True(Answered(Start(id, component)).Permitted);

        // What policy denies is denied for that.
        await world.ApplyAsync(policy + Forbid("bad"));
        Assert.Contains("forbids", Answered(Start("r-4", "bad")).Message, StringComparison.Ordinal);

        var refused = responder.Judge(Start("r-3", "basket"));
        Assert.True(refused.FoundNoRoom);
        Assert.False(refused.Response!.Permitted);
        Assert.Contains("as many yeses out as are kept track of", refused.Response.Message, StringComparison.Ordinal);
        Assert.Equal(("wasmcloud-policy-service", false), (world.DecisionIn(refused.Response.Message).Door, world.DecisionIn(refused.Response.Message).Allowed));
        _given.Add(refused.Given!);
        Assert.Empty(responder.Review());
        Assert.True(_given.IsTold("r-1", permitted: true) && _given.IsTold("r-2", permitted: true));

        await world.ApplyAsync(policy + Forbid("cart"));
        Assert.Equal([("r-1", false), ("r-2", false), ("r-3", true)], responder.Review().Select(news => (news.Response.RequestId, news.Response.Permitted)));

        PolicyResponse Answered(ReadOnlyMemory<byte> body)
        {
            var judgement = responder.Judge(body);
            _given.Add(judgement.Given!);
            return judgement.Response!;
        }

        static string Forbid(string component) =>
            $"\n  - {{ name: no-{component}, effect: forbid, subjects: [{{ spiffeId: \"spiffe://example.org/wasmcloud/default/{component}\" }}], capabilities: [start] }}";
    }

    [Fact]
    public async Task However_many_yeses_are_out_what_runs_may_be_stopped()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var responder = Responder(world, canCorrect: true);
        foreach (var id in new[] { "r-1", "r-2" }) _given.Add(responder.Judge(Start(id, "cart")).Given!);
        var refused = responder.Judge(Start("r-3", "cart"));
        Assert.False(refused.Response!.Permitted);
        _given.Add(refused.Given!);
        var stop = responder.Judge(Start("r-4", "cart", 0));
        Assert.True(stop.Response!.Permitted);
        Assert.False(stop.Correction!.After.Permitted);
        _given.Add(stop.Given!);
        Assert.True(_given.Replace(stop.Correction.Before, stop.Correction.After));
        Assert.Equal(2, _given.ToList().Count(answer => answer.Permitted));
    }

    [Fact]
    public void Of_many_noes_the_newest_are_remembered_and_of_two_answers_to_one_question_the_later()
    {
        for (var at = 0; at < 5; at++) Claim(Request($"r-{at}", "cart", 1));
        Assert.Equal(["r-2", "r-3", "r-4"], _given.ToList().Select(answer => answer.Request.RequestId));
        Assert.True(_given.IsTold("r-4", permitted: false));
        Assert.False(_given.IsTold("r-0", permitted: false));
        _given.Add(new GivenAnswer(Request("r-4", "cart", 1), true, null));
        Assert.False(_given.IsTold("r-4", permitted: false));
        Assert.True(_given.IsTold("r-4", permitted: true));
    }

    [Fact]
    public void News_about_an_answer_that_was_replaced_meanwhile_replaces_nothing()
    {
        var before = new GivenAnswer(Request("r-1", "cart", 1), false, null);
        _given.Add(before);
        var later = before with { Permitted = true };
        _given.Add(later);
        Assert.False(_given.Replace(before, before with { ValidUntil = DateTimeOffset.UnixEpoch }));
        Assert.Same(later, Assert.Single(_given.ToList()));
    }

    [Fact]
    public void Refused_workloads_are_bounded_and_forgotten_when_let_through()
    {
        var refused = new RefusedWorkloads(2);
        foreach (var id in new[] { "a", "b", "c" }) refused.Add(id, $"no {id}");
        Assert.False(refused.TryGet("a", out _));
        Assert.True(refused.TryGet("c", out var message));
        Assert.Equal("no c", message);
        refused.Remove("c");
        Assert.False(refused.TryGet("c", out _));
    }

    private PolicyResponder Responder(DecisionWorld world, bool canCorrect) =>
        new(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"), _given, canCorrect, TimeProvider.System);

    private void Claim(PolicyRequest request)
    {
        Assert.NotEqual(GivenAnswers.Claim.NoRoom, _given.TryClaim(request));
        _given.Add(new GivenAnswer(request, Permitted: false, ValidUntil: null));
    }

    private static PolicyRequest Request(string requestId, string id, uint max)
    {
        Assert.True(PolicyRequest.TryParse(Start(requestId, id, max), out var request, out _, out var problem), problem);
        return request;
    }

    private static ReadOnlyMemory<byte> Start(string requestId, string id, uint max = 1) => Encoding.UTF8.GetBytes(
        $"{{\"requestId\":\"{requestId}\",\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{{\"componentId\":\"{id}\",\"imageRef\":\"ghcr.io/acme/cart:1\",\"maxInstances\":{max}}},"
        + "\"host\":{\"publicKey\":\"N\",\"lattice\":\"default\",\"labels\":{}}}");
}
