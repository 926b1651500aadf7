using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Identity.Testing.Nats;

/// <summary>
/// A real nats-server of its own, in a folder of its own. Its configuration says <c>port: -1</c> (or names a port to come back on);
/// it is ready when it says so in its log. Disposing ends it and removes the folder.
/// </summary>
public sealed partial class NatsServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly string _folder;
    private readonly ConcurrentQueue<string> _log = new();
    private readonly TaskCompletionSource<int> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly List<(Func<string, bool> Matches, TaskCompletionSource<string> Found)> _waiting = [];
    private int _port;

    private NatsServerProcess(Process process, string folder)
    {
        _process = process;
        _folder = folder;
    }

    /// <summary>The port for clients.</summary>
    public int Port { get; private set; }

    public int ProcessId => _process.Id;

    public IEnumerable<string> Log => _log;

    public string LogText => string.Join('\n', _log);

    public static async Task<NatsServerProcess> StartAsync(NatsServerBinary binary, string configuration, CancellationToken cancellation = default)
    {
        var folder = Directory.CreateTempSubdirectory("nats-server-").FullName;
        var file = Path.Combine(folder, "nats.conf");
        await File.WriteAllTextAsync(file, configuration, cancellation);

        var start = new ProcessStartInfo(binary.Path, ["-c", file]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = folder };
        var server = new NatsServerProcess(new Process { StartInfo = start, EnableRaisingEvents = true }, folder);
        try
        {
            server._process.ErrorDataReceived += (_, line) => server.Read(line.Data);
            server._process.OutputDataReceived += (_, line) => server.Read(line.Data);
            server._process.Exited += (_, _) => server._ready.TrySetException(
                new InvalidOperationException($"{binary} ended before it was ready:\n{server.LogText}"));
            server._process.Start();
            server._process.BeginErrorReadLine();
            server._process.BeginOutputReadLine();
            server.Port = await server._ready.Task.WaitAsync(StartDeadline, cancellation);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>The first log line, past or to come, that matches.</summary>
    public async Task<string> WaitForLogAsync(Func<string, bool> matches, TimeSpan deadline, CancellationToken cancellation = default)
    {
        var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_log.FirstOrDefault(matches) is { } line)
                return line;
            _waiting.Add((matches, found));
        }

        return await found.Task.WaitAsync(deadline, cancellation);
    }

    /// <summary>Ends the process at once, as a crash would.</summary>
    public async Task KillAsync()
    {
        try
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        catch (InvalidOperationException)
        {
            // It never started, or has ended already.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Read(string? line)
    {
        if (line is null)
            return;

        lock (_gate)
        {
            _log.Enqueue(line);
            foreach (var waiter in _waiting)
            {
                if (waiter.Matches(line))
                    waiter.Found.TrySetResult(line);
            }
        }

        if (ClientListener().Match(line) is { Success: true } listening)
            _port = int.Parse(listening.Groups[1].Value, CultureInfo.InvariantCulture);
        if (line.Contains("Server is ready", StringComparison.Ordinal))
            _ready.TrySetResult(_port);
    }

    [GeneratedRegex(@"Listening for client connections on .*:(\d+)$")]
    private static partial Regex ClientListener();
}
