using System.Collections;
using Identity;
using Identity.Agent;

if (SettingNames.IsHelp(args))
{
    Console.WriteLine(AgentOptions.Settings.Help("identity-agent"));
    return 0;
}

var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "", StringComparer.Ordinal);
if (!AgentOptions.TryRead(args, environment, out var options, out var problem))
{
    await Console.Error.WriteLineAsync($"identity-agent: {problem}");
    return 2;
}

try
{
    await using var app = AgentApplication.Build(options, TimeProvider.System, Console.Out);
    await app.RunAsync();
    return 0;
}
catch (StartRefusedException e)
{
    await Console.Error.WriteLineAsync($"identity-agent: {e.Message}");
    return 1;
}
catch (OperationCanceledException)
{
    return 0; // Told to stop while starting.
}
