using System.Diagnostics;
using Identity.Policy;
using Identity.Testing.Platform;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Benchmarks.ComponentPolicy;

/// <summary>
/// A node on which policy is enforced: the shipped agent, the shipped host with a component that runs, and beside them a workload that is logged in to a real nats-server. Both end when
/// policy forbids them: the host ends the component when its agent says so, identityd has nats-server cut the connection.
/// </summary>
internal sealed class EnforcingNode : IAsyncDisposable
{
    private const string Component = "snooper";

    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/bench");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(1);

    private readonly LocalPlatform _platform;
    private readonly ManagedProcess _host;
    private readonly string _svid;
    private NatsConnection? _login;
    private TaskCompletionSource<long> _cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _told;

    private EnforcingNode(LocalPlatform platform, ManagedProcess host, string svid) => (_platform, _host, _svid) = (platform, host, svid);

    /// <summary>Two rules for whatever document stands in for the change.</summary>
    /// <param name="effect">Whether they permit both or forbid both.</param>
    public static string Rules(string effect) => $$"""
          - { name: component, effect: {{effect}}, subjects: [{ spiffeId: spiffe://example.org/components/{{Component}} }], capabilities: [start] }
          - { name: login, effect: {{effect}}, subjects: [{ spiffeId: {{Workload}} }], capabilities: [{ natsPublish: bench.> }] }

        """;

    public static async Task<EnforcingNode> StartAsync(LocalPlatform platform, CancellationToken cancellation)
    {
        await platform.StartNatsAsync(cancellation);
        await platform.StartAgentAsync(cancellation);
        var entries = Path.Combine(platform.Folder, "entries.yaml");
        // The workload's token is minted; were its entry for a user, the host would be that as well.
        await File.WriteAllTextAsync(
            entries,
            $"""
            kind: RegistrationEntry
            spiffeId: spiffe://example.org/hosts/local
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:{Repository.Program("Identity.WasmHost", "identity-host")}"]
            ---
            kind: RegistrationEntry
            spiffeId: {Workload}
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:/no/process/is/this"]

            """,
            cancellation);
        await platform.IdentityAsync(cancellation, "apply", "-f", Repository.Sample("platform.yaml"), Repository.Sample("snooper-grant.yaml"), entries);
        var svid = await platform.IdentityAsync(cancellation, "mint", "jwt", Workload.ToString(), "--audience", "spiffe://example.org/nats", "--ttl", "3600");
        var sample = Path.Combine(Repository.Root, "artifacts", "samples", $"{Component}.wasm");
        return new EnforcingNode(platform, await platform.StartHostAsync(new Dictionary<string, string> { [Component] = sample }, cancellation), svid.Trim());
    }

    /// <summary>Waits until the component runs and the workload is logged in.</summary>
    public async Task RunningAsync(CancellationToken cancellation)
    {
        await StateAsync("running", cancellation);
        if (_login is not null) await _login.DisposeAsync();
        // A new one each time: one that was refused waits longer and longer before it tries again.
        var waited = Stopwatch.StartNew();
        while (true)
        {
            _login = new NatsConnection(new NatsOpts
            {
                Url = _platform.NatsUrl,
                AuthOpts = new NatsAuthOpts { Token = _svid },
                InboxPrefix = NatsPermissions.InboxPrefixOf(Workload),
                TlsOpts = new NatsTlsOpts { Mode = TlsMode.Require, CaFile = _platform.NatsCaFile },
            });
            try
            {
                await _login.ConnectAsync();
                await _login.PingAsync(cancellation);
                break;
            }
            catch (NatsException) when (waited.Elapsed < Patience)
            {
                await _login.DisposeAsync();
                await Task.Delay(100, cancellation);
            }
        }

        var cut = _cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _login.ConnectionDisconnected += (_, _) =>
        {
            cut.TrySetResult(Stopwatch.GetTimestamp());
            return ValueTask.CompletedTask;
        };
    }

    /// <summary>When each ended, as <see cref="Stopwatch"/> ticks; call it before what ends them.</summary>
    public async Task<(long Component, long Login)> EndsAsync(CancellationToken cancellation)
    {
        var component = StateAsync("ended", cancellation);
        var login = _cut.Task.WaitAsync(Patience, cancellation);
        return (await component, await login);
    }

    public async ValueTask DisposeAsync()
    {
        if (_login is not null) await _login.DisposeAsync();
    }

    // The host writes a line when the worker is gone; it is looked for every millisecond.
    private async Task<long> StateAsync(string state, CancellationToken cancellation)
    {
        using var tick = new PeriodicTimer(Look);
        var clock = Stopwatch.StartNew();
        while (await tick.WaitForNextTickAsync(cancellation))
        {
            var lines = _host.Lines();
            var at = Array.FindIndex(lines, _told, line => line.StartsWith($"component name={Component} state={state}", StringComparison.Ordinal));
            if (at >= 0)
            {
                _told = at + 1;
                return Stopwatch.GetTimestamp();
            }

            if (_host.HasExited || clock.Elapsed > Patience) throw new InvalidOperationException($"{Component} is not {state}; its host said: {string.Join(" | ", lines.TakeLast(4))}. {_host.LogEnd()}");
        }

        throw new OperationCanceledException(cancellation);
    }
}
