using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Testing.Platform;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>The shipped processes, killed, doubled and cut off.</summary>
public sealed partial class BadDaysTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_second_server_on_one_data_folder_refuses_to_start_with_one_clear_line()
    {
        await using var fixture = new PlatformFixture();
        await fixture.Platform.StartServerAsync(Cancellation);
        var (code, output, error) = await LocalPlatform.RunAsync(Repository.Program("Identity.Server", "identityd"),
            ["--data-dir", fixture.Platform.ServerData, "--listen", $"127.0.0.1:{Ports.Any().Grpc}", "--istio-listen", $"127.0.0.1:{Ports.Any().Istio}"],
            new Dictionary<string, string?>(), Cancellation);
        Assert.NotEqual(0, code);
        Assert.DoesNotContain("ready", output, StringComparison.Ordinal);
        Assert.Contains(fixture.Platform.ServerData, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_one_clear_line()
    {
        await using var fixture = new PlatformFixture();
        await fixture.Platform.StartServerAsync(Cancellation);
        await using var other = new PlatformFixture();
        var (code, _, error) = await LocalPlatform.RunAsync(Repository.Program("Identity.Server", "identityd"),
            ["--data-dir", other.Platform.ServerData, "--listen", $"127.0.0.1:{fixture.Platform.Ports.Grpc}", "--istio-listen", $"127.0.0.1:{Ports.Any().Istio}"],
            new Dictionary<string, string?>(), Cancellation);
        Assert.Equal(1, code);
        Assert.Contains($"{fixture.Platform.Ports.Grpc}", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_killed_at_any_moment_keeps_what_it_acknowledged_and_its_chain()
    {
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        for (var round = 0; round < 3; round++)
        {
            var server = await platform.StartServerAsync(Cancellation);
            var file = Path.Combine(platform.Folder, $"policy-{round}.yaml");
            await File.WriteAllTextAsync(file, $"""
                kind: CapabilityPolicy
                name: round-{round}
                rules:
                  - name: nothing-yet
                    effect: permit
                    subjects: [{"{"} spiffeId: "spiffe://example.org/components/c{round}" {"}"}]
                    capabilities: [{"{"} import: "wasmcloud:identity/store@0.0.1" {"}"}]

                """, Cancellation);
            await platform.IdentityAsync(Cancellation, "apply", "-f", file);
            await platform.IdentityAsync(Cancellation, "mint", "jwt", "spiffe://example.org/someone", "--audience", "test");
            await server.KillAsync();
        }
        await platform.StartServerAsync(Cancellation);
        var policies = await platform.IdentityAsync(Cancellation, "policy", "list");
        Assert.All(Enumerable.Range(0, 3), round => Assert.Contains($"round-{round}", policies, StringComparison.Ordinal));
        var verified = JsonDocument.Parse(await platform.IdentityAsync(Cancellation, "ledger", "verify", "--output", "json")).RootElement;
        Assert.True(verified.GetProperty("intact").GetBoolean());
        Assert.True(ulong.Parse(verified.GetProperty("issuances").GetString()!, System.Globalization.CultureInfo.InvariantCulture) >= 3);
    }

    [Fact]
    public async Task A_killed_worker_loses_its_own_component_only_and_that_one_comes_back()
    {
        await using var fixture = new PlatformFixture();
        await fixture.StartWithEntriesAsync(Cancellation);
        await fixture.Platform.IdentityAsync(Cancellation, "apply", "-f", Repository.Sample("snooper-grant.yaml"));
        var host = await fixture.StartHostAsync(Cancellation, "greeter", "snooper");
        await PlatformFixture.StateAsync(host, "greeter", "running", 0, Cancellation);
        var running = await PlatformFixture.StateAsync(host, "snooper", "running", 0, Cancellation);
        var seen = host.Lines().Length;
        ManagedProcess.Kill(int.Parse(running.Split("pid=")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture));
        await PlatformFixture.StateAsync(host, "snooper", "running", seen, Cancellation);
        Assert.DoesNotContain(host.Lines().Skip(seen), line => line.StartsWith("component name=greeter", StringComparison.Ordinal));
        Assert.False(host.HasExited);
    }

    [Fact]
    public async Task Without_the_server_components_run_on_SVIDs_stay_and_the_agent_says_for_how_long()
    {
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await fixture.StartWithEntriesAsync(Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", Repository.Sample("snooper-grant.yaml"));
        var host = await fixture.StartHostAsync(Cancellation, "snooper");
        await PlatformFixture.StateAsync(host, "snooper", "running", 0, Cancellation);
        var seen = host.Lines().Length;

        await platform.Processes.Single(process => process.Name == "identityd").KillAsync();
        var agent = platform.Processes.Single(process => process.Name == "identity-agent");
        await LogLineAsync(agent, "until");
        Assert.False(host.HasExited);
        Assert.DoesNotContain(host.Lines().Skip(seen), line => line.Contains("state=ended", StringComparison.Ordinal));

        // A component that was never seen before is still decided, with the policy last pushed.
        var second = ManagedProcess.Start("second-host", platform.Logs, Repository.Program("Identity.WasmHost", "identity-host"),
            ["--broker-socket", $"unix://{platform.BrokerSocket}", "--trust-domain", "example.org", "--nats-url", platform.NatsUrl, "--nats-ca", platform.NatsCaFile,
             "--data-dir", Path.Combine(platform.Folder, "second-host"), "--component", $"greeter={Path.Combine(Repository.Root, "artifacts", "samples", "greeter.wasm")}"],
            platform.WorkloadEnvironment());
        await using (second)
            await PlatformFixture.StateAsync(second, "greeter", "admitted", 0, Cancellation);

        await platform.StartServerAsync(Cancellation);
        seen = host.Lines().Length;
        await platform.IdentityAsync(Cancellation, "delete", "-f", Repository.Sample("snooper-grant.yaml"));
        await PlatformFixture.StateAsync(host, "snooper", "ended", seen, Cancellation);
    }

    [Fact]
    public async Task SIGTERM_drains_every_process_and_ends_it_with_0()
    {
        await using var fixture = new PlatformFixture();
        await fixture.StartWithEntriesAsync(Cancellation);
        await fixture.StartHostAsync(Cancellation, "greeter");
        foreach (var process in fixture.Platform.Processes.Where(process => process.Name != "nats-server").Reverse())
        {
            Assert.True(await process.StopAsync(), $"{process.Name} did not leave by itself. {process.LogEnd()}");
            Assert.True(process.ExitCode == 0, $"{process.Name} ended with {process.ExitCode}. {process.LogEnd()}");
        }
    }

    [Fact]
    public async Task A_ban_ends_the_open_streams_of_the_nodes_workloads_at_once()
    {
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await fixture.StartWithEntriesAsync(Cancellation);
        var agents = JsonDocument.Parse(await platform.IdentityAsync(Cancellation, "agent", "list", "--output", "json")).RootElement.GetProperty("agents");
        var entry = Path.Combine(Directory.CreateTempSubdirectory("identity-e2e-").FullName, "entry.yaml");
        await File.WriteAllTextAsync(entry, $"""
            kind: RegistrationEntry
            spiffeId: spiffe://example.org/tests
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:{Environment.ProcessPath}"]

            """, Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", entry);
        using var channel = WorkloadChannel(platform.WorkloadSocket);
        var workload = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);
        var header = new Metadata { { "workload.spiffe.io", "true" } };
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(PlatformFixture.Patience);
        using var svids = workload.FetchX509SVID(new(), header, cancellationToken: deadline.Token);
        using var bundles = workload.FetchJWTBundles(new(), header, cancellationToken: deadline.Token);
        Assert.True(await svids.ResponseStream.MoveNext(deadline.Token));
        Assert.True(await bundles.ResponseStream.MoveNext(deadline.Token));
        var id = agents[0].GetProperty("id");
        var spiffeId = $"spiffe://{id.GetProperty("trustDomain").GetString()}{id.GetProperty("path").GetString()}";
        await platform.IdentityAsync(Cancellation, "agent", "ban", spiffeId);
        var agent = platform.Processes.Single(process => process.Name == "identity-agent");
        foreach (var ended in new Func<Task<bool>>[] { () => svids.ResponseStream.MoveNext(deadline.Token), () => bundles.ResponseStream.MoveNext(deadline.Token) })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () =>
            {
                // What was on its way before the ban may still come.
                while (await ended()) { }
            });
            Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
            Assert.Contains("the server no longer wants this node", refused.Status.Detail, StringComparison.Ordinal);
            var why = await platform.IdentityAsync(Cancellation, "why", DecisionPattern().Match(refused.Status.Detail).Value);
            Assert.Contains($"{spiffeId} is banned", why, StringComparison.Ordinal);
            Assert.Contains($"identity agent delete {spiffeId}", why, StringComparison.Ordinal);
        }

        await LogLineAsync(agent, "banned");
    }

    [GeneratedRegex("d-[a-z2-7]{26}")]
    private static partial Regex DecisionPattern();

    private static GrpcChannel WorkloadChannel(string path) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        DisposeHttpClient = true,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        },
    });

    private static async Task LogLineAsync(ManagedProcess process, string text)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(PlatformFixture.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!File.ReadAllText(process.LogFile).Contains(text, StringComparison.OrdinalIgnoreCase))
        {
            try
            {
                await tick.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"{process.Name} logged nothing with '{text}'. {process.LogEnd()}");
            }
        }
    }
}
