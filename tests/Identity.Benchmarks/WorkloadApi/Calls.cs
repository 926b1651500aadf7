using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Grpc.Health.V1;
using Identity.Testing.Platform;
using Spiffe.WorkloadApi.V1;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>How long single calls take, how many fit into a second, and what they cost the agent. The floor is a health check: a call over the same socket that asks nobody who they are.</summary>
internal static class Calls
{
    private const int Warm = 200;
    private const int Measured = 2000;
    private const int Lanes = 32;
    private const int MinWarmUpTurns = 300;

    // An agent has the first 3,000 tokens of an entry made at once, and ten a second after them: what is measured is the making.
    private const int Tokens = 40;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(6);

    /// <summary>Waits until the entry has reached the agent: until then it refuses.</summary>
    public static async Task WaitForFirstAsync(string socket)
    {
        using var channel = new UnixChannel(socket);
        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await FirstAsync(channel);
                return;
            }
            catch (RpcException) when (waited.Elapsed < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(100);
            }
        }
    }

    /// <summary>Calls until the agent's code is compiled for good: else whatever is measured first pays for the rest.</summary>
    public static async Task WarmUpAsync(string socket)
    {
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async lane =>
        {
            using var channel = new UnixChannel(socket);
            for (var turn = 0; clock.Elapsed < WarmUp || turn < MinWarmUpTurns; turn++)
            {
                using var fresh = new UnixChannel(socket);
                await FirstAsync(fresh);
                await FirstAsync(channel);
                await CheckAsync(channel);
                await FetchJwtAsync(channel, $"warm-{turn % 10}-{lane}");
            }
        }));
        await WorkloadApiLoad.SettleAsync();
    }

    public static async Task MeasureOneAfterAnotherAsync(Table table, string socket, ManagedProcess agent)
    {
        await MeasureAsync("floor: health check", CheckAsync);
        await MeasureAsync("first X509-SVID on a fresh stream", FirstAsync);

        async Task MeasureAsync(string name, Func<UnixChannel, Task> call)
        {
            using var kept = new UnixChannel(socket);
            await RepeatAsync($"{name}, connected before", () => call(kept));
            await RepeatAsync($"{name}, on a fresh connection", async () =>
            {
                using var fresh = new UnixChannel(socket);
                await call(fresh);
            });
        }

        async Task RepeatAsync(string name, Func<Task> call)
        {
            for (var i = 0; i < Warm; i++) await call();
            var times = new List<double>(Measured);
            var cpu = ProcessUsage.Cpu(agent.Id);
            while (times.Count < Measured)
            {
                var start = Stopwatch.GetTimestamp();
                await call();
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            table.Add(name, times, $"{Measured / times.Sum() * 1000:F0}/s one after another", PerCall(ProcessUsage.Cpu(agent.Id) - cpu, Measured), "");
        }
    }

    public static async Task MeasureManyAtOnceAsync(Table table, string socket, ManagedProcess agent, ManagedProcess server, Entries entries)
    {
        var channels = Enumerable.Range(0, 4).Select(_ => new UnixChannel(socket)).ToArray();
        var number = 0;
        await MeasureAsync("floor: health check", CheckAsync, isServerAsked: false);
        await MeasureAsync("JWT-SVID, held by the agent", channel => FetchJwtAsync(channel, "audience"), isServerAsked: false);
        var many = new List<string>();
        await using (var stream = await OpenStreams.OpenAsync(socket, 1, 1))
        {
            for (var token = 0; token < Tokens; token++) many.Add(await entries.CreateAsync($"token-{token}"));
            await stream.AllHaveAsync(1 + Tokens);
        }

        await MeasureAsync("JWT-SVID, a new audience each time", FetchNewJwtAsync, isServerAsked: true);

        // Nobody listens meanwhile: a stream is ended that has a message on its way of which part was taken away.
        foreach (var entry in many) await entries.DeleteAsync(entry);
        await WorkloadApiLoad.SettleAsync();
        await using (await OpenStreams.OpenAsync(socket, 1, 1))
        {
        }

        foreach (var channel in channels) channel.Dispose();

        Task FetchNewJwtAsync(UnixChannel channel)
        {
            var turn = Interlocked.Increment(ref number);
            return FetchJwtAsync(channel, $"audience-{turn.ToString(CultureInfo.InvariantCulture)}", $"spiffe://example.org/token-{turn % Tokens}");
        }

        async Task MeasureAsync(string name, Func<UnixChannel, Task> call, bool isServerAsked)
        {
            await RunForAsync(TimeSpan.FromSeconds(2), call);
            var (agentBefore, serverBefore) = (ProcessUsage.Cpu(agent.Id), ProcessUsage.Cpu(server.Id));
            var start = Stopwatch.GetTimestamp();
            var times = await RunForAsync(TimeSpan.FromSeconds(5), call);
            var elapsed = Stopwatch.GetElapsedTime(start);
            var cpu = PerCall(ProcessUsage.Cpu(agent.Id) - agentBefore, times.Count);
            if (isServerAsked) cpu += $"; of the server {PerCall(ProcessUsage.Cpu(server.Id) - serverBefore, times.Count)}";
            table.Add($"{name}, {Lanes} at once", times, $"{times.Count / elapsed.TotalSeconds:F0}/s", cpu, "");
        }

        async Task<List<double>> RunForAsync(TimeSpan duration, Func<UnixChannel, Task> call)
        {
            var clock = Stopwatch.StartNew();
            var all = await Task.WhenAll(Enumerable.Range(0, Lanes).Select(async lane =>
            {
                var mine = new List<double>();
                while (clock.Elapsed < duration)
                {
                    var start = Stopwatch.GetTimestamp();
                    await call(channels[lane % channels.Length]);
                    mine.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }

                return mine;
            }));
            return [.. all.SelectMany(one => one)];
        }
    }

    private static async Task CheckAsync(UnixChannel channel)
    {
        var health = await new Health.HealthClient(channel.Channel).CheckAsync(new HealthCheckRequest());
        if (health.Status != HealthCheckResponse.Types.ServingStatus.Serving) throw new InvalidOperationException("the agent is not well");
    }

    private static async Task FirstAsync(UnixChannel channel)
    {
        using var call = channel.Workload.FetchX509SVID(new X509SVIDRequest(), UnixChannel.Header);
        if (!await call.ResponseStream.MoveNext(default) || call.ResponseStream.Current.Svids.Count == 0) throw new InvalidOperationException("no SVID");
    }

    private static async Task FetchJwtAsync(UnixChannel channel, string audience, string id = "spiffe://example.org/w")
    {
        var answer = await channel.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { audience }, SpiffeId = id }, UnixChannel.Header);
        if (answer.Svids.Count != 1) throw new InvalidOperationException("no SVID");
    }

    private static string PerCall(TimeSpan cpu, int calls) => $"{cpu.TotalMicroseconds / calls:F0} µs a call";
}
