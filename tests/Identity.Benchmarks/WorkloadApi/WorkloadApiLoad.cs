using System.Diagnostics;
using System.Globalization;
using Identity.Testing.Platform;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>
/// The Workload API under load: the shipped identityd and identity-agent, and this process as the workload. What is asked is percentiles, processor time and memory of
/// another process, which BenchmarkDotNet does not measure; so it is a program of its own that writes a table of the same form. Client, agent and server share the machine.
/// </summary>
internal static class WorkloadApiLoad
{
    public const string Name = "Identity.Benchmarks.WorkloadApi.WorkloadApiLoad";

    private const int ManyStreams = 10_000;

    private static readonly int[] DivisorsOfMany = [5000, 2500, 1000, 500];

    // A machine on which it takes longer gives no figures worth having.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(6);

    // What the last measurement left behind - closed connections, a collection - is not for the next.
    public static Task SettleAsync() => Task.Delay(TimeSpan.FromSeconds(3));

    public static async Task RunAsync(string results)
    {
        var folder = Directory.CreateTempSubdirectory("ib-").FullName;
        var table = new Table("measurement", "p50", "p99", "rate", "CPU of the agent", "memory of the agent");
        await using (var platform = new LocalPlatform(folder, Ports.Any(), "")) await MeasureAsync(table, platform).WaitAsync(Longest);

        Directory.CreateDirectory(results);
        await File.WriteAllTextAsync(Path.Combine(results, Name + "-report-github.md"), table.ToString());
        Directory.Delete(folder, recursive: true);
    }

    private static async Task MeasureAsync(Table table, LocalPlatform platform)
    {
        var clock = Stopwatch.StartNew();
        var server = await platform.StartServerAsync();
        var agent = await platform.StartAgentAsync();
        using var entries = new Entries(platform.AdminSocket);
        await entries.CreateAsync("w");
        await Calls.WaitForFirstAsync(platform.WorkloadSocket);
        await Calls.WarmUpAsync(platform.WorkloadSocket);
        Say("started and warm");

        await Calls.MeasureOneAfterAnotherAsync(table, platform.WorkloadSocket, agent);
        await Calls.MeasureManyAtOnceAsync(table, platform.WorkloadSocket, agent, server, entries);
        Say("calls");

        // Before the agent is replaced by new ones, which have their code to compile still.
        var most = MostConnections(agent);
        foreach (var (connections, each, rounds) in new[] { (1, 1, 50), (1000, 1, 50), (10, 100, 50), (most, ManyStreams / most, 5) })
            await Streams.MeasurePropagationAsync(table, platform.WorkloadSocket, agent, entries, connections, each, rounds);
        Say("propagation");

        foreach (var measure in new[] { Streams.MeasureIdleHealthAsync, Streams.MeasureIdleAsync })
            foreach (var connections in new[] { 100, most })
            {
                // A new agent each time: a heap that has grown once does not grow again, and the second would seem to cost nothing.
                await agent.StopAsync();
                agent = await platform.RestartAgentAsync();
                await Calls.WaitForFirstAsync(platform.WorkloadSocket);
                await measure(table, platform.WorkloadSocket, agent, connections, ManyStreams / connections);
            }

        Say("idle streams");

        void Say(string done) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"// {clock.Elapsed.TotalSeconds:F0} s: {done}\n{table}"));
    }

    /// <summary>
    /// A divisor of <see cref="ManyStreams"/>. The agent keeps three eighths of its open files for workloads' connections and gives one user three eighths of those at most, so on a
    /// machine that allows few open files ten thousand streams share connections.
    /// </summary>
    private static int MostConnections(ManagedProcess agent)
    {
        var allowed = Math.Min(ProcessUsage.MaxOpenFiles(agent.Id) / 8 * 3 / 8 * 3, ProcessUsage.MaxOpenFiles(Environment.ProcessId) - 1000);
        return DivisorsOfMany.FirstOrDefault(connections => connections < allowed, 200);
    }
}
