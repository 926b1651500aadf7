using System.Diagnostics;
using System.Globalization;
using Identity.Testing.Platform;
using Spiffe.WorkloadApi.V1;
using Spire.Api.Server.Entry.V1;
using Types = Spire.Api.Types;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>
/// The Workload API under load: the shipped identityd and identity-agent, and this process as the workload. What is asked is percentiles, processor time and memory of
/// another process, which BenchmarkDotNet does not measure; so it is a program of its own that writes a table of the same form. Client, agent and server share the machine.
/// </summary>
internal static class WorkloadApiLoad
{
    public const string Name = "Identity.Benchmarks.WorkloadApi.WorkloadApiLoad";

    private static readonly string Node = "spiffe://example.org/nodes/local";

    public static async Task RunAsync(string results)
    {
        var folder = Directory.CreateTempSubdirectory("ib-").FullName;
        await using var platform = new LocalPlatform(folder, Ports.Any(), "");
        var server = await platform.StartServerAsync();
        var agent = await platform.StartAgentAsync();
        using var admin = new UnixChannel(platform.AdminSocket);
        var entries = new Entry.EntryClient(admin.Channel);
        await CreateAsync(entries, "w");
        await using (var wait = await OpenStreams.OpenAsync(platform.WorkloadSocket, 1, 1)) { }

        var table = new Table("measurement", "p50", "p99", "rate", "CPU of the agent", "memory of the agent");
        await MeasureFirstAsync(table, platform, agent);
        await MeasureJwtAsync(table, platform, agent, server);
        await MeasureIdleAsync(table, platform, agent);
        foreach (var (connections, each) in new[] { (1000, 1), (10, 100), (2000, 5) }) await MeasurePropagationAsync(table, platform, agent, entries, connections, each);
        Directory.CreateDirectory(results);
        await File.WriteAllTextAsync(Path.Combine(results, Name + "-report-github.md"), table.ToString());
        Console.WriteLine(table);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task MeasureFirstAsync(Table table, LocalPlatform platform, ManagedProcess agent)
    {
        foreach (var (name, isNew) in new[] { ("first X509-SVID on a fresh stream, connected", false), ("first X509-SVID, connecting first", true) })
        {
            const int warm = 300, measured = 2000;
            var times = new List<double>(measured);
            using var kept = new UnixChannel(platform.WorkloadSocket);
            var before = TimeSpan.Zero;
            for (var i = 0; i < warm + measured; i++)
            {
                if (i == warm) before = ProcessUsage.Cpu(agent.Id);
                var start = Stopwatch.GetTimestamp();
                if (isNew)
                {
                    using var fresh = new UnixChannel(platform.WorkloadSocket);
                    await FirstAsync(fresh);
                }
                else
                {
                    await FirstAsync(kept);
                }

                if (i >= warm) times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            table.Add(name, times, $"{measured / times.Sum() * 1000:F0}/s one after another", PerCall(ProcessUsage.Cpu(agent.Id) - before, measured), "");
        }
    }

    private static async Task FirstAsync(UnixChannel channel)
    {
        using var call = channel.Workload.FetchX509SVID(new X509SVIDRequest(), UnixChannel.Header);
        if (!await call.ResponseStream.MoveNext(default)) throw new InvalidOperationException("no SVID");
    }

    private static async Task MeasureJwtAsync(Table table, LocalPlatform platform, ManagedProcess agent, ManagedProcess server)
    {
        const int lanes = 32;
        var channels = Enumerable.Range(0, 4).Select(_ => new UnixChannel(platform.WorkloadSocket)).ToArray();
        var audiences = 0;
        foreach (var (name, isFresh) in new[] { ("JWT-SVID, held by the agent", false), ("JWT-SVID, a new audience each time", true) })
        {
            await RunForAsync(TimeSpan.FromSeconds(2));
            var (agentBefore, serverBefore) = (ProcessUsage.Cpu(agent.Id), ProcessUsage.Cpu(server.Id));
            var start = Stopwatch.GetTimestamp();
            var times = await RunForAsync(TimeSpan.FromSeconds(6));
            var elapsed = Stopwatch.GetElapsedTime(start);
            var cpu = PerCall(ProcessUsage.Cpu(agent.Id) - agentBefore, times.Count);
            if (isFresh) cpu += $", server {PerCall(ProcessUsage.Cpu(server.Id) - serverBefore, times.Count)}";
            table.Add($"{name}, {lanes} at once", times, $"{times.Count / elapsed.TotalSeconds:F0}/s", cpu, "");

            async Task<List<double>> RunForAsync(TimeSpan duration)
            {
                var until = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
                var all = await Task.WhenAll(Enumerable.Range(0, lanes).Select(async lane =>
                {
                    var mine = new List<double>();
                    while (Stopwatch.GetTimestamp() < until)
                    {
                        var audience = isFresh ? $"audience-{Interlocked.Increment(ref audiences).ToString(CultureInfo.InvariantCulture)}" : "audience";
                        var began = Stopwatch.GetTimestamp();
                        await channels[lane % channels.Length].Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { audience } }, UnixChannel.Header);
                        mine.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                    }

                    return mine;
                }));
                return [.. all.SelectMany(one => one)];
            }
        }

        foreach (var channel in channels) channel.Dispose();
    }

