using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;

// Each room keeps its benchmarks in a folder of its own name; `--list flat` shows them. They run in this process, one after another: what
// counts is the ratio to the floor measured beside it, and a machine that builds while it measures would blur both.
var config = DefaultConfig.Instance.AddJob(Job.Default
    .WithRuntime(CoreRuntime.Core10_0)
    .WithToolchain(InProcessNoEmitToolchain.Instance)
    .WithWarmupCount(4)
    .WithIterationCount(12));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config);
