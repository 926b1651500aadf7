using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.V1;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Whoever proves nothing can be refused as often as they like, and push nobody's decision out of the log.</summary>
public sealed class DecisionLogFloodTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Forgets_refusals_of_strangers_beyond_a_few_a_minute()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(
            _folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, TestContext.Current.CancellationToken);
        var log = new DecisionLog(ledger, TrustDomain.Parse("example.org"), _time);
        var kept = Enumerable.Range(0, DecisionLog.MaxStrangersPerMinute).Select(_ => log.Record(Refusal(""))).ToList();

        var oneTooMany = log.Record(Refusal(""));
        var known = log.Record(Refusal("spiffe://example.org/workload"));

        Assert.NotNull(log.TryGet(kept[^1]));
        Assert.Null(log.TryGet(oneTooMany));
        Assert.NotNull(log.TryGet(known));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.NotNull(log.TryGet(log.Record(Refusal(""))));
    }

    [Fact]
    public async Task Who_only_names_itself_counts_as_a_stranger()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(
            _folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, TestContext.Current.CancellationToken);
        var log = new DecisionLog(ledger, TrustDomain.Parse("example.org"), _time);
        const string Named = "spiffe://example.org/spire/agent/join_token/x";
        for (var at = 0; at < DecisionLog.MaxStrangersPerMinute; at++) Assert.NotNull(log.TryGet(log.Record(Refusal(Named), isProven: false)));

        Assert.Null(log.TryGet(log.Record(Refusal(Named), isProven: false)));
        Assert.Null(log.TryGet(log.Record(Refusal(""))));
        Assert.NotNull(log.TryGet(log.Record(Refusal(Named))));
    }

    private static Decision Refusal(string subject) => new() { Kind = DecisionKind.MeshCertificate, Subject = subject, Summary = "refused" };
}
