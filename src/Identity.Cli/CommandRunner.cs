using System.CommandLine;
using System.Net.Sockets;
using Grpc.Core;
using Spiffe.Net.WorkloadApi;

namespace Identity.Cli;

/// <summary>Parses, runs, and turns every fault into one line on standard error and an exit code.</summary>
internal static class CommandRunner
{
    public static async Task<int> RunAsync(RootCommand root, string[] args, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        CommandLineErrors.ReadValues(root);
        var parsed = root.Parse(args);
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = output, Error = error };
        using var activity = CliTelemetry.Source.StartActivity($"identity {parsed.CommandResult.Command.Name}");
        try
        {
            return parsed.Action is System.CommandLine.Invocation.ParseErrorAction ? CommandLineErrors.Write(parsed, error, configuration) : await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (UsageException e)
        {
            await error.WriteLineAsync($"identity: {e.Message}");
            return ExitCode.Usage;
        }
        catch (RefusedException e)
        {
            await error.WriteLineAsync($"identity: {e.Message}");
            return ExitCode.Refused;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (RpcException e)
        {
            await error.WriteLineAsync(e.StatusCode == StatusCode.Unavailable || IsOfWorkloadApi(e.Status.DebugException)
                ? $"identity: {WhyNoAnswer(e.Status.DebugException, GlobalOptions.Where(parsed))}"
                : $"identity: {e.Status.Detail}");
            return ExitCode.Of(e.StatusCode);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"identity: {e.Message}");
            return ExitCode.Failed;
        }
    }

    private static bool IsOfWorkloadApi(Exception? fault) => fault is not null && (fault is WorkloadApiException || IsOfWorkloadApi(fault.InnerException));

    /// <param name="fault">What kept the channel from connecting; the socket's own fault is somewhere within.</param>
    internal static string WhyNoAnswer(Exception? fault, string where)
    {
        for (; fault is not null; fault = fault.InnerException)
        {
            // Over the network a command is somebody by the Workload API, which says best what is missing.
            if (fault is WorkloadApiException) return fault.Message;
            if (fault is SocketException { SocketErrorCode: SocketError.AccessDenied })
                return $"permission denied at {where}: this user may not write to the socket, or may not enter its folder; run as the server's user or root, or as a user that a PolicyRole names where the folder lets others through";
        }

        return $"no server answers at {where}; is identityd running, and is {(where.Contains('/') ? GlobalOptions.AdminSocketName : GlobalOptions.ServerName)} right?";
    }
}
