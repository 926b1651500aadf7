using Google.Protobuf;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Microsoft.Extensions.Logging.Abstractions;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class DecisionLogTests : IAsyncLifetime
{
    private static readonly SpiffeId Agent = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/a");

    private readonly TemporaryFolder _folder = new();
    private ControlPlaneLedger _ledger = null!;
    private DecisionLog _log = null!;

    public async ValueTask InitializeAsync() => await OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _ledger.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public void Gives_a_decision_an_id_of_its_own_and_says_who_decided()
    {
        var decision = new Decision { Id = "d-mine", Summary = "no" };

        var id = _log.Record(decision);

        Assert.True(DecisionId.IsWellFormed(id));
        Assert.Equal("spiffe://example.org/spire/server", _log.TryGet(id)!.DecidedBy);
        Assert.Equal("d-mine", decision.Id);
    }

    [Fact]
    public async Task Remembers_over_a_restart()
    {
        var id = _log.Record(new Decision { Summary = "no" });
        await _ledger.DisposeAsync();
        await OpenAsync();

        Assert.Equal("no", _log.TryGet(id)?.Summary);
    }

    [Fact]
    public async Task Prints_what_an_older_version_kept_as_it_was_said_as_what_is_said_now()
    {
        var kept = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, DecidedBy = Agent.ToString(), Summary = "no\n  allowed: \u001b[2K", Reasons = { new Reason { SmallestGrant = "a\nb", Explanation = "\u202e" } } };
        var fit = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.NatsLogin, Summary = "no rule permits it", Subject = "spiffe://example.org/a" };
        foreach (var decision in (Decision[])[kept, fit]) Assert.True(_ledger.TryRecordDecision(decision.Id, decision.ToByteArray(), []));
        await _ledger.DisposeAsync();
        await OpenAsync();

        var told = _log.TryGet(kept.Id)!;
        Assert.Equal(("no?  allowed: ?[2K", "?", "a\nb"), (told.Summary, told.Reasons[0].Explanation, told.Reasons[0].SmallestGrant));
        Assert.Equal(told, Assert.Single(_log.List(10, deniedOnly: false), listed => listed.Id == kept.Id));
        Assert.Equal(fit, _log.TryGet(fit.Id));
    }

    [Fact]
    public void Knows_no_decision_that_was_not_made() => Assert.Null(_log.TryGet(DecisionId.Create()));

    [Fact]
    public void Keeps_what_an_agent_decided_under_the_agents_own_name()
    {
        var reported = Reported();
        reported.DecidedBy = "spiffe://example.org/spire/server";

        Assert.True(_log.TryRecordReported(reported, Agent, isOfItsOwn: true));
        Assert.Equal(Agent.ToString(), _log.TryGet(reported.Id)!.DecidedBy);
    }

    [Fact]
    public void Lets_nobody_rewrite_an_answer_that_was_given()
    {
        var id = _log.Record(new Decision { Summary = "no" });
        var forged = Reported();
        forged.Id = id;
        forged.Summary = "yes";

        Assert.False(_log.TryRecordReported(forged, Agent, isOfItsOwn: true));
        Assert.Equal("no", _log.TryGet(id)!.Summary);
    }

    [Theory]
    [InlineData(DecisionKind.NatsLogin)]
    [InlineData(DecisionKind.MeshCertificate)]
    [InlineData(DecisionKind.NodeAttestation)]
    [InlineData(DecisionKind.Unspecified)]
    public void Takes_no_decision_from_an_agent_that_is_not_the_agents_to_make(DecisionKind kind)
    {
        var reported = Reported();
        reported.Kind = kind;

        Assert.False(_log.TryRecordReported(reported, Agent, isOfItsOwn: true));
    }

    [Theory]
    [InlineData("")]
    [InlineData("d-")]
    [InlineData("d-ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
    [InlineData("d-aaaaaaaaaaaaaaaaaaaaaaaaa1")]
    [InlineData("d-aaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void Takes_no_malformed_id(string id)
    {
        var reported = Reported();
        reported.Id = id;

        Assert.False(_log.TryRecordReported(reported, Agent, isOfItsOwn: true));
    }

    [Fact]
    public void Takes_no_decision_from_an_agent_that_is_too_large()
    {
        var reported = Reported();
        reported.Summary = new string('x', DecisionLog.MaxDecisionBytes);

        Assert.False(_log.TryRecordReported(reported, Agent, isOfItsOwn: true));
    }

    [Fact]
    public void Cuts_a_long_decision_of_its_own_and_keeps_its_beginning()
    {
        var decision = new Decision { Summary = "no" };
        decision.Reasons.AddRange(Enumerable.Range(0, 500).Select(n => new Reason { Capability = $"c{n}", Explanation = new string('x', 200) }));

        var kept = _log.TryGet(_log.Record(decision))!;

        Assert.InRange(kept.CalculateSize(), 1, DecisionLog.MaxDecisionBytes);
        Assert.Equal("c0", kept.Reasons[0].Capability);
    }

    [Fact]
    public void Keeps_a_grant_whole_or_not_at_all()
    {
        var decision = new Decision { Summary = "no" };
        decision.Reasons.Add(new Reason { Capability = "short", SmallestGrant = "kind: CapabilityPolicy" });
        decision.Reasons.Add(new Reason { Capability = "long", SmallestGrant = new string('g', DecisionLog.MaxDecisionBytes) });

        Assert.Equal(["kind: CapabilityPolicy", ""], _log.TryGet(_log.Record(decision))!.Reasons.Select(reason => reason.SmallestGrant));
    }

    [Fact]
    public void What_is_kept_of_many_long_outcomes_is_no_larger_than_a_decision_may_be()
    {
        var decision = new Decision { Allowed = true, Subject = "spiffe://example.org/subscriber" };
        decision.Shadow.AddRange(Enumerable.Range(0, 64).Select(number => new ShadowOutcome { Rule = $"nats/rule-{number}", Capability = "natsPublish " + new string('a', 500) }));

        var kept = _log.TryGet(_log.Record(decision))!;

        Assert.InRange(kept.CalculateSize(), 8 << 10, DecisionLog.MaxDecisionBytes);
        Assert.Equal(decision.Shadow.Select(outcome => outcome.Rule), kept.Shadow.Select(outcome => outcome.Rule));
    }

    [Fact]
    public void Of_reasons_and_outcomes_that_are_counted_the_reasons_go_first()
    {
        var decision = new Decision { Summary = "no" };
        decision.Reasons.AddRange(Enumerable.Range(0, 100).Select(number => new Reason { Capability = $"c{number}", Explanation = new string('e', 500) }));
        decision.Shadow.AddRange(Enumerable.Range(0, 64).Select(number => new ShadowOutcome { Rule = $"nats/rule-{number}", Capability = new string('a', 500) }));

        var kept = _log.TryGet(_log.Record(decision))!;

        Assert.Equal(64, kept.Shadow.Count);
        Assert.InRange(kept.Reasons.Count, 1, 99);
    }

    [Theory]
    [InlineData("\u001b[2J\u001b[1;1Hallowed", "?[2J?[1;1Hallowed")]
    [InlineData("no\nallowed: spiffe://example.org/x\r", "no?allowed: spiffe://example.org/x?")]
    [InlineData("no\u009b1A\u007f\u0000", "no?1A??")]
    [InlineData("no \u202edewolla\u2028\u2066\ufeff", "no ?dewolla???")]
    [InlineData("größer als 日本 🙂", "größer als 日本 🙂")]
    public void Keeps_of_an_agents_words_what_moves_no_cursor_and_begins_no_line(string told, string kept)
    {
        var reported = Reported();
        (reported.Subject, reported.Summary, reported.ComponentDigest, reported.Door, reported.AskedBy) = (told, told, told, told, told);
        reported.Reasons.Add(new Reason { Capability = told, Rule = told, Explanation = told, SmallestGrant = "kind: CapabilityPolicy\nname: a\r\u001b[2J\n" });
        reported.Warnings.Add(new Reason { Capability = told, Rule = told, Explanation = told });
        reported.Shadow.Add(new ShadowOutcome { Rule = told, Capability = told });

        Assert.True(_log.TryRecordReported(reported, Agent, isOfItsOwn: true));

        var decision = _log.TryGet(reported.Id)!;
        var reason = Assert.Single(decision.Reasons);
        var warning = Assert.Single(decision.Warnings);
        var shadow = Assert.Single(decision.Shadow);
        Assert.All(
            new[]
            {
                decision.Subject, decision.Summary, decision.ComponentDigest, decision.Door, decision.AskedBy, reason.Capability, reason.Rule, reason.Explanation,
                warning.Capability, warning.Rule, warning.Explanation, shadow.Rule, shadow.Capability,
            },
            text => Assert.Equal(kept, text));
        Assert.Equal("kind: CapabilityPolicy\nname: a??[2J\n", reason.SmallestGrant);
    }

    [Fact]
    public async Task Lists_while_others_record()
    {
        for (var at = 0; at < 2000; at++) _log.Record(new Decision { Summary = $"{at}", Allowed = true });
        var denied = _log.Record(new Decision { Summary = "no" });
        using var enough = new CancellationTokenSource();
        var recording = Task.Run(
            () =>
            {
                while (!enough.IsCancellationRequested) _log.Record(new Decision { Summary = "more", Allowed = true });
            },
            TestContext.Current.CancellationToken);

        var lists = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => _log.List(10, deniedOnly: true), TestContext.Current.CancellationToken)));
        await enough.CancelAsync();
        await recording;

        Assert.All(lists, list => Assert.Equal(denied, Assert.Single(list).Id));
    }

    [Fact]
    public void Lists_the_newest_first_and_only_the_denied_when_asked()
    {
        _log.Record(new Decision { Summary = "1" });
        _log.Record(new Decision { Summary = "2", Allowed = true });
        _log.Record(new Decision { Summary = "3" });

        Assert.Equal(["3", "2"], _log.List(2, deniedOnly: false).Select(d => d.Summary));
        Assert.Equal(["3", "1"], _log.List(2, deniedOnly: true).Select(d => d.Summary));
    }

    private static Decision Reported() => new() { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Summary = "no" };

    private async Task OpenAsync()
    {
        _ledger = await ControlPlaneLedger.OpenAsync(_folder.Path, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance);
        _log = new DecisionLog(_ledger, TestEntries.TrustDomain);
    }
}
