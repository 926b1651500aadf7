using Identity.Server.DecisionPoints.WasmCloudV1;
using Microsoft.Extensions.Time.Testing;
using static Identity.Server.DecisionPoints.WasmCloudV1.GivenAnswers;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>What is remembered when more is asked than there is room for, and whom that costs what.</summary>
public sealed class GivenAnswersTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_flood_in_the_name_of_one_host_costs_no_other_host_an_answer()
    {
        var given = new GivenAnswers(100, 10, _time);
        for (var at = 0; at < 20; at++) Answer(given, $"mine-{at}", $"N{at}", permitted: at % 2 == 0);
        for (var at = 0; at < 5000; at++) Answer(given, $"flood-{at}", "FLOOD", permitted: at % 3 == 0);
        Assert.All(Enumerable.Range(0, 20), at => Assert.True(given.IsTold($"mine-{at}", at % 2 == 0)));
        Assert.Equal(30, given.Count);
    }

    [Fact]
    public void A_flood_of_what_is_denied_ends_no_yes_whatever_names_it_comes_under()
    {
        var given = new GivenAnswers(100, 20, _time);
        for (var at = 0; at < 20; at++) Answer(given, $"mine-{at}", "N", permitted: at < 10);
        for (var at = 0; at < 5000; at++) Assert.Equal(Claim.Claimed, Answer(given, $"flood-{at}", $"F{at}", permitted: false));
        Assert.All(Enumerable.Range(0, 10), at => Assert.True(given.IsTold($"mine-{at}", permitted: true)));
        Assert.Empty(TakenBack(given));
        Assert.Equal(100, given.Count);
    }

    [Fact]
    public void A_yes_that_is_forgotten_is_taken_back_and_stays_so_when_it_is_told_again()
    {
        var given = new GivenAnswers(3, 3, _time);
        for (var at = 0; at < 5; at++) Answer(given, $"r-{at}", "N", permitted: true);
        Assert.Equal(["r-2", "r-3", "r-4"], given.ToList().Select(one => one.Request.RequestId));
        var back = TakenBack(given);
        Assert.Equal([("r-0", false), ("r-1", false)], back.Select(one => (one.RequestId, one.Permitted)));
        Assert.All(back, one => Assert.True(given.IsTold(one.RequestId, permitted: false)));
        Assert.Equal(["r-0", "r-1"], given.News().Select(news => news.RequestId));
        Assert.False(given.MayRun(Request("r-9", "N", "r-0")));
        // Not for another question: the host that holds the id would take its answer for this one's.
        Assert.Equal(Claim.OfAnother, given.TryClaim(Request("r-0", "N", "other")));
    }

    [Fact]
    public void However_much_is_asked_only_so_many_yeses_end_in_a_minute_and_what_is_more_finds_no_room()
    {
        var given = new GivenAnswers(200, 200, _time);
        for (var at = 0; at < 200; at++) Answer(given, $"mine-{at}", "N", permitted: true);
        var answered = Enumerable.Range(0, 5000).Count(at => Answer(given, $"flood-{at}", $"F{at}", permitted: true) == Claim.Claimed);
        Assert.Equal(MaxTakenBackPerMinute, answered);
        Assert.Equal(MaxTakenBackPerMinute, TakenBack(given).Count);
        Assert.Equal(200 - MaxTakenBackPerMinute, given.ToList().Count(one => one.Request.HostKey == "N"));

        Assert.Equal(Claim.NoRoom, given.TryClaim(Request("late", "N", "late")));
        _time.Advance(TimeSpan.FromMinutes(1.1));
        Assert.Equal(Claim.Claimed, given.TryClaim(Request("late", "N", "late")));
    }

    [Fact]
    public void A_question_that_is_being_answered_keeps_its_place_and_one_that_never_was_does_not_for_ever()
    {
        var given = new GivenAnswers(3, 3, _time);
        Answer(given, "r-0", "N", permitted: true);
        Answer(given, "r-1", "N", permitted: true);
        var waiting = Request("r-2", "N", "r-2");
        Assert.Equal(Claim.Claimed, given.TryClaim(waiting));
        Answer(given, "r-3", "N", permitted: true);
        given.Add(new GivenAnswer(waiting, Permitted: true, ValidUntil: null));
        Assert.Equal(["r-1", "r-3", "r-2"], given.ToList().Select(one => one.Request.RequestId).OrderBy(id => id == "r-2"));

        Assert.Equal(Claim.Claimed, given.TryClaim(Request("lost", "N", "lost")));
        _time.Advance(TimeSpan.FromMinutes(1));
        var ended = TakenBack(given).Count;
        Answer(given, "r-4", "N", permitted: true);
        Assert.Empty(TakenBack(given));
        Assert.InRange(ended, 1, 2);
    }

    [Fact]
    public void An_answer_that_lost_its_place_while_it_was_given_is_taken_back()
    {
        var given = new GivenAnswers(1, 1, _time);
        var slow = Request("slow", "N", "slow");
        Assert.Equal(Claim.Claimed, given.TryClaim(slow));
        _time.Advance(TimeSpan.FromMinutes(2));
        Answer(given, "fast", "N", permitted: true);
        for (var at = 0; at < MaxTakenBackPerMinute; at++) Answer(given, $"more-{at}", "N", permitted: true);
        TakenBack(given);
        given.Add(new GivenAnswer(slow, Permitted: true, ValidUntil: null));
        Assert.Equal([("slow", false)], TakenBack(given).Select(one => (one.RequestId, one.Permitted)));
        Assert.False(given.IsTold("slow", permitted: true));
    }

    private static Claim Answer(GivenAnswers given, string id, string host, bool permitted)
    {
        var request = Request(id, host, id);
        var claim = given.TryClaim(request);
        if (claim == Claim.Claimed) given.Add(new GivenAnswer(request, permitted, ValidUntil: null));
        return claim;
    }

    private static List<PolicyResponse> TakenBack(GivenAnswers given)
    {
        var all = new List<PolicyResponse>();
        while (given.TakenBack.TryRead(out var one)) all.Add(one);
        return all;
    }

    private static PolicyRequest Request(string id, string host, string component) => new()
    {
        RequestId = id,
        Kind = PolicyRequestKind.StartComponent,
        Lattice = "default",
        HostKey = host,
        Id = component,
        ImageReference = "ghcr.io/acme/cart:1",
        MaxInstances = 1,
    };
}
