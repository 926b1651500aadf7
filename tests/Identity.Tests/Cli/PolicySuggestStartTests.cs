// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Agent.Admission;
using Identity.Cli;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Testing.Components;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using Identity.WasmHost.WorkerProtocol;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy suggest</c>: what it writes makes the component start, and gives nothing more.</summary>
public sealed class PolicySuggestStartTests : IAsyncLifetime
{
    private const string Messaging = "wasmcloud:messaging/consumer@0.2.0";

    private static readonly SpiffeId Cart = SpiffeId.Parse($"{Shop}/cart");
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private RegistryServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_suggested_for_a_file_makes_it_start_at_the_door_of_the_agent(bool anyDigest)
    {
        var (code, output, error) = await SuggestAsync(["--component", $"{Cart}={Write("probe.wasm", Probe())}", .. anyDigest ? (string[])["--any-digest"] : []]);
        Assert.True(code == ExitCode.Ok, error);
        var policy = CapabilityPolicy.FromSources([output], 1);

        var started = Uploaded(Probe());
        Assert.NotNull(started.Called);
        Assert.IsType<Decision.Admitted>(Start(policy, started));

        // Not without the call, not for who is another, and other bytes and functions only where any will do.
        Assert.DoesNotContain("start", output.Split('\n').Select(line => line.Trim(' ', '-')));
        Assert.IsType<Decision.Denied>(Start(CapabilityPolicy.FromSources([WithoutLine(output, "export")], 1), started));
        Assert.IsType<Decision.Denied>(Start(policy, started, SpiffeId.Parse($"{Shop}/other")));
        Assert.Equal(anyDigest, Start(policy, started with { Digest = ComponentDigest.Of("other"u8) }) is Decision.Admitted);
        Assert.Equal(anyDigest, output.Contains($"import: {Messaging}\n", StringComparison.Ordinal));
        Assert.Equal(!anyDigest, output.Contains($"import: '{Messaging}#publish'\n", StringComparison.Ordinal));
        Assert.DoesNotContain("#request", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_agent_denied_is_suggested_for_the_bytes_that_were_denied()
    {
        // As the agent tells it.
        var started = Uploaded(Probe());
        var denied = Assert.IsType<Decision.Denied>(Start(CapabilityPolicy.Empty, started));
        var told = DecisionOf(started, denied);
        Assert.Equal(started.Digest.Text, told.ComponentDigest);
        Assert.True(_server.Service<DecisionLog>().TryRecordReported(told, SpiffeId.Parse("spiffe://example.org/spire/agent/x"), isOfItsOwn: true));

        var (code, output, error) = await SuggestAsync("--denied");

        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains($"digest: {started.Digest.Text}\n", output, StringComparison.Ordinal);
        var policy = CapabilityPolicy.FromSources([output], 1);
        Assert.IsType<Decision.Admitted>(Start(policy, started));
        Assert.IsType<Decision.Denied>(Start(policy, started with { Digest = ComponentDigest.Of("other"u8) }));
        Assert.DoesNotContain("digest", (await SuggestAsync("--denied", "--any-digest")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_agent_says_of_another_agents_component_grants_nothing()
    {
        var started = Uploaded(Probe());
        var told = DecisionOf(started, Assert.IsType<Decision.Denied>(Start(CapabilityPolicy.Empty, started)));
        Assert.True(_server.Service<DecisionLog>().TryRecordReported(told, SpiffeId.Parse("spiffe://example.org/spire/agent/x"), isOfItsOwn: false));

        foreach (var more in (string[][])[[], ["--any-digest"], ["--unproven"]])
        {
            var (code, output, _) = await SuggestAsync(["--denied", .. more]);
            Assert.Equal(ExitCode.Ok, code);
            Assert.StartsWith("# not granted: 1 decision was reported about an identity that the agent had no entry for, by spiffe://example.org/spire/agent/x; register ", output, StringComparison.Ordinal);
            Assert.DoesNotContain("kind:", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_start_of_untold_bytes_is_granted_only_where_any_will_do()
    {
        var started = Uploaded(Probe());
        var told = DecisionOf(started, Assert.IsType<Decision.Denied>(Start(CapabilityPolicy.Empty, started)));
        told.ComponentDigest = "";
        Assert.True(_server.Service<DecisionLog>().TryRecordReported(told, SpiffeId.Parse("spiffe://example.org/spire/agent/x"), isOfItsOwn: true));

        var (code, output, _) = await SuggestAsync("--denied");
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith("# not granted: 1 decision about a start does not tell of which bytes", output, StringComparison.Ordinal);
        Assert.DoesNotContain("kind:", output, StringComparison.Ordinal);
        Assert.Contains($"import: {Messaging}\n", (await SuggestAsync("--denied", "--any-digest")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_says_that_older_decisions_were_not_read()
    {
        var point = _server.Service<DecisionPoint>();
        void Deny(string subject, int times)
        {
            for (var i = 0; i < times; i++) point.Decide(Principal.Process(Cart), [CapabilityRequest.Parse($"natsPublish {subject}")], DoorName.Grpc);
        }

        Deny("orders.old", 1);
        Deny("orders.new", 998);
        var (_, all, _) = await SuggestAsync("--denied");
        Assert.DoesNotContain("were read", all, StringComparison.Ordinal);
        Assert.Contains("orders.old", all, StringComparison.Ordinal);

        Deny("orders.new", 2);
        var (_, newest, _) = await SuggestAsync("--denied");
        Assert.StartsWith("# only the newest 1000 decisions were read; what was asked before is not in this\n", newest, StringComparison.Ordinal);
        Assert.DoesNotContain("orders.old", newest, StringComparison.Ordinal);
    }

    // Imports one function of two that the interface has, and exports a command, as a later version of its track, beside what nobody calls.
    private static byte[] Probe() => new ComponentWriter()
        .Types(ComponentWriter.Interface("publish")).Imports(ComponentWriter.Import(Messaging, [0x05, 0]))
        .Section(5, [1, 0x01, 1, 0x00, .. ComponentWriter.Text("run"), 0x01, 0])
        .Exports(ComponentWriter.Export("wasi:cli/run@0.2.3", [0x05], 1), ComponentWriter.Export("init", [0x01], 0)).ToArray();

    // As identity-host asks.
    private static UploadedComponent Uploaded(byte[] bytes)
    {
        Assert.True(ComponentReader.TryRead(bytes, out var imports, out var problem), problem);
        return new UploadedComponent(Host, "probe", ComponentDigest.Of(bytes), imports)
        {
            Calls = [.. EntryPoint.All.Select(call => (CapabilityRequest.Export)CapabilityRequest.Parse($"export {call}"))],
        };
    }

    private static Decision Start(CapabilityPolicy policy, UploadedComponent component, SpiffeId? id = null) => CallDoor.Decide(
        policy, new ComponentStart(id ?? Cart, Host, component.Digest, component.Name, component.Imports), component.Called, Now);

    private static Identity.V1.Decision DecisionOf(UploadedComponent component, Decision.Denied denied)
    {
        var decision = new Identity.V1.Decision { Id = "d-" + new string('a', 26), Kind = Identity.V1.DecisionKind.ComponentStart, Subject = Cart.ToString(), ComponentDigest = component.Digest.Text };
        decision.Reasons.AddRange(denied.Refusals.Select(refusal => new Identity.V1.Reason { Capability = refusal.Capability, Explanation = refusal.ToString() }));
        return decision;
    }

    private static string WithoutLine(string text, string word) => string.Join('\n', text.Split('\n').Where(line => !line.Contains(word, StringComparison.Ordinal)));

    private string Write(string name, byte[] content)
    {
        var path = _folder.At(name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private Task<(int Code, string Output, string Error)> SuggestAsync(params string[] arguments) => CliRun.RunAsync(_server, ["policy", "suggest", .. arguments]);
}
