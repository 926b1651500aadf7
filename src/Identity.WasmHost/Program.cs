using System.Collections;
using Identity.WasmHost;
using Identity.WasmHost.Supervision;
using Identity.WasmHost.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// Only here does the program divide: a worker loads Wasmtime and nothing of the supervisor, the supervisor nothing of Wasmtime.
if (args is ["worker"]) return await WorkerProcess.RunAsync(CancellationToken.None);

var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
    .ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "", StringComparer.Ordinal);
if (!ComponentHostOptions.TryRead(args, environment, out var options, out var problem))
{
    await Console.Error.WriteLineAsync($"identity-host: {problem}");
    return 2;
}

var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
builder.AddTelemetry();
builder.Services.AddSystemd();
builder.Services.AddSingleton(options);
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddSingleton(new StoryLine(Console.Out));
builder.Services.AddSingleton(WorkerCommand.OfThisProcess());
builder.Services.AddSingleton<ComponentHost>();
builder.Services.AddHostedService(services => services.GetRequiredService<ComponentHost>());
using var host = builder.Build();
await host.RunAsync();
return host.Services.GetRequiredService<ComponentHost>().ExitCode;
