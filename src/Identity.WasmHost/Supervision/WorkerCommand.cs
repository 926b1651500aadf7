using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Identity.WasmHost.Supervision;

/// <summary>How a worker is started: the host's own executable with the argument <c>worker</c> and next to no environment.</summary>
internal sealed class WorkerCommand
{
    /// <summary>Managed heap of a worker in bytes, hexadecimal as the runtime reads it: 512 MiB.</summary>
    private const string HeapLimit = "20000000";

    private readonly string executable;
    private readonly string[] arguments;

    private WorkerCommand(string executable, params string[] arguments)
    {
        this.executable = executable;
        this.arguments = arguments;
    }

    /// <summary>This very program, whether it was started by its own name or as <c>dotnet identity-host.dll</c>.</summary>
    public static WorkerCommand OfThisProcess()
    {
        var assembly = Path.Combine(AppContext.BaseDirectory, "identity-host.dll");
        var self = Environment.ProcessPath ?? throw new InvalidOperationException("the path of this executable is unknown");
        return Path.GetFileNameWithoutExtension(self) == "identity-host" ? Of(self) : new("dotnet", "exec", assembly, "worker");
    }

    /// <summary>The identity-host of this path.</summary>
    public static WorkerCommand Of(string identityHost) => new(identityHost, "worker");

    public Process Start()
    {
        var start = new ProcessStartInfo(executable, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = "/",
            UseShellExecute = false,
        };
        var path = Environment.GetEnvironmentVariable("PATH");
        // A guest never sees the environment; this is for the day a worker is taken over.
        start.Environment.Clear();
        start.Environment["PATH"] = path;
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["DOTNET_GCHeapHardLimit"] = HeapLimit;
        start.Environment["DOTNET_TieredPGO"] = "0";
        return Process.Start(start) ?? throw new InvalidOperationException("the worker did not start");
    }
}
