using System.Diagnostics;
using System.Text.Json;

namespace Identity.Testing.Platform;

/// <summary>
/// The shipped processes on this machine, with real sockets, one folder and one set of ports: what <c>./dev up</c> runs and what the
/// end-to-end tests hurt.
/// </summary>
public sealed class LocalPlatform(string folder, Ports ports, string natsServer) : IAsyncDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);

    private readonly List<ManagedProcess> processes = [];

    public string Folder { get; } = folder;

    public Ports Ports { get; } = ports;

    public string TrustDomain { get; init; } = "example.org";

    /// <summary>Variables every process gets besides our own.</summary>
    public Dictionary<string, string?> Environment { get; } = [];

    public string ServerData => Path.Combine(Folder, "server");
    public string AdminSocket => Path.Combine(ServerData, "admin.sock");
    public string NatsFolder => Path.Combine(Folder, "nats");
    public string NatsCaFile => Path.Combine(NatsFolder, "ca.pem");
    public string NatsUrl => $"tls://127.0.0.1:{Ports.Nats}";
    public string AgentData => Path.Combine(Folder, "agent");
    public string RunFolder => Path.Combine(Folder, "run");
    public string WorkloadSocket => Path.Combine(RunFolder, "workload.sock");
    public string BrokerSocket => Path.Combine(RunFolder, "broker.sock");
    public string BundleFile => Path.Combine(Folder, "bundle.pem");
    public string JoinTokenFile => Path.Combine(Folder, "join-token");
    public string Logs => Path.Combine(Folder, "logs");

    public IReadOnlyList<ManagedProcess> Processes => processes;

    public Task<ManagedProcess> StartServerAsync(CancellationToken cancellation = default) => StartAsync(
        "identityd", Repository.Program("Identity.Server", "identityd"),
        [
            "--data-dir", ServerData, "--trust-domain", TrustDomain, "--listen", $"127.0.0.1:{Ports.Grpc}",
            "--istio-listen", $"127.0.0.1:{Ports.Istio}", "--nats-url", NatsUrl,
        ],
        line => line.StartsWith("ready identityd", StringComparison.Ordinal), cancellation);

    /// <summary>Has the server write nats-server's configuration, starts it, and waits until the server has logged in to it.</summary>
    public async Task<ManagedProcess> StartNatsAsync(CancellationToken cancellation = default)
    {
        if (!File.Exists(Path.Combine(NatsFolder, "nats-server.conf")))
            await IdentityAsync(cancellation, "nats", "config", "--output-dir", NatsFolder, "--listen", $"127.0.0.1:{Ports.Nats}");
        var server = ManagedProcess.Start("nats-server", Logs, natsServer,
            ["-c", Path.Combine(NatsFolder, "nats-server.conf"), "-m", $"{Ports.NatsMonitoring}"], Environment);
        processes.Add(server);
        var deadline = Stopwatch.StartNew();
        while (!JsonDocument.Parse(await IdentityAsync(cancellation, "status", "--output", "json")).RootElement.GetProperty("natsConnected").GetBoolean())
        {
            if (server.HasExited || deadline.Elapsed > StartDeadline)
                throw new InvalidOperationException($"identityd did not log in to nats-server. {server.LogEnd()}");
            await Task.Delay(100, cancellation);
        }
        return server;
    }

    /// <summary>Starts the agent with the server's bundle and a fresh join token, which it uses only if it has no SVID yet.</summary>
    public async Task<ManagedProcess> StartAgentAsync(CancellationToken cancellation = default)
    {
        await File.WriteAllTextAsync(BundleFile, await IdentityAsync(cancellation, "bundle", "show"), cancellation);
        await IdentityAsync(cancellation, "token", "generate", "--spiffe-id", $"spiffe://{TrustDomain}/nodes/local", "--output-file", JoinTokenFile);
        return await RestartAgentAsync(cancellation);
    }

    /// <summary>Starts the agent with what it has on disk.</summary>
    public Task<ManagedProcess> RestartAgentAsync(CancellationToken cancellation = default) => StartAsync(
        "identity-agent", Repository.Program("Identity.Agent", "identity-agent"),
        [
            "--server", $"127.0.0.1:{Ports.Grpc}", "--trust-domain", TrustDomain, "--trust-bundle", BundleFile, "--join-token-file", JoinTokenFile,
            "--data-dir", AgentData, "--run-dir", RunFolder,
        ],
        line => line.StartsWith("ready identity-agent", StringComparison.Ordinal), cancellation);

    public Task<ManagedProcess> StartHostAsync(IReadOnlyDictionary<string, string> components, CancellationToken cancellation = default) => StartAsync(
        "identity-host", Repository.Program("Identity.WasmHost", "identity-host"),
        [
            "--broker-socket", $"unix://{BrokerSocket}", "--trust-domain", TrustDomain, "--nats-url", NatsUrl, "--nats-ca", NatsCaFile,
            "--data-dir", Path.Combine(Folder, "host"), .. components.SelectMany(component => new[] { "--component", $"{component.Key}={component.Value}" }),
        ],
        line => line.StartsWith("ready identity-host", StringComparison.Ordinal), cancellation);

    /// <summary>Starts any program as a workload of this node and waits for its first line that <paramref name="ready"/> accepts.</summary>
    public async Task<ManagedProcess> StartAsync(
        string name, string program, string[] arguments, Func<string, bool> ready, CancellationToken cancellation = default)
    {
        var process = ManagedProcess.Start(name, Logs, program, arguments, WorkloadEnvironment());
        processes.Add(process);
        await process.LineAsync(ready, StartDeadline, cancellation);
        return process;
    }

    /// <summary>Variables with which a workload of this node finds its identity.</summary>
    public Dictionary<string, string?> WorkloadEnvironment() => new(Environment)
    {
        ["SPIFFE_ENDPOINT_SOCKET"] = $"unix://{WorkloadSocket}",
        ["NATS_URL"] = NatsUrl,
        ["NATS_CA"] = NatsCaFile,
    };

    /// <summary>Runs the command line and returns its standard output; a non-zero exit is an exception with its standard error.</summary>
    public async Task<string> IdentityAsync(CancellationToken cancellation, params string[] arguments)
    {
        var (code, output, error) = await TryIdentityAsync(cancellation, arguments);
        return code == 0 ? output : throw new InvalidOperationException($"identity {string.Join(' ', arguments)} exited with {code}: {error.Trim()}");
    }

    public Task<(int Code, string Output, string Error)> TryIdentityAsync(CancellationToken cancellation, params string[] arguments) =>
        RunAsync(Repository.Program("Identity.Cli", "identity"), [.. arguments, "--admin-socket", AdminSocket], Environment, cancellation);

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(int Code, string Output, string Error)> RunAsync(
        string program, string[] arguments, IReadOnlyDictionary<string, string?> environment, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        using var kill = cancellation.Register(() => process.Kill());
        var (output, error) = (process.StandardOutput.ReadToEndAsync(CancellationToken.None), process.StandardError.ReadToEndAsync(CancellationToken.None));
        await process.WaitForExitAsync(CancellationToken.None);
        cancellation.ThrowIfCancellationRequested();
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Forgets the processes without ending them: they stay, and <c>./dev down</c> ends them.</summary>
    public int[] Detach()
    {
        var pids = processes.Where(process => !process.HasExited).Select(process => process.Id).Reverse().ToArray();
        processes.Clear();
        return pids;
    }

    /// <summary>Ends everything, the newest first.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var process in Enumerable.Reverse(processes))
            await process.DisposeAsync();
        processes.Clear();
    }
}
