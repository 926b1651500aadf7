// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Identity.Agent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

public sealed class NodeEnrollerTests
{
    [Fact]
    public async Task Attests_once_and_keeps_its_identity_over_a_restart_although_the_token_is_used_up()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        var output = new ReadyLineReader();
        await using (await StartAsync(plane, options, output))
        {
            Assert.Equal(
                $"ready identity-agent id={FakeControlPlane.AgentId} workload=unix://{options.WorkloadSocket} broker=unix://{options.BrokerSocket}",
                await output.Line.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
            Assert.Equal(1, plane.Attestations);
        }

        Assert.Equal("600", ModeOf(Path.Combine(options.DataDirectory, "node-svid.pem")));
        await using var again = await StartAsync(plane, options);
        Assert.Equal(1, plane.Attestations);
    }

    [Fact]
    public async Task Starts_again_also_where_the_operators_bundle_was_in_JSON_and_said_all_that_the_server_says()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        await File.WriteAllBytesAsync(options.TrustBundleFile!, plane.Bundle.ToJson());
        await using (await StartAsync(plane, options)) { }

        await using var again = await StartAsync(plane, options);
        Assert.Equal(1, plane.Attestations);
    }

    [Fact]
    public async Task Says_in_one_line_that_a_used_up_token_is_of_no_use()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        await using (await StartAsync(plane, OptionsFor(plane, NewFolder()))) { }

        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => StartAsync(plane, OptionsFor(plane, NewFolder())));
        Assert.Contains("a token works once", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("token-1", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public async Task Refuses_to_start_without_token_or_bundle()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        var noToken = await Assert.ThrowsAsync<StartRefusedException>(() => StartAsync(plane, OptionsFor(plane, NewFolder(), token: null)));
        Assert.Contains("--join-token-file", noToken.Message, StringComparison.Ordinal);

        var with = OptionsFor(plane, NewFolder());
        var noBundle = new AgentOptions
        {
            Server = with.Server,
            TrustDomain = with.TrustDomain,
            JoinTokenFile = with.JoinTokenFile,
            DataDirectory = with.DataDirectory,
            WorkloadSocket = with.WorkloadSocket,
            BrokerSocket = with.BrokerSocket,
        };
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => StartAsync(plane, noBundle));
        Assert.Contains("--trust-bundle", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("spiffe://example.org/spire/agent/join_token/evil")]
    [InlineData("spiffe://example.org/components/greeter")]
    public async Task Gives_its_token_to_nobody_but_the_server(string impostor)
    {
        await using var plane = new FakeControlPlane(TimeProvider.System) { ServerId = SpiffeId.Parse(impostor) };
        await plane.StartAsync();
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        using var refusal = new LogSignal("cannot attest at");
        await using var app = AgentApplication.Build(
            OptionsFor(plane, NewFolder()), plane.Time, TextWriter.Null, builder => builder.Logging.ClearProviders().AddProvider(refusal));
        var starting = app.StartAsync(soon.Token);
        await Task.WhenAny(starting, refusal.Seen).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        await soon.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.Equal(0, plane.Attestations);
    }

    [Fact]
    public async Task Renews_itself_and_its_workloads_at_half_life_and_pushes_the_new_svid()
    {
        var time = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var plane = new FakeControlPlane(time);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        var first = Assert.Single((await call.ResponseStream.NextAsync()).Svids);

        var pushed = call.ResponseStream.NextAsync();
        await time.AwaitedAsync(time.Start.AddMinutes(20), time.Start.AddMinutes(35), count: 2); // The node's own and the workload's: half of an hour, give or take a tenth of it.
        time.Advance(TimeSpan.FromMinutes(35));
        var second = Assert.Single((await pushed).Svids);
        Assert.InRange(time.GetUtcNow() - time.Start, TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(50));
        Assert.Equal(first.SpiffeId, second.SpiffeId);
        Assert.NotEqual(first.X509Svid, second.X509Svid);
        Assert.NotEqual(first.X509SvidKey, second.X509SvidKey);
    }

    [Fact]
    public async Task Keeps_the_connection_it_has_until_the_server_has_answered_the_one_with_the_new_svid()
    {
        var time = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var plane = new FakeControlPlane(time);
        await plane.StartAsync();
        using var stays = new LogSignal("stays in use");
        using var renewed = new LogSignal("is renewed until");
        await using var agent = await StartAsync(
            plane, OptionsFor(plane, NewFolder()), also: builder => builder.Logging.AddProvider(stays).AddProvider(renewed));
        var views = agent.Services.GetRequiredService<Identity.Agent.ControlPlane.ViewHolder>();
        var connection = agent.Services.GetRequiredService<Identity.Agent.ControlPlane.ServerConnection>();
        await UntilAsync(() => views.Current is not null);
        var before = connection.Channel;

        plane.IsFull = true;
        await time.AwaitedAsync(time.Start.AddMinutes(20), time.Start.AddMinutes(35));
        time.Advance(TimeSpan.FromMinutes(35));
        await stays.Seen.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Same(before, connection.Channel);
        plane.Push();
        await UntilAsync(() => views.Current!.Revision == plane.Revision);

        plane.IsFull = false;
        await time.MoveOnUntilAsync(renewed.Seen, TimeSpan.FromMinutes(1));
        Assert.NotSame(before, connection.Channel);
        plane.Push();
        await UntilAsync(() => views.Current!.Revision == plane.Revision);

        static async Task UntilAsync(Func<bool> isSo)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while (!isSo()) await Task.Delay(10, deadline.Token);
        }
    }

    [Fact]
    public async Task Tries_again_soon_after_a_failure_though_the_clock_by_which_it_failed_is_set_back_by_a_day()
    {
        var clock = new SteppedClock();
        await using var plane = new FakeControlPlane(clock);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        using var complaint = new LogSignal("SVID is not renewed");
        await using var agent = await StartAsync(plane, OptionsFor(plane, NewFolder()), also: builder => builder.Logging.AddProvider(complaint));
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        var held = Assert.Single((await call.ResponseStream.NextAsync()).Svids).X509Svid;
        var identity = agent.Services.GetRequiredService<Identity.Agent.NodeEnrollment.NodeIdentity>();
        var before = identity.Current;

        await plane.StopAsync();
        clock.Step = TimeSpan.FromDays(1);
        agent.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<ClockWatch>().Single().Look();
        await complaint.Seen.WaitAsync(TimeSpan.FromMinutes(1));
        clock.Step = TimeSpan.Zero;
        await plane.StartAsync(plane.Port);

        // In time that passes it is half a minute at most; both are past half of their lives by then.
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        clock.Advance(TimeSpan.FromMinutes(36));
        while (ReferenceEquals(identity.Current, before))
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20, deadline.Token);
        }

        // While the clock was wrong the SVID had ended by it, and the stream perhaps with it: whoever asks again is served.
        var renewed = held;
        while (renewed == held)
        {
            try
            {
                using var again = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
                renewed = Assert.Single((await again.ResponseStream.NextAsync()).Svids).X509Svid;
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable)
            {
            }

            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20, deadline.Token);
        }
    }

    [Fact]
    public async Task Goes_on_renewing_itself_when_its_disk_takes_nothing_more()
    {
        var time = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var plane = new FakeControlPlane(time);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        using var complaint = new LogSignal("cannot be stored");
        await using var agent = await StartAsync(plane, options, also: builder => builder.Logging.AddProvider(complaint));
        var before = agent.Services.GetRequiredService<Identity.Agent.NodeEnrollment.NodeIdentity>().Current;
        Directory.Delete(options.DataDirectory, recursive: true);

        await time.AwaitedAsync(time.Start.AddMinutes(20), time.Start.AddMinutes(35)); // Half of an hour, give or take a tenth of it.
        time.Advance(TimeSpan.FromMinutes(35));
        await complaint.Seen.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.NotSame(before, agent.Services.GetRequiredService<Identity.Agent.NodeEnrollment.NodeIdentity>().Current);
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        Assert.Single((await call.ResponseStream.NextAsync()).Svids);
    }

    [Fact]
    public async Task Takes_an_entry_away_also_when_its_disk_takes_nothing_more()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        using var complaint = new LogSignal("cannot be stored");
        await using var agent = await StartAsync(plane, options, also: builder => builder.Logging.AddProvider(complaint));
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        Assert.Single((await call.ResponseStream.NextAsync()).Svids);
        Directory.Delete(options.DataDirectory, recursive: true);

        plane.Entries.Clear();
        plane.Push();

        await RefusedAsync(StatusCode.PermissionDenied, () => call.ResponseStream.NextAsync());
        await complaint.Seen.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Serves_what_it_holds_while_the_server_is_away_and_ends_it_when_the_server_no_longer_wants_the_node()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        using var call = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        var held = await call.ResponseStream.NextAsync();

        var port = plane.Port;
        await plane.StopAsync();
        using var during = agent.Workload.FetchX509SVID(new X509SVIDRequest(), WorkloadHeader);
        Assert.Equal(held, await during.ResponseStream.NextAsync());

        plane.SyncRefusal = StatusCode.PermissionDenied;
        await plane.StartAsync(port);
        await RefusedAsync(StatusCode.PermissionDenied, () => call.ResponseStream.NextAsync());
    }

    /// <summary>Completes when a message with this text is logged.</summary>
    private sealed class LogSignal(string text) : ILoggerProvider, ILogger
    {
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Seen => _seen.Task;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).Contains(text, StringComparison.Ordinal)) _seen.TrySetResult();
        }

        public void Dispose()
        {
        }
    }

    private sealed class ReadyLineReader : StringWriter
    {
        private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Line => _line.Task;

        public override Task WriteLineAsync(ReadOnlyMemory<char> buffer, CancellationToken cancellationToken = default)
        {
            Assert.True(_line.TrySetResult(buffer.ToString()), "there is one ready line only");
            return Task.CompletedTask;
        }
    }
}
