using Google.Protobuf;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.V1;
using Microsoft.Extensions.Logging.Abstractions;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What one that is asked for much, or says much, may take of the log.</summary>
public sealed class DecisionLogBoundsTests : PolicyServerTest
{
    private static readonly SpiffeId Agent = SpiffeId.Parse("spiffe://example.org/spire/agent/one");

    [Theory]
    [InlineData(100, 1)]
    [InlineData(2_000, 2)]
    [InlineData(8_000, 8)]
    [InlineData(1_000_000, 17)]
    public void A_large_decision_counts_as_several(int summary, int weight) =>
        Assert.Equal(weight, DecisionLog.WeightOf(new Decision { Summary = new string('x', summary) }));

    [Fact]
    public void A_report_tells_no_more_than_sixty_four_outcomes_of_shadow_rules()
    {
        var log = _server.Decisions;
        var fit = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Shadow = { Enumerable.Range(0, 64).Select(_ => new Identity.V1.ShadowOutcome { Rule = "p/r" }) } };
        Assert.True(log.TryRecordReported(fit, Agent, isOfItsOwn: true));
        var unfit = new Decision(fit) { Id = DecisionId.Create(), Shadow = { new Identity.V1.ShadowOutcome { Rule = "p/r" } } };
        Assert.False(log.TryRecordReported(unfit, Agent, isOfItsOwn: true));
        Assert.Null(log.TryGet(unfit.Id));
    }

    [Fact]
    public async Task What_one_agent_says_without_end_pushes_out_nobody_elses_decision_and_fills_no_disk()
    {
        await using var server = await RestartableLog.OpenAsync();
        var early = server.Log.Record(new Decision { Subject = "spiffe://example.org/a", Summary = "no" });
        var other = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Summary = "no" };
        Assert.True(server.Log.TryRecordReported(other, SpiffeId.Parse("spiffe://example.org/spire/agent/two"), isOfItsOwn: true));
        var large = new string('x', 16_000);
        var first = "";
        for (var bytes = 0L; bytes < DecisionLog.MaxBytes + (1 << 20); bytes += large.Length)
        {
            var decision = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Summary = large };
            Assert.True(server.Log.TryRecordReported(decision, Agent, isOfItsOwn: true));
            if (first.Length == 0) first = decision.Id;
            await server.WrittenInTimeAsync();
        }

        Assert.Null(server.Log.TryGet(first));
        var kept = server.Log.List(int.MaxValue, deniedOnly: false).Select(decision => decision.Id).ToList();
        await server.RestartAsync();
        Assert.Equal(kept, server.Log.List(int.MaxValue, deniedOnly: false).Select(decision => decision.Id));
        Assert.Contains(early, kept);
        Assert.Contains(other.Id, kept);
        Assert.InRange(server.OnDisk().Sum(payload => (long)payload.Length), DecisionLog.MaxBytes / 2, DecisionLog.MaxBytes);
    }

    [Fact]
    public async Task What_an_older_version_kept_beyond_the_bound_is_forgotten_at_the_start()
    {
        await using var server = await RestartableLog.OpenAsync();
        var large = new string('x', 16_000);
        for (var bytes = 0L; bytes < DecisionLog.MaxBytes + (4 << 20); bytes += large.Length)
        {
            var decision = new Decision { Id = DecisionId.Create(), DecidedBy = Agent.ToString(), Summary = large };
            Assert.True(server.Ledger.TryRecordDecision(decision.Id, decision.ToByteArray(), []));
            await server.WrittenInTimeAsync();
        }

        await server.WrittenAsync();
        Assert.True(server.OnDisk().Sum(payload => (long)payload.Length) > DecisionLog.MaxBytes);
        await server.RestartAsync();
        await server.WrittenAsync();
        Assert.InRange(server.OnDisk().Sum(payload => (long)payload.Length), DecisionLog.MaxBytes / 2, DecisionLog.MaxBytes);
    }

    private sealed class RestartableLog : IAsyncDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private int _unwritten;

        public ControlPlaneLedger Ledger { get; private set; } = null!;

        public DecisionLog Log { get; private set; } = null!;

        public static async Task<RestartableLog> OpenAsync()
        {
            var log = new RestartableLog();
            await log.StartAsync();
            return log;
        }

        public async Task RestartAsync()
        {
            await Ledger.DisposeAsync();
            await StartAsync();
        }

        public IReadOnlyList<byte[]> OnDisk() => [.. Ledger.ReadDecisions()];

        /// <summary>Until what was said before is on disk: writes are in order.</summary>
        public Task WrittenAsync() => Ledger.RecordIssuanceAsync(new Identity.Ledger.V1.Issuance(), TestContext.Current.CancellationToken);

        /// <summary>The writer is too busy for some when nobody ever waits for it.</summary>
        public Task WrittenInTimeAsync() => ++_unwritten % 256 == 0 ? WrittenAsync() : Task.CompletedTask;

        public async ValueTask DisposeAsync()
        {
            await Ledger.DisposeAsync();
            _folder.Dispose();
        }

        private async Task StartAsync()
        {
            Ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, TestContext.Current.CancellationToken);
            Log = new DecisionLog(Ledger, TrustDomain.Parse("example.org"));
        }
    }
}
