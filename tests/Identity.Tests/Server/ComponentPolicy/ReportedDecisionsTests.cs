using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Microsoft.Extensions.Logging.Abstractions;
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

    private sealed class Told(IReadOnlyList<Decision> decisions) : IAsyncStreamReader<AgentReport>
    {
        private int _at = -1;

        public AgentReport Current => new() { Decision = decisions[_at] };

        public Task<bool> MoveNext(CancellationToken cancellationToken) => Task.FromResult(++_at < decisions.Count);
    }
}
