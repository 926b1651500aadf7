using System.IO.Enumeration;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;
using Identity.Benchmarks;
using Identity.Benchmarks.ComponentPolicy;
using Identity.Benchmarks.DecisionPoints;
using Identity.Benchmarks.Floors;
using Identity.Benchmarks.WorkloadApi;

if (args is [FloorServer.Verb, var socket, ..])
{
    await FloorServer.RunAsync(socket, args.ElementAtOrDefault(2));
    return 0;
}

// Each room keeps its benchmarks in a folder of its own name; `--list flat` shows them. They run in this process, one after another: what
// counts is the ratio to the floor measured beside it, and a machine that builds while it measures would blur both.
var config = DefaultConfig.Instance.AddJob(Job.Default
    .WithRuntime(CoreRuntime.Core10_0)
    .WithToolchain(InProcessNoEmitToolchain.Instance)
    .WithWarmupCount(4)
    .WithIterationCount(12));

// What asks for percentiles, and for what another process used, is a program of its own.
var filter = Value("--filter");
var results = Path.Combine(Value("--artifacts") ?? "BenchmarkDotNet.Artifacts", "results");
if (filter is not null && FileSystemName.MatchesSimpleExpression(filter, WorkloadApiLoad.Name)) await WorkloadApiLoad.RunAsync(results);
if (filter is not null && FileSystemName.MatchesSimpleExpression(filter, PolicyFanOut.Name)) await PolicyFanOut.RunAsync(results);
if (filter is not null && FileSystemName.MatchesSimpleExpression(filter, AskDoors.Name)) await AskDoors.RunAsync(results);

if (args.Contains(Interleaved.Option))
{
    foreach (var type in Interleaved.Find(name => filter is not null && FileSystemName.MatchesSimpleExpression(filter, name))) Interleaved.Run(type, results);
    return 0;
}

// A filter that names nothing but those finds no benchmark here, and that is no failure; a benchmark without a result is one.
var summaries = BenchmarkSwitcher.FromAssembly(typeof(PolicyFanOut).Assembly).Run(args, config);
return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.IsEmpty || summary.Reports.Any(report => !report.Success)) ? 1 : 0;

string? Value(string option) => Array.IndexOf(args, option) is var at && at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
