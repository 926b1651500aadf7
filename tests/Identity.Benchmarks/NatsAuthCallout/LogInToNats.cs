using System.Globalization;
using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Identity.Testing.Nats;
using Identity.Testing.Platform;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Benchmarks.NatsAuthCallout;

/// <summary>
/// One login to a real nats-server over TLS, from dialling to the first pong: with a token that stands in nats-server's own configuration, and
/// with an SVID that identityd is asked about (auth callout, xkey, verification, policy, ledger). What is between the two is ours.
/// </summary>
public class LogInToNats : IAsyncDisposable
{
    private const string StaticToken = "a-token-that-everybody-shares";
    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/bench");

    private readonly string folder = Directory.CreateTempSubdirectory("identity-bench-").FullName;
    private LocalPlatform platform = null!;
    private ManagedProcess plain = null!;
    private Ports plainPorts = null!;
    private string svid = "";

    [GlobalSetup]
    public async Task StartAsync()
    {
        var server = NatsServerBinary.Newest.Path;
        platform = new LocalPlatform(folder, Ports.Any(), server);
        await platform.StartServerAsync();
        await platform.StartNatsAsync();
        // An identity may log in only while an agent may issue for it.
        await platform.StartAgentAsync();
        var manifest = Path.Combine(folder, "bench.yaml");
        await File.WriteAllTextAsync(manifest, $"""
            kind: RegistrationEntry
            spiffeId: {Workload}
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:uid:0"]
            ---
            kind: CapabilityPolicy
            name: bench
            rules:
              - name: bench
                effect: permit
                subjects:
                  - spiffeId: {Workload}
                capabilities:
                  - natsPublish: bench.>

            """);
        await platform.IdentityAsync(default, "apply", "-f", manifest);
        svid = (await platform.IdentityAsync(default, "mint", "jwt", Workload.ToString(), "--audience", "spiffe://example.org/nats", "--ttl", "3600")).Trim();

        plainPorts = Ports.Any();
        var configuration = Path.Combine(folder, "plain.conf");
        await File.WriteAllTextAsync(configuration, string.Create(CultureInfo.InvariantCulture, $$"""
            listen: "127.0.0.1:{{plainPorts.Nats}}"
            tls { cert_file: "{{platform.NatsFolder}}/server.pem", key_file: "{{platform.NatsFolder}}/server.key" }
            authorization { token: "{{StaticToken}}" }
            """));
        plain = ManagedProcess.Start("nats-plain", platform.Logs, server, ["-c", configuration]);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await StaticTokenAsync();
                break;
            }
            catch (NatsException) when (attempt < 50)
            {
                await Task.Delay(100);
            }
        }
    }

    [Benchmark(Baseline = true, Description = "static token")]
    public Task StaticTokenAsync() => LogInAsync(plainPorts.Nats, StaticToken);

    [Benchmark(Description = "SVID, through the auth callout")]
    public Task SvidAsync() => LogInAsync(platform.Ports.Nats, svid);

    [GlobalCleanup]
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await plain.DisposeAsync();
        await platform.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task LogInAsync(int port, string token)
    {
        await using var connection = new NatsConnection(new NatsOpts
        {
            Url = $"tls://127.0.0.1:{port}",
            AuthOpts = new NatsAuthOpts { Token = token },
            InboxPrefix = NatsPermissions.InboxPrefixOf(Workload),
            TlsOpts = new NatsTlsOpts { Mode = TlsMode.Require, CaFile = platform.NatsCaFile },
        });
        await connection.ConnectAsync();
        await connection.PingAsync();
    }
}
