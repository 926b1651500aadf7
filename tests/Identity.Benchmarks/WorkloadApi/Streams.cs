using System.Diagnostics;
using System.Globalization;
using Identity.Testing.Platform;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>What open streams cost while they are silent, and how soon all of them have heard of a change.</summary>
internal static class Streams
{
    // Of each measured round; three processes have their code to compile still.
    private const int WarmRoundsForEach = 2;

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    /// <summary>The floor: streams of the same server and library that belong to nobody.</summary>
    public static Task MeasureIdleHealthAsync(Table table, string socket, ManagedProcess agent, int connections, int each) =>
        MeasureIdleAsync(table, "floor: {0} idle watches of health on {1} connections", OpenStreams.OpenHealthAsync, socket, agent, connections, each);

    public static Task MeasureIdleAsync(Table table, string socket, ManagedProcess agent, int connections, int each) =>
        MeasureIdleAsync(table, "{0} idle streams on {1} connections", OpenStreams.OpenAsync, socket, agent, connections, each);

    private static async Task MeasureIdleAsync(
        Table table, string name, Func<string, int, int, Task<OpenStreams>> open, string socket, ManagedProcess agent, int connections, int each)
    {
        var count = connections * each;
        await WorkloadApiLoad.SettleAsync();
        var before = ProcessUsage.Memory(agent.Id);
        var start = Stopwatch.GetTimestamp();
        await using var streams = await open(socket, connections, each);
        var opening = Stopwatch.GetElapsedTime(start);
        await WorkloadApiLoad.SettleAsync();
        var after = ProcessUsage.Memory(agent.Id);
        var cpu = ProcessUsage.Cpu(agent.Id);
        await Task.Delay(Idle);
        cpu = ProcessUsage.Cpu(agent.Id) - cpu;
        streams.DemandOpen(count);
        table.Add(
            string.Format(CultureInfo.InvariantCulture, name, count, connections), [], $"{count / opening.TotalSeconds:F0} opened/s", $"{cpu / Idle * 100:F1} % of a core",
            $"{before / 1048576.0:F0} MiB before, {after / 1048576.0:F0} MiB with them: {(after - before) / 1024.0 / count:F1} KiB a stream");
    }

    public static async Task MeasurePropagationAsync(Table table, string socket, ManagedProcess agent, Entries entries, int connections, int each, int rounds)
    {
        await WorkloadApiLoad.SettleAsync();
        await using var streams = await OpenStreams.OpenAsync(socket, connections, each);
        var (coming, going) = (new Arrivals(), new Arrivals());
        for (var round = 0; round < (WarmRoundsForEach + 1) * rounds; round++)
        {
            if (round == WarmRoundsForEach * rounds) (coming, going) = (new Arrivals(), new Arrivals());

            // A second identity comes, whose SVID must be minted first, and goes. The clock starts before the server is told.
            var (start, cpu) = (Stopwatch.GetTimestamp(), ProcessUsage.Cpu(agent.Id));
            var id = await entries.CreateAsync("second");
            coming.Take(await streams.AllHaveAsync(2), start, ProcessUsage.Cpu(agent.Id) - cpu);
            (start, cpu) = (Stopwatch.GetTimestamp(), ProcessUsage.Cpu(agent.Id));
            await entries.DeleteAsync(id);
            going.Take(await streams.AllHaveAsync(1), start, ProcessUsage.Cpu(agent.Id) - cpu);
        }

        streams.DemandOpen(connections * each);
        // One stream hears what any of them has to wait for: the ledger, the push, a key and an SVID for a new entry.
        var name = connections * each == 1 ? "floor: {0}, to one open stream" : $"{{0}}, to {connections * each} open streams on {connections} connections";
        Row("a new entry", coming);
        Row("a deleted entry", going);

        void Row(string change, Arrivals arrivals) => table.Add(
            string.Format(CultureInfo.InvariantCulture, name, change), arrivals.All,
            $"the last stream {Table.Percentile(arrivals.Last, 50):F0} ms in the middle of {rounds} changes, {arrivals.Last.Max():F0} ms at worst",
            $"{arrivals.Cpu.TotalMilliseconds / rounds:F0} ms a change", "");
    }

    /// <summary>Milliseconds from a change to each stream's answer.</summary>
    private sealed class Arrivals
    {
        public List<double> All { get; } = [];

        /// <summary>Of each change, the stream that had it last.</summary>
        public List<double> Last { get; } = [];

        public TimeSpan Cpu { get; private set; }

        public void Take(long[] arrivals, long start, TimeSpan cpu)
        {
            All.AddRange(arrivals.Select(arrival => Stopwatch.GetElapsedTime(start, arrival).TotalMilliseconds));
            Last.Add(Stopwatch.GetElapsedTime(start, arrivals.Max()).TotalMilliseconds);
            Cpu += cpu;
        }
    }
}
