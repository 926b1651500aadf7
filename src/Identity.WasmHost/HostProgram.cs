using System.Collections;
using Identity.WasmHost.Supervision;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.WasmHost;

/// <summary>Puts the supervising process together and runs it to its end.</summary>
internal static class HostProgram
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        if (SettingNames.IsHelp(arguments))
        {
            Console.WriteLine(ComponentHostOptions.Settings.Help("identity-host"));
            return 0;
        }

        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "", StringComparer.Ordinal);
        if (!ComponentHostOptions.TryRead(arguments, environment, out var options, out var problem))
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
        var componentHost = host.Services.GetRequiredService<ComponentHost>();
        await host.RunAsync();
        return componentHost.ExitCode;
    }
}
