using Grpc.Core;
using Identity.Agent;
using Identity.Agent.ControlPlane;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.SvidCache;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spire.Api.Types;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>Those who wait for an X509-SVID hear of every end of the waiting.</summary>
public sealed class X509SvidCacheTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Who_waits_under_an_entry_that_was_replaced_goes_on_without()
    {
        // Not started: nobody answers.
        using var cache = new X509SvidCache(null!, null!, new ChangeFeed(), _time, NullLogger<X509SvidCache>.Instance);
        var waiting = cache.GetAsync(Entry(revision: 1), TestContext.Current.CancellationToken).AsTask();
        var another = cache.GetAsync(Entry(revision: 2), TestContext.Current.CancellationToken).AsTask();
        Assert.Null(await waiting.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.False(another.IsCompleted);
    }

    [Fact]
    public async Task Nobody_waits_at_a_place_that_was_given_up_whatever_comes_after()
    {
        var slot = new SvidSlot(Entry(revision: 1));
        var before = slot.Answer;
        slot.GiveUp();
        await before.WaitAsync(Patience, TestContext.Current.CancellationToken);

        // An answer that was under way, and a change of entries that was being gone through.
        slot.Fail(_time.GetUtcNow());
        slot.RetryNowIfEmpty();
        Assert.Equal(DateTimeOffset.MaxValue, slot.NextAttempt);
    }

    [Fact]
    public async Task A_renewal_that_fails_after_the_svid_expired_wakes_those_who_began_to_wait_meanwhile()
    {
        await using var plane = new FakeControlPlane(_time);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", "unix:uid:1");
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        PrivateFiles.CreateDirectory(options.DataDirectory);
        var (trust, changes) = (new ServerTrust(options), new ChangeFeed());
        trust.UseBootstrap();
        using var server = new ServerConnection(options, trust, _time, NullLogger<ServerConnection>.Instance);
        server.Present(plane.SvidOf(FakeControlPlane.AgentId));
        var views = new ViewHolder(options, trust, changes, _time, NullLogger<ViewHolder>.Instance);
        Assert.True(views.Accept(plane.Compose(), store: false));
        using var cache = new X509SvidCache(server, views, changes, _time, NullLogger<X509SvidCache>.Instance);
        await cache.StartAsync(TestContext.Current.CancellationToken);
        var entry = Assert.Single(views.Current!.Entries.All);
        var held = (await cache.GetAsync(entry, TestContext.Current.CancellationToken))!;

        // The server takes the request for its renewal and is silent until it has expired.
        var failing = plane.HoldX509Batches();
        _time.Advance(TimeSpan.FromMinutes(40));
        await failing.Asked.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.True(cache.TryGet(entry, out var still));
        Assert.Same(held, still);
        _time.Advance(held.NotAfter - _time.GetUtcNow());

        // What a stream does: the moment, a look, and then it sleeps until something changes.
        var change = changes.Current;
        Assert.False(cache.TryGet(entry, out _));
        failing.Fail(StatusCode.Internal);
        await change.Passed.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.True(cache.TryGet(entry, out var none));
        Assert.Null(none);
        await cache.StopAsync(TestContext.Current.CancellationToken);
    }

    private static AuthorizedEntry Entry(long revision)
    {
        var entry = new Entry
        {
            Id = "e1",
            RevisionNumber = revision,
            SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = "/a" },
            ParentId = new SPIFFEID { TrustDomain = "example.org", Path = "/nodes/local" },
            Selectors = { new Selector { Type = "unix", Value = "uid:1" } },
        };
        Assert.True(AuthorizedEntry.TryRead(entry, out var read, out var problem), problem);
        return read;
    }
}
