// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Google.Protobuf.WellKnownTypes;
using Identity.V1;
using Identity.Server.NatsAuthCallout;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.StagingServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using IssuanceRecord = Identity.Ledger.V1.Issuance;
using Kind = Identity.Ledger.V1.Issuance.Types.Kind;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Who is logged in to NATS since before a restart is known from the records of the logins: no nats-server need be there, and nobody is waited for.</summary>
public sealed class StagedNatsRestartTests : IAsyncLifetime
{
    private static readonly SpiffeId Clerk = SpiffeId.Parse("spiffe://example.org/components/shop/clerk");

    private StagingServer _staging = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Permit("shop", capability: "start, { natsSubscribe: orders.* }"));
        await _staging.Server.AttestAsync();
        await _staging.RegisterAsync("clerk", Clerk, SpiffeId.Parse("spiffe://example.org/nodes/local"), "unix:uid:1000");
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    [Fact]
    public async Task A_change_stops_that_takes_something_from_a_session_of_before_the_restart()
    {
        await RecordAsync(Clerk, Kind.NatsUserJwt, TimeSpan.FromMinutes(40));
        await _staging.Server.RestartAsync();
        var end = await _staging.EndOfAsync(await StageAsync());
        Assert.Equal("halted", end.State);
        Assert.Contains($"{Clerk}", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_does_not_wait_when_every_session_of_before_the_restart_is_over()
    {
        await RecordAsync(Clerk, Kind.NatsUserJwt, TimeSpan.FromMinutes(-1));
        await RecordAsync(Clerk, Kind.X509Svid, TimeSpan.FromMinutes(40));
        await _staging.Server.RestartAsync();
        Assert.Equal("in force", (await _staging.EndOfAsync(await StageAsync())).State);
    }

    [Fact]
    public async Task Only_records_of_the_longest_session_are_read_and_the_last_end_of_each_counts()
    {
        await RecordAsync(Clerk, Kind.NatsUserJwt, TimeSpan.FromMinutes(40));
        await RecordAsync(Clerk, Kind.NatsUserJwt, TimeSpan.FromMinutes(20));
        var time = _staging.Server.Time;
        var logins = new GrantedLogins(TimeSpan.FromHours(1), time);
        Assert.True(logins.MayMissIdsUntil > time.GetUtcNow());
        logins.Recall(Endless(_staging.Server.Ledger.ReadIssuances()));
        Assert.False(logins.MayMissIdsUntil > time.GetUtcNow());

        // What it was granted is not known, so it is no session like the others.
        Assert.False(logins.Knows(Clerk.ToString()));
        Assert.True(logins.MayMissSome);
        Assert.Equal([Clerk], logins.Ids());
        time.Shift = TimeSpan.FromMinutes(30);
        Assert.Equal([Clerk], logins.Ids());
        time.Shift = TimeSpan.FromMinutes(41);
        Assert.Empty(logins.Ids());
    }

    [Fact]
    public void More_sessions_than_are_remembered_are_waited_for()
    {
        var time = _staging.Server.Time;
        var now = time.GetUtcNow();
        var logins = new GrantedLogins(TimeSpan.FromHours(1), time);
        logins.Recall(Enumerable.Range(0, 250_001).Select(at => new IssuanceRecord
        {
            At = now.ToTimestamp(),
            Kind = Kind.NatsUserJwt,
            SpiffeId = $"spiffe://example.org/p{at}",
            NotAfter = (now + TimeSpan.FromMinutes(at < 250_000 ? 50 : 40)).ToTimestamp(),
        }));
        Assert.Equal(now + TimeSpan.FromMinutes(40), logins.MayMissIdsUntil);
        Assert.Equal(250_000, logins.Ids().Count());
    }

    private static IEnumerable<IssuanceRecord> Endless(IEnumerable<IssuanceRecord> first)
    {
        foreach (var record in first) yield return record;
        yield return new IssuanceRecord { At = DateTimeOffset.UnixEpoch.ToTimestamp(), Kind = Kind.NatsUserJwt };
        Assert.Fail("it reads what cannot matter any more");
    }

    private Task<StagedChange> StageAsync() => _staging.StageAsync([Forbid("guard", capability: "{ natsSubscribe: orders.* }")], soak: 1, through: ["enforce"]);

    private Task RecordAsync(SpiffeId id, Kind kind, TimeSpan left)
    {
        var now = _staging.Server.Time.GetUtcNow();
        return _staging.Server.Ledger.RecordIssuanceAsync(
            new IssuanceRecord { At = now.ToTimestamp(), Kind = kind, SpiffeId = id.ToString(), NotAfter = (now + left).ToTimestamp() }, CancellationToken.None);
    }
}
