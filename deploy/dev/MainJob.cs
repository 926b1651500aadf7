using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Identity.Testing.Platform;

namespace Identity.Dev;

/// <summary>The main job, told line by line. Every line is something that was seen to happen; what does not happen is an exception.</summary>
internal sealed class MainJob(LocalPlatform platform, Teller teller, bool once)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private string Components => $"spiffe://{platform.TrustDomain}/components";

    public async Task RunAsync(CancellationToken cancellation)
    {
        await ControlPlaneAsync(cancellation);
        await NatsAsync(cancellation);
        await NodeAsync(cancellation);
        await EntriesAndPolicyAsync(cancellation);
        var snooper = await ComponentsAsync(cancellation);
        await new MeshStory(platform, teller).RunAsync(cancellation);
        await WithoutMeshAsync(cancellation);
        WhereToLook(snooper);
    }

    private async Task ControlPlaneAsync(CancellationToken cancellation)
    {
        teller.Chapter("The control plane");
        teller.Doing("starting identityd");
        var again = Directory.Exists(platform.ServerData);
        await platform.StartServerAsync(cancellation);
        var status = await StatusAsync(cancellation);
        teller.Fact("identityd", $"trust domain {status.GetProperty("trustDomain").GetString()}, "
            + (again ? $"kept its ledger: revision {status.GetProperty("revision").GetString()}, {status.GetProperty("entries").GetInt32()} entries" : "a fresh authority and ledger"));
        teller.Detail($"gRPC 127.0.0.1:{platform.Ports.Grpc} (TLS 1.3) · admin {platform.AdminSocket}");
    }

    private async Task NatsAsync(CancellationToken cancellation)
    {
        teller.Doing("starting nats-server");
        await platform.StartNatsAsync(cancellation);
        teller.Fact("nats-server", "asks identityd about every login (auth callout, xkey, TLS); it has no standing user but the callout's own");
        teller.Detail($"{platform.NatsUrl} · configuration {Path.Combine(platform.NatsFolder, "nats-server.conf")}, from `identity nats config`");
    }

    private async Task NodeAsync(CancellationToken cancellation)
    {
        teller.Doing("starting identity-agent");
        var agent = await platform.StartAgentAsync(cancellation);
        var ready = await agent.LineAsync(line => line.StartsWith("ready identity-agent", StringComparison.Ordinal), Patience, cancellation);
        teller.Fact("agent", $"attested as {Value(ready, "id")}: with a join token the first time, with its SVID from then on");
        teller.Detail($"Workload API unix://{platform.WorkloadSocket}");
    }

    private async Task EntriesAndPolicyAsync(CancellationToken cancellation)
    {
        teller.Doing("applying entries and policy");
        var processes = Path.Combine(platform.Folder, "processes.yaml");
        await File.WriteAllTextAsync(processes, ProcessEntries(), cancellation);
        var applied = await platform.IdentityAsync(cancellation, "apply", "--replace", "-f", Repository.Sample("platform.yaml"), processes);
        var lines = applied.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var policies = lines.Count(line => line.StartsWith("CapabilityPolicy", StringComparison.Ordinal));
        teller.Fact("identity", $"apply --replace -f deploy/samples/platform.yaml {Path.GetRelativePath(Repository.Root, processes)}: "
            + $"{lines.Count(line => line.StartsWith("RegistrationEntry", StringComparison.Ordinal))} entries, {policies} {(policies == 1 ? "policy" : "policies")}");
    }

    /// <summary>Entries for the processes of this checkout: who they are is what file they run from, and as whom.</summary>
    private string ProcessEntries()
    {
        var workloads = new[]
        {
            ("hosts/local", Repository.Program("Identity.WasmHost", "identity-host")),
            ("listener", Repository.Program("Listener", "listener")),
            ("demo/server", Repository.Program("mtls", "mtls-server")),
            ("demo/client", Repository.Program("mtls", "mtls-client")),
        };
        return string.Join("---\n", workloads.Select(workload => $"""
            kind: RegistrationEntry
            spiffeId: spiffe://{platform.TrustDomain}/{workload.Item1}
            parentId: spiffe://{platform.TrustDomain}/nodes/local
            selectors:
              - unix:uid:{Uid()}
              - unix:path:{workload.Item2}

            """));
    }

    private async Task<string> ComponentsAsync(CancellationToken cancellation)
    {
        teller.Chapter("Components");
        teller.Doing("starting the listener");
        var listener = await platform.StartAsync("listener", Repository.Program("Listener", "listener"), [],
            line => line.StartsWith("ready listener", StringComparison.Ordinal), cancellation);
        teller.Fact("listener", $"logged in to NATS with its own SVID, {Components[..^11]}/listener, and subscribed to greetings.>");

        teller.Doing("starting identity-host");
        var samples = Path.Combine(Repository.Root, "artifacts", "samples");
        var host = await platform.StartHostAsync(new Dictionary<string, string>
        {
            ["greeter"] = Path.Combine(samples, "greeter.wasm"),
            ["snooper"] = Path.Combine(samples, "snooper.wasm"),
        }, cancellation);

        teller.Doing("asking for the greeter");
        var admitted = await host.LineAsync(line => IsState(line, "greeter", "admitted") || IsState(line, "greeter", "denied"), Patience, cancellation);
        Expect(IsState(admitted, "greeter", "admitted"), $"the greeter was denied: {Value(admitted, "why")} ({Value(admitted, "decision")})");
        teller.Fact("greeter", $"admitted as {Value(admitted, "id")} ({Value(admitted, "decision")})");
        var received = await listener.LineAsync(line => line.StartsWith("received subject=greetings.hello", StringComparison.Ordinal), Patience, cancellation);
        Expect(Value(received, "from") == $"{Components}/greeter", $"the listener received a greeting from {Value(received, "from")}");
        teller.Fact("listener", $"received greetings.hello from {Value(received, "from")}; it verified the SVID the greeting carries");
        var said = await host.LineAsync(line => line.StartsWith("guest name=greeter", StringComparison.Ordinal) && line.Contains("payroll.salaries", StringComparison.Ordinal), Patience, cancellation);
        Expect(said.Contains("refused", StringComparison.Ordinal), $"the greeter's payroll.salaries was not refused: {said}");
        teller.Refusal("nats-server", "refused its publish to payroll.salaries; the greeter tells:");
        teller.Detail(Value(said, "said"));

        var denied = await host.LineAsync(line => IsState(line, "snooper", "denied"), Patience, cancellation);
        var decision = Value(denied, "decision");
        teller.Refusal("snooper", $"denied before it was compiled: imports {Value(denied, "import")} ({decision})");
        teller.Detail(Value(denied, "why"));
        if (Value(denied, "grant") is { Length: > 0 } smallest)
            teller.Detail($"smallest grant:\n{smallest}");

        teller.Doing("applying the grant");
        var grant = Repository.Sample("snooper-grant.yaml");
        var seen = host.Lines().Length;
        await platform.IdentityAsync(cancellation, "apply", "-f", grant, "--reason", "show that a grant reaches a running system");
        await host.LineAsync(line => IsState(line, "snooper", "running"), seen, Patience, cancellation);
        await ConnectionsAsync($"{Components}/snooper", present: true, cancellation);
        teller.Fact("snooper", "the grant was applied: admitted and running, with a NATS connection of its own");

        teller.Doing("taking the grant away");
        seen = host.Lines().Length;
        var since = Stopwatch.StartNew();
        await platform.IdentityAsync(cancellation, "delete", "-f", grant, "--reason", "show that an end reaches a running system");
        var committed = since.Elapsed;
        await host.LineAsync(line => IsState(line, "snooper", "ended"), seen, Patience, cancellation);
        await ConnectionsAsync($"{Components}/snooper", present: false, cancellation);
        var gone = since.Elapsed;
        Expect(gone - committed < TimeSpan.FromSeconds(1), $"the snooper outlived its grant by {(gone - committed).TotalMilliseconds:0} ms");
        teller.Refusal("snooper", string.Create(CultureInfo.InvariantCulture,
            $"the grant was taken away: its instance and its NATS connection were gone {(gone - committed).TotalMilliseconds:0} ms after the command returned"));
        return decision;
    }

    private async Task WithoutMeshAsync(CancellationToken cancellation)
    {
        teller.Chapter("Without a mesh");
        teller.Doing("two processes, mutual TLS");
        var (serverId, clientId) = ($"spiffe://{platform.TrustDomain}/demo/server", $"spiffe://{platform.TrustDomain}/demo/client");
        var server = await platform.StartAsync("mtls-server", Repository.Program("mtls", "mtls-server"), ["server", clientId],
            line => line.StartsWith("ready mtls-server", StringComparison.Ordinal), cancellation);
        var port = Value(server.Lines()[0], "port");
        var (code, output, error) = await LocalPlatform.RunAsync(Repository.Program("mtls", "mtls-client"),
            ["client", serverId, port], platform.WorkloadEnvironment(), cancellation);
        Expect(code == 0, $"the mTLS client exited with {code}: {error}");
        teller.Fact("mTLS", $"{clientId} and {serverId} talked; each authorized the other's SPIFFE ID");
        var (refused, _, reason) = await LocalPlatform.RunAsync(Repository.Program("mtls", "mtls-client"),
            ["client", $"spiffe://{platform.TrustDomain}/demo/somebody-else", port], platform.WorkloadEnvironment(), cancellation);
        Expect(refused != 0, "the mTLS client accepted a server with another SPIFFE ID");
        teller.Refusal("mTLS", "a client that expects another server hangs up");
        teller.Detail(reason.Trim().Split('\n')[0].Split(" (localhost")[0]);
    }

    private void WhereToLook(string decision)
    {
        teller.Chapter("Where to look");
        if (once)
        {
            teller.Detail($"everything ends here; what it stored and logged is in {platform.Folder}");
            teller.Detail($"./dev up --detach leaves it running; then: source .dev/env && identity decisions");
            return;
        }
        foreach (var (name, value) in RunningPlatform.Variables(platform).Where(variable => variable.Name != "PATH"))
            teller.Detail($"{name}={value}");
        teller.Detail($"logs: {platform.Logs} · NATS connections: http://127.0.0.1:{platform.Ports.NatsMonitoring}/connz?auth=1");
        teller.Detail("traces, metrics and logs go to OTEL_EXPORTER_OTLP_ENDPOINT when it is set, and nowhere when it is not");
        teller.Detail($"source .dev/env && identity why {decision}");
    }

    private async Task<JsonElement> StatusAsync(CancellationToken cancellation) =>
        JsonDocument.Parse(await platform.IdentityAsync(cancellation, "status", "--output", "json")).RootElement;

    /// <summary>Asks nats-server itself, through its monitoring port, until it agrees.</summary>
    private async Task ConnectionsAsync(string spiffeId, bool present, CancellationToken cancellation)
    {
        using var http = new HttpClient();
        for (var waited = Stopwatch.StartNew(); ;)
        {
            using var connections = JsonDocument.Parse(await http.GetStringAsync($"http://127.0.0.1:{platform.Ports.NatsMonitoring}/connz?auth=1", cancellation));
            var found = connections.RootElement.GetProperty("connections").EnumerateArray()
                .Any(connection => connection.TryGetProperty("authorized_user", out var user) && user.GetString() == spiffeId);
            if (found == present)
                return;
            Expect(waited.Elapsed < Patience, $"nats-server {(present ? "has no" : "still has a")} connection of {spiffeId}");
            await Task.Delay(10, cancellation);
        }
    }

    private static bool IsState(string line, string component, string state) =>
        line.StartsWith($"component name={component} state={state}", StringComparison.Ordinal);

    /// <summary>The value of <c>key=value</c> in a line of facts; a value that has spaces is quoted.</summary>
    internal static string Value(string line, string key)
    {
        var at = line.IndexOf($" {key}=", StringComparison.Ordinal);
        if (at < 0)
            return "";
        var value = line[(at + key.Length + 2)..];
        if (!value.StartsWith('"'))
            return value.Split(' ')[0];
        return JsonDocument.Parse(value[..(ClosingQuote(value) + 1)]).RootElement.GetString()!;
    }

    private static int ClosingQuote(string quoted)
    {
        for (var i = 1; i < quoted.Length; i++)
        {
            if (quoted[i] == '\\')
                i++;
            else if (quoted[i] == '"')
                return i;
        }
        return quoted.Length - 1;
    }

    internal static void Expect(bool happened, string otherwise)
    {
        if (!happened)
            throw new InvalidOperationException(otherwise);
    }

    private static string Uid() => File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];
}
