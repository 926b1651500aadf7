using BenchmarkDotNet.Running;

// Each room keeps its benchmarks in a folder of its own name; `--list flat` shows them.
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
