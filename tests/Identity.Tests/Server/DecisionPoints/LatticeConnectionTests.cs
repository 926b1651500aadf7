// Every call here ends with the connection, which the test disposes of.
#pragma warning disable xUnit1051
using System.Diagnostics.Metrics;
using Identity.Server.Authority;
using Identity.Server.DecisionPoints;
using Identity.Testing.Nats;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using NATS.Client.Core;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>What becomes of requests that nobody has the time to take.</summary>
public sealed class LatticeConnectionTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private NatsServerProcess _nats = null!;

    public async ValueTask InitializeAsync() => _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, "port: -1\nhost: 127.0.0.1\n");

    public ValueTask DisposeAsync() => _nats.DisposeAsync();

    [Theory]
    [InlineData(null)]
    [InlineData(256)]
    public async Task Requests_beyond_the_bound_are_counted_as_unanswered_and_told_in_the_log(int? capacity)
    {
        await using var world = await DecisionWorld.StartAsync(null);
        var options = new WasmCloudOptions(
            new Uri($"nats://127.0.0.1:{_nats.Port}"), null, null, null, null, "wasmcloud.policy", null, null, "runtime.host", "identity.wasmcloud.refusals");
        var log = new FakeLogger();
        var lattice = new LatticeConnection(DoorName.WasmCloudPolicyService, options, world.Server.Services.GetRequiredService<SigningAuthority>(), TimeProvider.System, log);
        using var unanswered = new Unanswered();
        using var stop = new CancellationTokenSource();
        var keeping = lattice.KeepAsync(
            async (connection, stopping) =>
            {
                var few = capacity is null ? null : new NatsSubOpts { ChannelOpts = new NatsSubChannelOpts { Capacity = capacity, FullMode = System.Threading.Channels.BoundedChannelFullMode.DropNewest } };
                await using var subscription = await connection.SubscribeCoreAsync<byte[]>("wasmcloud.policy", opts: few, cancellationToken: stopping);
                await lattice.ReadyAsync(connection, "wasmcloud.policy", stopping);
                await Task.Delay(Timeout.InfiniteTimeSpan, stopping);
            },
            stop.Token);
        await UntilAsync(() => lattice.Problem is null);

        const int More = 500;
        await using var flood = new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{_nats.Port}" });
        for (var at = 0; at < (capacity ?? 1024) + More; at++) await flood.PublishAsync("wasmcloud.policy", "{}"u8.ToArray());
        await UntilAsync(() => unanswered.Count >= More);

        var told = Assert.Single(log.Collector.GetSnapshot(), record => record.Level == LogLevel.Warning);
        Assert.Contains("dropped unanswered", told.Message, StringComparison.Ordinal);
        await stop.CancelAsync();
        await keeping;
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!isSo()) await Task.Delay(20, deadline.Token);
    }

    /// <summary>Counts what the door did not answer, also of tests beside this one: at least what is expected.</summary>
    private sealed class Unanswered : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _count;

        public Unanswered()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "identity.decisions") listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, measurement, tags, _) =>
            {
                foreach (var tag in tags)
                {
                    if (tag is { Key: "outcome", Value: "unanswered" }) Interlocked.Add(ref _count, measurement);
                }
            });
            _listener.Start();
        }

        public long Count => Interlocked.Read(ref _count);

        public void Dispose() => _listener.Dispose();
    }
}
