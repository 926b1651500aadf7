using System.CommandLine;
using Identity.Cli;
using Identity.Cli.Commands;
using Identity.Cli.Commands.Policy;

// The command line of the control plane, one file for each command under Commands/.
CliConfiguration configuration;
try
{
    configuration = CliConfiguration.Load(Environment.GetEnvironmentVariable);
}
catch (UsageException e)
{
    await Console.Error.WriteLineAsync($"identity: {e.Message}");
    return ExitCode.Usage;
}

var root = new RootCommand("identity: who may run, what it may do, and why.")
{
    ApplyCommand.Create(),
    DeleteCommand.Create(),
    PolicyCommand.Create(),
    EntryCommand.Create(),
    AgentCommand.Create(),
    TokenCommand.Create(),
    BundleCommand.Create(),
    MintCommand.Create(),
    NatsCommand.Create(),
    ComponentCommand.Create(),
    WhyCommand.Create(),
    DecisionsCommand.Create(),
    StatusCommand.Create(),
    LedgerCommand.Create(),
    CompletionCommand.Create(),
};
foreach (var option in GlobalOptions.All(configuration))
    root.Options.Add(option);

using var telemetry = CliTelemetry.Start(Environment.GetEnvironmentVariable);
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

return await CommandRunner.RunAsync(root, args, Console.Out, Console.Error, stop.Token);
