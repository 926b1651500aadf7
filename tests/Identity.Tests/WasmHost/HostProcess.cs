using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Identity.Testing.Platform;

namespace Identity.Tests.WasmHost;

/// <summary>The shipped identity-host, with a fake agent, and what it says on standard output.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly string folder = Directory.CreateTempSubdirectory("identity-host-").FullName;
    private readonly Channel<string> lines = Channel.CreateUnbounded<string>();
    private readonly Channel<string> logs = Channel.CreateUnbounded<string>();
    private readonly List<string> errors = [];

    private HostProcess(FakeAgent agent, (string Name, byte[] Bytes)[] components)
    {
        var start = new ProcessStartInfo(Repository.Program("Identity.WasmHost", "identity-host"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["SPIFFE_ENDPOINT_SOCKET"] = $"unix://{agent.WorkloadSocket}";
        foreach (var argument in (string[])["--broker-socket", $"unix://{agent.BrokerSocket}", "--trust-domain", "example.org"]) start.ArgumentList.Add(argument);
        foreach (var (name, bytes) in components)
        {
            var file = Path.Combine(folder, $"{name}.wasm");
            File.WriteAllBytes(file, bytes);
            start.ArgumentList.Add("--component");
            start.ArgumentList.Add($"{name}={file}");
        }

        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => _ = line.Data is null ? lines.Writer.TryComplete() : lines.Writer.TryWrite(line.Data);
        process.ErrorDataReceived += (_, line) =>
        {
            lock (errors) errors.Add(line.Data ?? "");
            _ = line.Data is null ? logs.Writer.TryComplete() : logs.Writer.TryWrite(line.Data);
        };
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => process.Id;

    public static HostProcess Start(FakeAgent agent, params (string Name, byte[] Bytes)[] components) => new(agent, components);

    /// <summary>The next line that starts so; lines before it are passed over.</summary>
    public async Task<string> LineAsync(string start)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        var passed = new List<string>();
        try
        {
            await foreach (var line in lines.Reader.ReadAllAsync(deadline.Token))
            {
                if (line.StartsWith(start, StringComparison.Ordinal)) return line;
                passed.Add(line);
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        lock (errors) throw new InvalidOperationException($"no line '{start}…' among:\n{string.Join('\n', passed)}\n{string.Join('\n', errors)}");
    }

    /// <summary>The next line of its log that says so.</summary>
    public async Task LoggedAsync(string text)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        await foreach (var line in logs.Reader.ReadAllAsync(deadline.Token))
        {
            if (line.Contains(text, StringComparison.Ordinal)) return;
        }

        throw new InvalidOperationException($"the host ended without a log line '{text}'");
    }

    /// <summary>Process IDs of its workers, oldest first.</summary>
    public int[] Workers() =>
    [
        .. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture)).Where(pid => ParentOf(pid) == process.Id).Order(),
    ];

    public static bool IsAlive(int pid) => ParentOf(pid) is not null;

    public static async Task GoneAsync(int pid)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (IsAlive(pid)) await Task.Delay(10, deadline.Token);
    }

    public void Kill() => process.Kill();

    public async Task<int> TerminateAsync()
    {
        using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])) await kill.WaitForExitAsync();
        using var deadline = new CancellationTokenSource(Deadline);
        await process.WaitForExitAsync(deadline.Token);
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    // proc(5): the fourth field of stat; the second, a name in parentheses, may hold anything. A zombie is gone.
    private static int? ParentOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : int.Parse(fields[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }
}
