using Identity.Server.ComponentPolicy;
using Identity.Tests.Server.Registration;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class LiveAdmissionsTests
{
    private static readonly SpiffeId Agent = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/a");
    private static readonly SpiffeId OtherAgent = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/b");
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    private readonly FakeTimeProvider _time = new();
    private readonly LiveAdmissions _live;

    public LiveAdmissionsTests() => _live = new LiveAdmissions(_time);

    [Fact]
    public void Knows_nothing_alive_at_first() => Assert.False(_live.IsLive(Greeter));

    [Fact]
    public void Keeps_an_admission_alive_during_the_grace_after_its_agents_stream_and_not_longer()
    {
        using (var session = _live.Open(Agent)) session.TryAdd(Admission("a1"));

        _time.Advance(LiveAdmissions.Grace - TimeSpan.FromMilliseconds(1));
        Assert.True(_live.IsLive(Greeter));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(_live.IsLive(Greeter));
    }

    [Fact]
    public void What_a_host_calls_a_component_is_no_news_to_whoever_tries_a_staged_change()
    {
        var observations = new StageObservations { IsOpen = true };
        var live = new LiveAdmissions(_time, observations);
        using var session = live.Open(Agent);
        session.TryAdd(Admission("a1"));
        for (var i = 0; i < 10; i++) session.TryAdd(Admission("a1") with { Name = $"name-{i}" });
        Assert.True(observations.Reader.TryRead(out _));
        Assert.False(observations.Reader.TryRead(out _));
    }

    [Fact]
    public void Ends_after_the_grace_what_a_returning_agent_does_not_report()
    {
        using (var session = _live.Open(Agent)) session.TryAdd(Admission("a1"));
        using var silent = _live.Open(Agent);

        _time.Advance(LiveAdmissions.Grace);

        Assert.False(_live.IsLive(Greeter));
    }

    [Fact]
    public void Keeps_what_a_returning_agent_reports_within_the_grace()
    {
        using (var session = _live.Open(Agent)) session.TryAdd(Admission("a1"));
        using var back = _live.Open(Agent);
        back.Replace([Admission("a1")]);

        _time.Advance(LiveAdmissions.Grace * 2);

        Assert.True(_live.IsLive(Greeter));
        Assert.Equal(1, _live.Count);
    }

    [Fact]
    public void Finds_one_of_the_admissions_that_are_left_and_none_of_another_component()
    {
        using var session = _live.Open(Agent);
        using var other = _live.Open(OtherAgent);
        session.Replace([Admission("a1"), Admission("b1", "/components/two")]);
        other.TryAdd(Admission("a2"));

        Assert.Equal("a1", _live.Find(Greeter, out _)?.Id);
        session.End("a1");
        Assert.Equal("a2", _live.Find(Greeter, out _)?.Id);
        other.TryAdd(Admission("a2") with { PolicyRevision = 9 });
        Assert.Equal(9ul, _live.Find(Greeter, out _)?.PolicyRevision);
        other.End("a2");
        Assert.Null(_live.Find(Greeter, out _));
        Assert.Equal(1, _live.Count);
    }

    [Fact]
    public void Ends_what_a_full_report_leaves_out()
    {
        using var session = _live.Open(Agent);
        session.TryAdd(Admission("a1"));

        session.Replace([]);

        Assert.False(_live.IsLive(Greeter));
    }

    [Fact]
    public void Stays_alive_while_another_agent_holds_one_too()
    {
        using var session = _live.Open(Agent);
        using var other = _live.Open(OtherAgent);
        session.TryAdd(Admission("a1"));
        other.TryAdd(Admission("a1"));

        session.End("a1");

        Assert.True(_live.IsLive(Greeter));
    }

    [Fact]
    public void Ignores_a_session_that_another_stream_of_the_agent_superseded()
    {
        var old = _live.Open(Agent);
        using var current = _live.Open(Agent);

        Assert.False(old.TryAdd(Admission("a1")));
        current.TryAdd(Admission("a2"));
        old.Dispose();
        _time.Advance(LiveAdmissions.Grace);

        Assert.True(_live.IsLive(Greeter));
        Assert.Equal(1, _live.ConnectedAgents);
    }

    [Fact]
    public void Ends_everything_of_a_banned_agent_without_grace()
    {
        using var session = _live.Open(Agent);
        session.TryAdd(Admission("a1"));

        _live.EndAll(Agent);

        Assert.False(_live.IsLive(Greeter));
    }

    [Fact]
    public void Takes_no_more_admissions_than_an_agent_may_hold()
    {
        using var session = _live.Open(Agent);
        session.Replace([.. Enumerable.Range(0, LiveAdmissions.MaxPerAgent).Select(n => Admission($"a{n}"))]);

        Assert.False(session.TryAdd(Admission("one-too-many")));
        Assert.True(session.TryAdd(Admission("a1")));
    }

    [Fact]
    public async Task Tells_a_watcher_every_component_that_ended_however_late_it_reads()
    {
        using var session = _live.Open(Agent);
        session.Replace([Admission("a1"), Admission("a2", "/components/two")]);
        await using var ended = _live.WatchEndedAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        var first = ended.MoveNextAsync();

        session.End("a1");
        session.End("a2");

        Assert.True(await first);
        var told = new HashSet<SpiffeId> { ended.Current };
        if (told.Count < 2)
        {
            Assert.True(await ended.MoveNextAsync());
            told.Add(ended.Current);
        }

        Assert.Equal([Greeter, SpiffeId.Parse("spiffe://example.org/components/two")], told.OrderBy(id => id.ToString(), StringComparer.Ordinal));
    }

    [Fact]
    public void Does_not_report_an_admission_as_ended_that_is_only_reported_again()
    {
        using var session = _live.Open(Agent);
        session.TryAdd(Admission("a1"));
        var ended = _live.WatchEndedAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken).MoveNextAsync();

        session.TryAdd(Admission("a1"));
        session.Replace([Admission("a1")]);

        Assert.False(ended.IsCompleted);
        Assert.Equal(1, _live.Count);
    }

    [Fact]
    public async Task Tells_of_a_component_once_its_sessions_can_no_longer_be_told_apart()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var session = _live.Open(Agent);
        session.TryAdd(Admission("a1"));
        await using var ended = _live.WatchEndedAsync(cancellation).GetAsyncEnumerator(cancellation);
        var told = ended.MoveNextAsync().AsTask();

        session.TryAdd(Admission("a2"));
        Assert.False(told.IsCompleted);
        session.TryAdd(Admission("a3") with { Digest = OtherDigest });
        Assert.True(await told);
        Assert.Equal(Greeter, ended.Current);

        // What is not known any more cannot become less known.
        told = ended.MoveNextAsync().AsTask();
        session.TryAdd(Admission("a4") with { Digest = OtherDigest });
        Assert.False(told.IsCompleted);
        session.TryAdd(Admission("a5") with { Host = SpiffeId.Parse("spiffe://example.org/hosts/other") });
        Assert.True(await told);
    }

    [Fact]
    public async Task An_admission_that_is_reported_with_other_bytes_is_another()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var session = _live.Open(Agent);
        session.TryAdd(Admission("a1"));
        await using var ended = _live.WatchEndedAsync(cancellation).GetAsyncEnumerator(cancellation);
        var told = ended.MoveNextAsync();
        session.TryAdd(Admission("a1") with { Digest = OtherDigest });
        Assert.True(await told);
        Assert.Equal(OtherDigest, _live.Find(Greeter, out var differing)?.Digest);
        Assert.Equal(Identity.Policy.PrincipalAttributes.None, differing);
        Assert.Equal(1, _live.Count);
    }

    [Fact]
    public void Knows_an_admission_by_its_component_for_as_long_as_any_agent_holds_it()
    {
        using var session = _live.Open(Agent);
        using var other = _live.Open(OtherAgent);
        Assert.False(_live.IsLive(Greeter, "a1"));
        session.TryAdd(Admission("a1"));
        other.TryAdd(Admission("a1"));
        Assert.True(_live.IsLive(Greeter, "a1"));
        Assert.False(_live.IsLive(Greeter, "a2"));
        Assert.False(_live.IsLive(SpiffeId.Parse("spiffe://example.org/components/two"), "a1"));
        session.End("a1");
        Assert.True(_live.IsLive(Greeter, "a1"));
        other.End("a1");
        Assert.False(_live.IsLive(Greeter, "a1"));
    }

    private const string OtherDigest = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    private static ReportedAdmission Admission(string id, string path = "/components/greeter") =>
        new(id, SpiffeId.Parse($"spiffe://example.org{path}"), Host, TestEntries.Digest, "", 1);
}
