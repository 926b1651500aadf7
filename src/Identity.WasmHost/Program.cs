using Identity.WasmHost;
using Identity.WasmHost.Workers;

// Only here does the program divide: a worker loads Wasmtime and nothing of the supervisor, the supervisor nothing of Wasmtime.
return args is ["worker"] ? await WorkerProcess.RunAsync(CancellationToken.None) : await HostProgram.RunAsync(args);
