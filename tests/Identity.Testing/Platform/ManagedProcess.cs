using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Identity.Testing.Platform;

/// <summary>
/// A process of ours whose output goes to files, so that it can outlive whoever started it. It is ended by pid, and only by us.
/// </summary>
public sealed partial class ManagedProcess : IAsyncDisposable
{
    private const int SigKill = 9;
    private const int SigTerm = 15;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    private readonly Process process;

    private ManagedProcess(string name, Process process, string output, string log)
    {
        Name = name;
        this.process = process;
        OutputFile = output;
        LogFile = log;
    }

    public string Name { get; }

    public int Id => process.Id;

    /// <summary>Its standard output: one fact a line.</summary>
    public string OutputFile { get; }

    /// <summary>Its standard error: the log.</summary>
    public string LogFile { get; }

    public bool HasExited => process.HasExited;

    public int ExitCode => process.ExitCode;

    /// <summary>Starts <paramref name="program"/> in a session of its own; its two output files start empty.</summary>
    public static ManagedProcess Start(
        string name, string folder, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        Directory.CreateDirectory(folder);
        var (output, log) = (Path.Combine(folder, $"{name}.out"), Path.Combine(folder, $"{name}.log"));
        File.WriteAllText(output, "");
        File.WriteAllText(log, "");
        // exec keeps the pid; setsid keeps a terminal's Ctrl-C for whoever started us, who then ends us in order.
        var start = new ProcessStartInfo("/usr/bin/setsid")
        {
            UseShellExecute = false,
            ArgumentList = { "/bin/sh", "-c", "out=$1 log=$2; shift 2; exec \"$@\" >>\"$out\" 2>>\"$log\" </dev/null", "sh", output, log, program },
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[key] = value;
        return new(name, Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start."), output, log);
    }

    /// <summary>Waits for a line of standard output. Fails with the end of the log when the process exits or the deadline passes first.</summary>
    public Task<string> LineAsync(Func<string, bool> wanted, TimeSpan deadline, CancellationToken cancellation = default) =>
        LineAsync(wanted, 0, deadline, cancellation);

    /// <summary>The same, from line number <paramref name="skip"/> (from 0) on.</summary>
    public async Task<string> LineAsync(Func<string, bool> wanted, int skip, TimeSpan deadline, CancellationToken cancellation = default)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(deadline);
        using var tick = new PeriodicTimer(PollInterval);
        try
        {
            while (true)
            {
                // Exit is read before the output, so that a last line is not missed.
                var exited = process.HasExited;
                if (Lines().Skip(skip).FirstOrDefault(wanted) is { } line)
                    return line;
                if (exited)
                    throw new InvalidOperationException($"{Name} exited with {process.ExitCode}. {LogEnd()}");
                await tick.WaitForNextTickAsync(timeout.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"{Name} did not say what was awaited within {deadline.TotalSeconds:0} s. Said: {string.Join(" | ", Lines().TakeLast(5))}. {LogEnd()}");
        }
    }

    /// <summary>Complete lines so far.</summary>
    public string[] Lines()
    {
        using var stream = new FileStream(OutputFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd();
        return text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public string LogEnd()
    {
        using var stream = new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return "Log: " + string.Join(Environment.NewLine, reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(8));
    }

    /// <summary>SIGTERM, and SIGKILL for what has not left after <paramref name="patience"/>. Returns whether it left by itself.</summary>
    public async Task<bool> StopAsync(TimeSpan? patience = null)
    {
        if (process.HasExited)
            return true;
        Signal(process.Id, SigTerm);
        try
        {
            await process.WaitForExitAsync().WaitAsync(patience ?? TimeSpan.FromSeconds(15));
            return true;
        }
        catch (TimeoutException)
        {
            await KillAsync();
            return false;
        }
    }

    public async Task KillAsync()
    {
        if (!process.HasExited)
            Signal(process.Id, SigKill);
        await process.WaitForExitAsync();
    }

    public Task WaitForExitAsync(CancellationToken cancellation = default) => process.WaitForExitAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        process.Dispose();
    }

    /// <summary>Signals a process that an earlier run of ours started and noted down. False when there is none.</summary>
    public static bool Terminate(int pid) => Signal(pid, SigTerm) == 0;

    public static bool IsAlive(int pid) => Signal(pid, 0) == 0;

    public static void Kill(int pid) => Signal(pid, SigKill);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int pid, int signal);
}
