using Identity.Testing.Nats;
using Identity.Testing.Platform;
using Identity.Testing.Telemetry;

namespace Identity.EndToEnd.Tests;

/// <summary>A platform of its own for each test: folder, ports, processes.</summary>
internal sealed class PlatformFixture : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string folder = Directory.CreateTempSubdirectory("identity-e2e-").FullName;

    public PlatformFixture(OtlpCollector? collector = null)
    {
        Platform = new LocalPlatform(folder, Ports.Any(), NatsServerBinary.Newest.Path);
        foreach (var (name, value) in collector?.Variables ?? [])
            Platform.Environment[name] = value;
    }

    public LocalPlatform Platform { get; }

    /// <summary>Server, nats-server and agent, with the sample's entries and policy applied; the host's entry is for this user's identity-host.</summary>
    public async Task StartWithEntriesAsync(CancellationToken cancellation)
    {
        await Platform.StartServerAsync(cancellation);
        await Platform.StartNatsAsync(cancellation);
        await Platform.StartAgentAsync(cancellation);
        var processes = Path.Combine(folder, "processes.yaml");
        await File.WriteAllTextAsync(processes, $"""
            kind: RegistrationEntry
            spiffeId: spiffe://example.org/hosts/local
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:{Repository.Program("Identity.WasmHost", "identity-host")}"]
            ---
            kind: RegistrationEntry
            spiffeId: spiffe://example.org/listener
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:{Repository.Program("Listener", "listener")}"]

            """, cancellation);
        await Platform.IdentityAsync(cancellation, "apply", "-f", Repository.Sample("platform.yaml"), processes);
    }

    /// <summary>identity-host with the named samples.</summary>
    public Task<ManagedProcess> StartHostAsync(CancellationToken cancellation, params string[] samples) => Platform.StartHostAsync(
        samples.ToDictionary(name => name, name => Path.Combine(Repository.Root, "artifacts", "samples", $"{name}.wasm")), cancellation);

    public static Task<string> StateAsync(ManagedProcess host, string component, string state, int skip, CancellationToken cancellation) =>
        host.LineAsync(line => line.StartsWith($"component name={component} state={state}", StringComparison.Ordinal), skip, Patience, cancellation);

    public async ValueTask DisposeAsync()
    {
        await Platform.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
