using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.Ledger.V1;
using Identity.Server.Ledger;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>An agent that decides without end pushes nobody else's decisions out of the log, over however many streams.</summary>
public sealed class ReportedDecisionsTests : IDisposable
{
    private const int AtOnce = 6000;

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_new_stream_brings_no_new_allowance()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        var log = new DecisionLog(ledger, TestEntries.TrustDomain, _time);
        var live = new global::Identity.Server.ComponentPolicy.LiveAdmissions(_time);
        var reports = new AgentReports(ledger, log, new ShadowCounts(_time), TestEntries.TrustDomain, _time, NullLogger<AgentReports>.Instance);

        Assert.Equal(AtOnce, await ToldAsync("a", AtOnce + 1));
        Assert.Equal(0, await ToldAsync("a", 10));
        Assert.Equal(10, await ToldAsync("b", 10));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(100, await ToldAsync("a", 200));

        async Task<int> ToldAsync(string agent, int count)
        {
            using var session = live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/join_token/{agent}"));
            var told = Enumerable.Range(0, count).Select(_ => new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Summary = "no" }).ToList();
            await reports.ReadAsync(new Told(told), session, Cancellation);
            return told.Count(decision => log.TryGet(decision.Id) is not null);
        }
    }

    [Fact]
    public async Task An_agent_fills_neither_the_log_nor_the_line_of_whoever_tries_a_staged_change()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        var logged = new FakeLogger<AgentReports>();
        var live = new global::Identity.Server.ComponentPolicy.LiveAdmissions(_time);
        var reports = new AgentReports(ledger, new DecisionLog(ledger, TestEntries.TrustDomain, _time), new ShadowCounts(_time), TestEntries.TrustDomain, _time, logged);
        var agent = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/a");
        var list = new AgentReport { Admissions = new() };
        for (var i = 0; i < global::Identity.Server.ComponentPolicy.LiveAdmissions.MaxPerAgent; i++)
        {
            list.Admissions.Admissions.Add(new LiveAdmission
            {
                AdmissionId = $"a{i}",
                EntryId = "x",
                AdmittedAt = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(_time.GetUtcNow()),
                SpiffeId = "spiffe://example.org/components/greeter",
                Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                HostSpiffeId = "spiffe://example.org/hosts/local",
            });
        }

        using (var session = live.Open(agent)) await reports.ReadAsync(new Said([.. Enumerable.Repeat(list, 3)]), session, Cancellation);
        Assert.InRange(logged.Collector.Count, 1, 10);
        var refused = await RefusedAsync(agent);
        Assert.Contains("too often", refused.Status.Detail, StringComparison.Ordinal);
        using (var other = live.Open(SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/b"))) await reports.ReadAsync(new Said([list]), other, Cancellation);

        _time.Advance(TimeSpan.FromSeconds(10));
        using (var session = live.Open(agent)) await reports.ReadAsync(new Said([list]), session, Cancellation);

        // Whoever loses its stream before its list is told, however often, can still tell it.
        var lossy = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/c");
        var beginning = new AgentReport { Admissions = new() { MoreFollow = true } };
        beginning.Admissions.Admissions.Add(list.Admissions.Admissions.Take(9_999));
        for (var lost = 0; lost < 10; lost++)
        {
            using var session = live.Open(lossy);
            await reports.ReadAsync(new Said([beginning]), session, Cancellation);
        }

        using (var session = live.Open(lossy)) await reports.ReadAsync(new Said([list]), session, Cancellation);
        // But not by beginning without end on one stream.
        Assert.Contains("too often", (await RefusedAsync(lossy, [.. Enumerable.Repeat(beginning, 10)])).Status.Detail, StringComparison.Ordinal);

        async Task<RpcException> RefusedAsync(SpiffeId who, IReadOnlyList<AgentReport>? told = null)
        {
            using var session = live.Open(who);
            return await Assert.ThrowsAsync<RpcException>(() => reports.ReadAsync(new Said(told ?? [list]), session, Cancellation));
        }
    }

    [Fact]
    public async Task What_an_agent_says_of_an_identity_it_has_no_entry_for_is_marked_as_no_more_than_said()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        var log = new DecisionLog(ledger, TestEntries.TrustDomain, _time);
        var reports = new AgentReports(ledger, log, new ShadowCounts(_time), TestEntries.TrustDomain, _time, NullLogger<AgentReports>.Instance);
        using var session = new global::Identity.Server.ComponentPolicy.LiveAdmissions(_time).Open(SpiffeId.Parse("spiffe://example.org/spire/agent/x"));
        var entry = TestEntries.Entry("/mine", "/spire/agent/x", "unix:uid:1000");
        entry.Id = "mine";
        entry.ExpiresAt = _time.GetUtcNow().ToUnixTimeSeconds() + 60;
        var elsewhere = TestEntries.Entry("/another", "/spire/agent/y", "unix:uid:1000");
        elsewhere.Id = "another";

        Assert.Equal([false, false], await OwnAsync("/mine", "/another"));
        await ChangeAsync(new() { AgentSet = new() { SpiffeId = session.Agent.ToString() } }, new() { EntrySet = entry }, new() { EntrySet = elsewhere });
        Assert.Equal([true, false, false, false], await OwnAsync("/mine", "/another", "/nobody", null));

        // Without any transaction, and by one.
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal([false], await OwnAsync("/mine"));
        entry.ExpiresAt = 0;
        await ChangeAsync(new Change { EntrySet = entry });
        Assert.Equal([true], await OwnAsync("/mine"));
        await ChangeAsync(new Change { EntryDeleted = "mine" });
        Assert.Equal([false], await OwnAsync("/mine"));

        async Task<IEnumerable<bool>> OwnAsync(params string?[] paths)
        {
            // What the agent says of that itself does not count.
            var told = paths.Select(path => new Decision
            {
                Id = DecisionId.Create(),
                Kind = DecisionKind.ComponentStart,
                Summary = "no",
                Proven = true,
                Subject = path is null ? "" : $"spiffe://example.org{path}",
            }).ToList();
            await reports.ReadAsync(new Told(told), session, Cancellation);
            return told.Select(decision => log.TryGet(decision.Id)!.Proven);
        }

        async Task ChangeAsync(params Change[] changes) =>
            Assert.IsType<Append.Committed>(await ledger.AppendAsync(new Transaction { Author = "test", Reason = "test", Changes = { changes } }, null, Cancellation));
    }

    private sealed class Said(IReadOnlyList<AgentReport> said) : IAsyncStreamReader<AgentReport>
    {
        private int _at = -1;

        public AgentReport Current => said[_at];

        public Task<bool> MoveNext(CancellationToken cancellationToken) => Task.FromResult(++_at < said.Count);
    }

    private sealed class Told(IReadOnlyList<Decision> decisions) : IAsyncStreamReader<AgentReport>
    {
        private int _at = -1;

        public AgentReport Current => new() { Decision = decisions[_at] };

        public Task<bool> MoveNext(CancellationToken cancellationToken) => Task.FromResult(++_at < decisions.Count);
    }
}
