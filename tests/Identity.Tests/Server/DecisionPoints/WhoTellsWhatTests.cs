// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Identity.Policy;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.NatsAuthCallout;
using Identity.Testing.Components;
using Identity.Testing.Platform;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.V1;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;
using ComponentSignatures = Identity.Policy.ComponentSignatures;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>
/// The table in docs/policy.md of which door tells which attribute, by asking each of them. Two policies find out: a permit that demands the caller's value,
/// and a forbid that demands a value that nobody has, which gives way only where the door knows better.
/// </summary>
public sealed partial class WhoTellsWhatTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";
    private const string Identifier = "https://pdp.example.org";
    private const string Image = "ghcr.io/acme/cart:1.2";
    private const string Host = "spiffe://example.org/hosts/local";

    private static readonly string Digest = $"sha256:{new string('1', 64)}";

    // Names that are keys have a row of their own.
    private const string KeyRow = "signer: ed25519:…";

    private static readonly ComponentSigner Release = new();
    private static readonly ComponentSigner Nobody = new();
    private static readonly byte[] Component = SignatureWriter.Sign(new ComponentWriter().ToArray(), Release);

    private static readonly (string Name, string Right, string Wrong)[] Attributes =
    [
        ("digest", $"\"{Digest}\"", $"\"sha256:{new string('0', 64)}\""),
        ("signer", "release@example.org", "nobody@example.org"),
        (KeyRow, Release.Name, Nobody.Name),
        ("image", Image, "ghcr.io/acme/nothing:1"),
        ("host", Host, "spiffe://example.org/hosts/none"),
        ("namespace", "shop", "nowhere"),
        ("lattice", "default", "nowhere"),
    ];

    [Fact]
    public async Task Each_door_tells_what_the_page_says()
    {
        await using var world = await DecisionWorld.StartAsync(
            null, ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"), ("authzen-url", Identifier), ("admission-listen", "127.0.0.1:0"));
        using var pep = new HttpClient { BaseAddress = new Uri($"http://{world.Server.Listeners.AuthZen}") };
        pep.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await world.TokenAsync("/gateways/edge", Identifier));
        // Doors that share a column share every cell.
        (string Column, Func<Task<bool>> Asks)[] doors =
        [
            ("host, agent's broker", () => Task.FromResult(AsAgent(world))),
            ("nats-server", () => Task.FromResult(AsNats(world))),
            ("gRPC, AuthZEN", () => OverGrpcAsync(world, told: true)),
            ("gRPC, AuthZEN", () => OverAuthZenAsync(pep, told: true)),
            ("wasmCloud v1", () => Task.FromResult(AsV1(world))),
            ("Kubernetes, v2 gate", () => Task.FromResult(AsV2(world))),
            ("Kubernetes, v2 gate", () => AsKubernetesAsync(world)),
        ];
        foreach (var (name, right, wrong) in Attributes)
        {
            var found = new List<(string Column, string Word)>();
            var attribute = name == KeyRow ? "signer" : name;
            await world.ApplyAsync(Permit(attribute, right));
            var permitted = await AllAsync(doors);
            await world.ApplyAsync(Forbid(attribute, wrong));
            var notForbidden = await AllAsync(doors);
            for (var at = 0; at < doors.Length; at++)
                found.Add((doors[at].Column, (permitted[at], notForbidden[at]) switch { (true, true) => "told", (false, false) => "not told", (false, true) => "has none", _ => "wrong" }));
            foreach (var (column, word) in found)
                Assert.True(Cell(name, column) is var cell && (cell == word || (cell == "as the caller says" && word == "told")), $"{name} at {column}: it is {word}, and the page says {cell}");

            // Where it is the caller who says, one that does not say has not told.
            Assert.False(await OverGrpcAsync(world, told: false));
            Assert.False(await OverAuthZenAsync(pep, told: false));
        }
    }

    [Fact]
    public async Task A_label_is_known_as_far_as_what_it_is_given_by()
    {
        await using var world = await DecisionWorld.StartAsync(null, ("admission-listen", "127.0.0.1:0"));
        foreach (var (name, right, wrong) in Attributes.Where(attribute => attribute.Name is not ("signer" or KeyRow)))
        {
            await world.ApplyAsync(Labelled(Permit("labels", "{ probe: yes }"), $"{name}: {right}"));
            Assert.Equal(Cell(name, "wasmCloud v1") == "told", AsV1(world));
            Assert.Equal(Cell(name, "Kubernetes, v2 gate") == "told", AsV2(world));
            Assert.Equal(Cell(name, "host, agent's broker") == "told", AsAgent(world));
            await world.ApplyAsync(Labelled(Forbid("labels", "{ probe: yes }"), $"{name}: {wrong}"));
            Assert.Equal(Cell(name, "wasmCloud v1") != "not told", AsV1(world));
            Assert.Equal(Cell(name, "Kubernetes, v2 gate") != "not told", AsV2(world));
            Assert.Equal(Cell(name, "host, agent's broker") != "not told", AsAgent(world));
        }
    }

    private static string Permit(string attribute, string value) => $"kind: CapabilityPolicy\nname: probe\nrules:\n  - {{ name: everybody, effect: permit, subjects: [{{ spiffeIdPrefix: spiffe://example.org, {attribute}: {value} }}], capabilities: [start] }}\n";

    private static string Forbid(string attribute, string value) =>
        $"{Permit("spiffeIdPrefix", "x").Replace(", spiffeIdPrefix: x", "", StringComparison.Ordinal)}  - {{ name: nobody, effect: forbid, subjects: [{{ {attribute}: {value} }}], capabilities: [start] }}\n";

    private static string Labelled(string policy, string by) => policy.Replace("rules:", $"labels:\n  - {{ name: probe, value: 'yes', subjects: [{{ {by} }}] }}\nrules:", StringComparison.Ordinal).Replace("probe: yes", "probe: 'yes'", StringComparison.Ordinal);

    private static string Cell(string attribute, string column)
    {
        var table = Table().Match(File.ReadAllText(Path.Combine(Repository.Root, "docs", "policy.md")));
        Assert.True(table.Success, "docs/policy.md lacks the table of doors and attributes");
        var rows = table.Value.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray()).ToArray();
        var at = Array.IndexOf(rows[0], column);
        Assert.True(at > 0, $"the table has no column '{column}'");
        return rows.Single(row => row[0] == $"`{attribute}`")[at];
    }

    private static async Task<bool[]> AllAsync((string Column, Func<Task<bool>> Asks)[] doors)
    {
        var all = new bool[doors.Length];
        for (var at = 0; at < doors.Length; at++) all[at] = await doors[at].Asks();
        return all;
    }

    // As the agent has it: who holds the entry, whose bytes these are, which host asks. It is the same for the broker's tokens.
    private static bool AsAgent(DecisionWorld world)
    {
        var policy = InForce(world);
        var signers = new VerifiedSigners(ComponentSignatures.Read(Component), ComponentSigner.Verify);
        var principal = signers.Tell(global::Identity.Policy.Principal.Component(SpiffeId.Parse("spiffe://example.org/cart"), ComponentDigest.Parse(Digest), SpiffeId.Parse(Host)), policy.SignerKeys);
        return ComponentAdmission.Decide(policy, new ComponentStart(principal, "cart", new ComponentImports([])), TimeProvider.System.GetUtcNow()) is global::Identity.Policy.Decision.Admitted;
    }

    private static bool AsNats(DecisionWorld world)
    {
        var policy = InForce(world);
        var standing = new LoginStanding.AdmittedComponent(ComponentDigest.Parse(Digest), SpiffeId.Parse(Host)) { Signers = new VerifiedSigners(ComponentSignatures.Read(Component), ComponentSigner.Verify) };
        var principal = standing.PrincipalOf(SpiffeId.Parse("spiffe://example.org/cart"), policy);
        return PolicyDecision.Decide(policy, principal, new CapabilityRequest.Start(), TimeProvider.System.GetUtcNow()).Allowed;
    }

    private static CapabilityPolicy InForce(DecisionWorld world) => CapabilityPolicy.FromSources(world.Server.Ledger.State.Policies.Values.Select(policy => policy.Text), 1);

    private static async Task<bool> OverGrpcAsync(DecisionWorld world, bool told)
    {
        var principal = new DecisionPrincipal { SpiffeId = "spiffe://example.org/cart" };
        if (told) principal.MergeFrom(new DecisionPrincipal { Digest = Digest, Signers = { "release@example.org", Release.Name }, Image = Image, Host = Host, Namespace = "shop", Lattice = "default" });
        return (await new V1.DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(new DecideRequest { Principal = principal, Questions = { new CapabilityQuestion { Kind = "start" } } })).Allowed;
    }

    private static async Task<bool> OverAuthZenAsync(HttpClient pep, bool told)
    {
        var properties = told
            ? $$$""","properties":{"digest":"{{{Digest}}}","signers":["release@example.org","{{{Release.Name}}}"],"image":"{{{Image}}}","host":"{{{Host}}}","namespace":"shop","lattice":"default"}"""
            : "";
        var body = $$$"""{"subject":{"type":"component","id":"spiffe://example.org/cart"{{{properties}}} },"action":{"name":"start"},"resource":{"type":"capability","id":"start"} }""";
        using var response = await pep.PostAsync("/access/v1/evaluation", new StringContent(body, Encoding.UTF8, "application/json"));
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("decision").GetBoolean();
    }

    private static bool AsV1(DecisionWorld world)
    {
        var responder = new PolicyResponder(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"), new GivenAnswers(10, 10), canCorrect: true, TimeProvider.System);
        return responder.Judge(Encoding.UTF8.GetBytes($$$"""
            {"requestId":"r-1","kind":"startComponent","version":"v1","request":{"componentId":"cart","imageRef":"{{{Image}}}","maxInstances":1,
             "claims":{"publicKey":"M","issuer":"release@example.org","issuedAt":"now","expiresAt":null,"expired":false} },"host":{"publicKey":"N","lattice":"default","labels":{} } }
            """)).Response!.Permitted;
    }

    private static bool AsV2(DecisionWorld world)
    {
        var judge = new StartJudge(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"));
        return judge.Judge(Encoding.UTF8.GetBytes($$$"""
            {"workload":{"namespace":"shop","name":"cart","witWorld":{"components":[{"name":"http","image":"{{{Image}}}"}]} },"workloadId":"2f6e0c1a"}
            """)) is not StartJudgement.Refused;
    }

    private static async Task<bool> AsKubernetesAsync(DecisionWorld world)
    {
        var body = AdmissionSamples.Of("Workload").With("request.object.spec", $$$"""{"components":[{"name":"http","image":"{{{Image}}}"}]}""");
        return (await AdmissionWebhookTests.ReviewAsync(world, body)).GetProperty("allowed").GetBoolean();
    }

    [GeneratedRegex(@"^\| attribute \| host, (?:[^\n]*\n)(?:\|[^\n]*\n)+", RegexOptions.Multiline)]
    private static partial Regex Table();
}
