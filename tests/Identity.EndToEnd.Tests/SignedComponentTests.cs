using System.Text.Json;
using Identity.Testing.Components;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>A component that was signed by the command line runs in a worker, and logs in to NATS, because of its signer and for as long as policy names it.</summary>
public sealed class SignedComponentTests
{
    private const string Reaches = """
            capabilities:
              - export: "#run"
              - import: wasi:sockets/tcp@0.2.0
              - import: wasmcloud:messaging/consumer@0.2.0
              - natsPublish: snooper.ready

        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_by_its_signer_until_policy_forbids_it_and_unsigned_bytes_do_not()
    {
        using var signer = new ComponentSigner();
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await fixture.StartWithEntriesAsync(Cancellation);
        var (key, policy, guard) = (Path.Combine(platform.Folder, "key.pem"), Path.Combine(platform.Folder, "signed.yaml"), Path.Combine(platform.Folder, "guard.yaml"));
        var (unsigned, signed) = (Path.Combine(Repository.Root, "artifacts", "samples", "snooper.wasm"), Path.Combine(platform.Folder, "snooper.signed.wasm"));
        await File.WriteAllBytesAsync(key, signer.Pem, Cancellation);
        Assert.Contains(signer.Name, await platform.IdentityAsync(Cancellation, "component", "sign", unsigned, "--key", key, "--out", signed), StringComparison.Ordinal);
        await File.WriteAllTextAsync(policy, $$"""
            kind: CapabilityPolicy
            name: signed
            rules:
              - name: released
                effect: permit
                subjects: [{ spiffeIdPrefix: spiffe://example.org/components, signer: {{signer.Name}} }]
            {{Reaches}}
            """, Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", policy);

        // The same bytes but for the signature, under the other entry.
        var host = await platform.StartHostAsync(new Dictionary<string, string> { ["snooper"] = signed, ["greeter"] = unsigned }, Cancellation);
        var denied = await PlatformFixture.StateAsync(host, "greeter", "denied", 0, Cancellation);
        Assert.Contains($"is for what '{signer.Name}' signed", denied, StringComparison.Ordinal);
        await PlatformFixture.StateAsync(host, "snooper", "running", 0, Cancellation);
        await ConnectionAsync(platform, present: true);

        var seen = host.Lines().Length;
        await File.WriteAllTextAsync(guard, $$"""
            kind: CapabilityPolicy
            name: guard
            rules:
              - name: stolen
                effect: forbid
                subjects: [{ signer: {{signer.Name}} }]
                capabilities: [start]

            """, Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", guard);
        await PlatformFixture.StateAsync(host, "snooper", "ended", seen, Cancellation);
        await ConnectionAsync(platform, present: false);
    }

    // The server has decided the login by itself, with what the agent told it of the signatures.
    private static async Task ConnectionAsync(LocalPlatform platform, bool present)
    {
        using var http = new HttpClient();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(PlatformFixture.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            using var connections = JsonDocument.Parse(await http.GetStringAsync($"http://127.0.0.1:{platform.Ports.NatsMonitoring}/connz?auth=1", deadline.Token));
            if (present == connections.RootElement.GetProperty("connections").EnumerateArray()
                .Any(connection => connection.TryGetProperty("authorized_user", out var user) && user.GetString() == "spiffe://example.org/components/snooper")) return;
            await tick.WaitForNextTickAsync(deadline.Token);
        }
    }
}