    private static async Task MeasureIdleAsync(Table table, LocalPlatform platform, ManagedProcess agent)
    {
        foreach (var (connections, each) in new[] { (100, 100), (2500, 4) })
        {
            await SettleAsync();
            var before = ProcessUsage.Memory(agent.Id);
            await using var streams = await OpenStreams.OpenAsync(platform.WorkloadSocket, connections, each);
            await SettleAsync();
            var after = ProcessUsage.Memory(agent.Id);
            var cpu = ProcessUsage.Cpu(agent.Id);
            await Task.Delay(TimeSpan.FromSeconds(5));
            cpu = ProcessUsage.Cpu(agent.Id) - cpu;
            table.Add(
                $"{connections * each} idle streams on {connections} connections", [], "", $"{cpu.TotalSeconds / 5 * 100:F1} % of a core",
                $"{after / 1048576.0:F0} MB, {(after - before) / 1024.0 / (connections * each):F1} KiB a stream");
        }
    }

    private static async Task MeasurePropagationAsync(Table table, LocalPlatform platform, ManagedProcess agent, Entry.EntryClient entries, int connections, int each)
    {
        const int rounds = 20;
        await using var streams = await OpenStreams.OpenAsync(platform.WorkloadSocket, connections, each);
        await SettleAsync();
        var times = new List<double>();
        var (last, cpu) = (new List<double>(), ProcessUsage.Cpu(agent.Id));
        for (var round = 0; round < rounds; round++)
        {
            // A second identity comes, and goes.
            var start = Stopwatch.GetTimestamp();
            var id = await CreateAsync(entries, "second");
            var came = await streams.AllHaveAsync(2);
            Take(came, start);
            start = Stopwatch.GetTimestamp();
            await entries.BatchDeleteEntryAsync(new BatchDeleteEntryRequest { Ids = { id } });
            Take(await streams.AllHaveAsync(1), start);
        }

        cpu = ProcessUsage.Cpu(agent.Id) - cpu;
        table.Add($"an entry's change, to {connections * each} open streams on {connections} connections", times, $"last of all p50 {Table.Percentile(last, 50):F0} ms, p99 {Table.Percentile(last, 99):F0} ms",
            $"{cpu.TotalMilliseconds / rounds / 2:F1} ms a change", "");

        void Take(long[] arrivals, long start)
        {
            times.AddRange(arrivals.Select(arrival => Stopwatch.GetElapsedTime(start, arrival).TotalMilliseconds));
            last.Add(Stopwatch.GetElapsedTime(start, arrivals.Max()).TotalMilliseconds);
        }
    }

    private static async Task<string> CreateAsync(Entry.EntryClient entries, string name)
    {
        var uid = File.ReadLines("/proc/self/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];
        var created = await entries.BatchCreateEntryAsync(new BatchCreateEntryRequest
        {
            Entries =
            {
                new Types.Entry
                {
                    SpiffeId = Wire($"/{name}"), ParentId = new Types.SPIFFEID { TrustDomain = "example.org", Path = Node["spiffe://example.org".Length..] },
                    Selectors = { new Types.Selector { Type = "unix", Value = $"uid:{uid}" } },
                },
            },
        });
        var result = created.Results.Single();
        return result.Status.Code == 0 ? result.Entry.Id : throw new InvalidOperationException(result.Status.Message);

        static Types.SPIFFEID Wire(string path) => new() { TrustDomain = "example.org", Path = path };
    }

    private static string PerCall(TimeSpan cpu, int calls) => $"{cpu.TotalMicroseconds / calls:F0} µs a call";

    private static Task SettleAsync() => Task.Delay(TimeSpan.FromSeconds(3));
}
