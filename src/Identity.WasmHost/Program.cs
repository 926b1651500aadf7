using Identity.WasmHost.Workers;

if (args is ["worker"]) return await WorkerProcess.RunAsync(CancellationToken.None);
return 0;
