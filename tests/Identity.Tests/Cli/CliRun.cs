using System.CommandLine;
using Identity.Cli;
using Identity.Cli.Commands;
using Identity.Cli.Commands.Policy;
using Identity.Tests.Server;

namespace Identity.Tests.Cli;

/// <summary>The command line as it is shipped, in this process, against a running server.</summary>
internal static class CliRun
{
    public static Task<(int Code, string Output, string Error)> RunAsync(RegistryServer server, params string[] arguments) =>
        RunAsync(server.AdminSocket, arguments);

    public static async Task<(int Code, string Output, string Error)> RunAsync(string adminSocket, params string[] arguments)
    {
        var root = new RootCommand { ApplyCommand.Create(), DeleteCommand.Create(), PolicyCommand.Create(), ComponentCommand.Create(), WhyCommand.Create(), DecisionsCommand.Create(), BundleCommand.Create(), StatusCommand.Create(), EntryCommand.Create(), LedgerCommand.Create() };
        foreach (var option in GlobalOptions.All(CliConfiguration.Load(_ => null))) root.Options.Add(option);
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        var code = await CommandRunner.RunAsync(root, ["--admin-socket", adminSocket, .. arguments], output, error, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
