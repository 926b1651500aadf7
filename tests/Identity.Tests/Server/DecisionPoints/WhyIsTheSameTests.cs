// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.V1;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>One question, asked at every door, is refused in the same words, and <c>identity why</c> says them too.</summary>
public sealed class WhyIsTheSameTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";
    private const string Identifier = "https://pdp.example.org";
    private const string Image = "ghcr.io/acme/cart:1.2";
    private const string Component = "spiffe://example.org/ns/shop/component/http";
    private const string Everybody = "{ name: all, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org/ns }, { spiffeIdPrefix: spiffe://example.org/wasmcloud }], capabilities: [start] }";

    public static TheoryData<string, string, string> Refusals => new()
    {
        { "nothing is granted at all", "{ name: other, effect: permit, subjects: [{ imagePrefix: ghcr.io/acme }], capabilities: [{ resolve: example.com }] }", "no rule permits it" },
        { "a rule came near", "{ name: trusted, effect: permit, subjects: [{ imagePrefix: ghcr.io/trusted }], capabilities: [start] }", "nearest is rule lattice/trusted" },
        { "a rule forbids it", $"{Everybody}, {{ name: banned, effect: forbid, subjects: [{{ imagePrefix: ghcr.io/acme }}], capabilities: [start] }}", "rule lattice/banned forbids it" },
        {
            "a rule forbids it that may mean the caller",
            $"{Everybody}, {{ name: bad-bytes, effect: forbid, subjects: [{{ digest: \"sha256:{new string('0', 64)}\" }}], capabilities: [start] }}",
            "depends on its digest, which was not told"
        },
        {
            "a rule permits it of whom nobody told enough",
            "{ name: signed, effect: permit, subjects: [{ imagePrefix: ghcr.io/acme, signer: release@example.org }], capabilities: [start] }",
            "nearest is rule lattice/signed"
        },
        {
            "two attributes are missing",
            $"{Everybody}, {{ name: there, effect: forbid, subjects: [{{ digest: \"sha256:{new string('0', 64)}\", host: spiffe://example.org/hosts/a }}], capabilities: [start] }}",
            "digest and host"
        },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task At_every_door(string what, string rules, string expected)
    {
        await using var world = await DecisionWorld.StartAsync(
            $"kind: CapabilityPolicy\nname: lattice\nrules: [{rules}]",
            ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"), ("authzen-url", Identifier), ("admission-listen", "127.0.0.1:0"));
        var said = new Dictionary<string, (string Why, string Id)>
        {
            ["grpc"] = await OverGrpcAsync(world),
            ["authzen"] = await OverAuthZenAsync(world),
            ["wasmcloud-policy-service"] = AsV1(world),
            ["wasmcloud-interposer"] = AsV2(world),
            ["kubernetes-admission"] = await AsKubernetesAsync(world),
        };

        Assert.StartsWith("start: ", said["grpc"].Why, StringComparison.Ordinal);
        Assert.Contains(expected, said["grpc"].Why, StringComparison.Ordinal);
        foreach (var (door, (why, id)) in said)
        {
            Assert.True(said["grpc"].Why == why, $"{what}: {door} says '{why}', gRPC '{said["grpc"].Why}'");
            var logged = world.Server.Decisions.TryGet(id)!;
            Assert.Equal((door, why), (logged.Door, Assert.Single(logged.Reasons).Explanation));
        }
    }

    private static async Task<(string Why, string Id)> OverGrpcAsync(DecisionWorld world)
    {
        var answer = await new V1.DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(new DecideRequest
        {
            Principal = new DecisionPrincipal { SpiffeId = Component, Image = Image, Namespace = "shop", KnownAbsent = { PrincipalAttribute.Lattice } },
            Questions = { new CapabilityQuestion { Kind = "start" } },
        });
        Assert.Equal(answer.Reason, Assert.Single(answer.Verdicts).Explanation);
        return (answer.Reason, answer.DecisionId);
    }

    private static async Task<(string Why, string Id)> OverAuthZenAsync(DecisionWorld world)
    {
        using var pep = new HttpClient { BaseAddress = new Uri($"http://{world.Server.Listeners.AuthZen}") };
        pep.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await world.TokenAsync("/gateways/edge", Identifier));
        var body = $$$"""
            {"subject":{"type":"component","id":"{{{Component}}}","properties":{"image":"{{{Image}}}","namespace":"shop"} },
             "action":{"name":"start"},"resource":{"type":"capability","id":"start"}}
            """;
        using var response = await pep.PostAsync("/access/v1/evaluation", new StringContent(body, Encoding.UTF8, "application/json"));
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.False(answer.GetProperty("decision").GetBoolean());
        var context = answer.GetProperty("context");
        return (context.GetProperty("reason").GetString()!, context.GetProperty("id").GetString()!);
    }

    private static (string Why, string Id) AsV1(DecisionWorld world)
    {
        var responder = new PolicyResponder(
            world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"), new GivenAnswers(10, 10), canCorrect: true, TimeProvider.System);
        var body = $$$"""
            {"requestId":"r-1","kind":"startComponent","version":"v1","request":{"componentId":"cart","imageRef":"{{{Image}}}","maxInstances":1},
             "host":{"publicKey":"N","lattice":"default","labels":{} } }
            """;
        return Split(responder.Judge(Encoding.UTF8.GetBytes(body)).Response!.Message, "; ask for decision ");
    }

    private static (string Why, string Id) AsV2(DecisionWorld world)
    {
        var judge = new StartJudge(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"));
        var body = $$$"""
            {"workload":{"namespace":"shop","name":"cart","witWorld":{"components":[{"name":"http","image":"{{{Image}}}"}]} },"workloadId":"2f6e0c1a"}
            """;
        var refused = Assert.IsType<StartJudgement.Refused>(judge.Judge(Encoding.UTF8.GetBytes(body)));
        var told = JsonDocument.Parse(refused.ToJson("h1")).RootElement;
        var (why, id) = Split(refused.Message, "; ask for decision ");
        Assert.Equal(($"refused by policy: {told.GetProperty("reason").GetString()}", told.GetProperty("decisionId").GetString()), (why, id));
        return (told.GetProperty("reason").GetString()!, id);
    }

    private static async Task<(string Why, string Id)> AsKubernetesAsync(DecisionWorld world)
    {
        var body = AdmissionSamples.Of("Workload").With("request.object.spec", $$$"""{"components":[{"name":"http","image":"{{{Image}}}"}]}""");
        var response = await AdmissionWebhookTests.ReviewAsync(world, body);
        Assert.False(response.GetProperty("allowed").GetBoolean());
        var lines = response.GetProperty("status").GetProperty("message").GetString()!.Split('\n');
        var line = Assert.Single(lines, text => text.StartsWith("- ", StringComparison.Ordinal) && !text.StartsWith("- name", StringComparison.Ordinal) && text.Contains(Component, StringComparison.Ordinal));
        return (line[$"- {Component}: ".Length..], response.GetProperty("auditAnnotations").GetProperty("decision-id").GetString()!);
    }

    private static (string Before, string After) Split(string text, string by)
    {
        var parts = text.Split(by);
        return (Assert.Single(parts[..^1]), parts[^1]);
    }
}
