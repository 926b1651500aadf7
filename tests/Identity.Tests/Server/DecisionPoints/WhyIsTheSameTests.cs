// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Cli;
using Identity.Policy;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.NatsAuthCallout;
using Identity.Tests.Agent;
using Identity.Tests.Cli;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.Tests.Server.NatsAuthCallout;
using Identity.V1;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Broker;
using Spiffe.Net;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>
/// One question, asked on every surface, is refused in the same words, by the same rule and with the same smallest grant: at the doors, by <c>identity policy decide</c>, by
/// <c>identity why</c> of each decision, by the agent to its own host, and at a login to NATS. Where a door's reply has no room for a grant, its decision id leads to it.
/// </summary>
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

    // What a component asks for that may start, and what each door is sent for it.
    private const string Hosts = """{"components":[{"name":"http","image":"IMAGE","localResources":{"allowedHosts":["api.example.com:443"]}}]}""";
    private const string Interfaces = """{"components":[{"name":"http","image":"IMAGE"}],"hostInterfaces":[{"namespace":"wasi","package":"keyvalue","interfaces":["store"],"version":"0.2.0"}]}""";

    public static TheoryData<string, string, string, string> MoreRefusals => new()
    {
        { "connect api.example.com:443", Hosts, "{ name: other-port, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ connect: \"api.example.com:80\" }] }", "nearest is rule lattice/other-port" },
        { "connect api.example.com:443", Hosts, "{ name: none, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ connect: \"*.example.com:*\" }] }", "rule lattice/none forbids it" },
        { "import wasi:keyvalue/store@0.2.0", Interfaces, "{ name: other-track, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ import: wasi:keyvalue/store@0.3.0 }] }", "nearest is rule lattice/other-track" },
        { "import wasi:keyvalue/store@0.2.0", Interfaces, "{ name: none, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ import: \"wasi:keyvalue/*@*\" }] }", "rule lattice/none forbids it" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task At_every_door(string what, string rules, string expected)
    {
        await using var world = await WorldAsync(rules);
        var start = new Asked("start", """{"components":[{"name":"http","image":"IMAGE"}]}""");
        List<Said> said = [await OverGrpcAsync(world, start, Workload), await OverAuthZenAsync(world, start), AsV1(world), AsV2(world, start), await AsKubernetesAsync(world, start), await ByCommandAsync(world, start, Workload)];

        Assert.StartsWith("start: ", said[0].Why, StringComparison.Ordinal);
        Assert.Contains(expected, said[0].Why, StringComparison.Ordinal);
        foreach (var one in said)
        {
            Assert.True(said[0].Why == one.Why, $"{what}: {one.Surface} says '{one.Why}', gRPC '{said[0].Why}'");
            await AgreesAsync(world, start, one);
        }
    }

    [Theory]
    [MemberData(nameof(MoreRefusals))]
    public async Task Of_a_connection_and_of_an_import(string request, string spec, string rule, string expected)
    {
        await using var world = await WorldAsync($"{Everybody}, {rule}");
        var asked = new Asked(request, spec);
        List<Said> said = [await OverGrpcAsync(world, asked, Workload), await OverAuthZenAsync(world, asked), AsV2(world, asked), await AsKubernetesAsync(world, asked), await ByCommandAsync(world, asked, Workload)];

        Assert.Contains(expected, said[0].Why, StringComparison.Ordinal);
        foreach (var one in said)
        {
            Assert.True(said[0].Why == one.Why, $"{one.Surface} says '{one.Why}', gRPC '{said[0].Why}'");
            await AgreesAsync(world, asked, one);
        }
    }

    [Theory]
    [InlineData("{ name: other, effect: permit, subjects: [{ spiffeId: spiffe://example.org/components/other }], capabilities: [start, { import: wasi:keyvalue/store@0.2.0 }] }", "nearest is rule lattice/other", true)]
    [InlineData("{ name: none, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [start, { import: \"wasi:keyvalue/*@*\" }] }", "rule lattice/none forbids it", false)]
    [InlineData("{ name: elsewhere, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org, host: spiffe://example.org/hosts/other }], capabilities: [start, { import: wasi:keyvalue/store@0.2.0 }] }", "nearest is rule lattice/elsewhere", true)]
    // The agent does not know images; a grant without one would be wider than the rule.
    [InlineData("{ name: pulled, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org, imagePrefix: ghcr.io/acme }], capabilities: [start, { import: wasi:keyvalue/store@0.2.0 }] }", "nearest is rule lattice/pulled", false)]
    [InlineData("{ name: pulled, effect: forbid, subjects: [{ imagePrefix: ghcr.io/acme }], capabilities: [start, { import: wasi:keyvalue/store@0.2.0 }] }", "depends on its image, which was not told", false)]
    public async Task To_a_host_of_our_own(string rule, string expected, bool isGrantable)
    {
        var policy = $"kind: CapabilityPolicy\nname: lattice\nrules: [{rule}]";
        await using var world = await WorldAsync(rule);
        await using var node = await AdmittingNode.StartAsync(new WatchedClock(TimeProvider.System.GetUtcNow()), policy);
        foreach (var (request, component) in new[] { ("start", AdmissionCalls.Component()), ("import wasi:keyvalue/store@0.2.0", AdmissionCalls.Component("wasi:keyvalue/store@0.2.0")) })
        {
            using var call = await node.AdmitAsync(component);
            // The host's door names an import by the interface, and says of the start, too, where that is forbidden.
            var reason = Assert.Single((await call.ResponseStream.NextAsync()).Denied.Reasons, reason => request.EndsWith(reason.Capability, StringComparison.Ordinal));
            var why = request == "start" ? reason.Explanation : $"import {reason.Explanation}";
            var principal = new DecisionPrincipal { SpiffeId = AdmissionCalls.Greeter, Digest = ComponentDigest.Of(component).Text, Host = RunningAgent.Host.ToString() };

            Assert.Contains(expected, why, StringComparison.Ordinal);
            Assert.Equal(isGrantable, reason.SmallestGrant.Length > 0);
            var asked = new Asked(request, "");
            var here = await OverGrpcAsync(world, asked, principal);
            Assert.Equal((here.Why, here.Rule, here.Grant), (why, reason.Rule, reason.SmallestGrant));
            await AgreesAsync(world, asked, await ByCommandAsync(world, asked, principal));
        }
    }

    [Theory]
    [InlineData("{ name: near, effect: permit, subjects: [{ spiffeId: spiffe://example.org/components/other }], capabilities: [{ audience: vault }] }", "nearest is rule tokens/near", true)]
    [InlineData("{ name: none, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org/components }], capabilities: [{ audience: vault }] }", "rule tokens/none forbids it", false)]
    [InlineData("{ name: elsewhere, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org, namespace: shop }], capabilities: [{ audience: vault }] }", "depends on the caller's namespace, which was not told", false)]
    public async Task Of_a_token_for_an_audience(string rule, string expected, bool isGrantable)
    {
        const string Starts = "kind: CapabilityPolicy\nname: lattice\nrules: [{ name: all, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org/components }], capabilities: [start] }]";
        var tokens = $"kind: CapabilityPolicy\nname: tokens\nrules: [{rule}]";
        await using var world = await DecisionWorld.StartAsync(Starts);
        await world.ApplyAsync(tokens);
        await using var node = await AdmittingNode.StartAsync(new WatchedClock(TimeProvider.System.GetUtcNow()), Starts, tokens);
        var component = AdmissionCalls.Component();
        using var call = await node.AdmitAsync(component);
        var reference = new WorkloadReference { Reference = Any.Pack(new AdmissionReference { AdmissionId = (await call.ResponseStream.NextAsync()).Admitted.AdmissionId }) };
        var channel = node.Agent.BrokerChannel(node.Plane.SvidOf(RunningAgent.Host));
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new API.APIClient(channel).FetchJWTSVIDAsync(new() { Reference = reference, Audience = { "vault" } }, RunningAgent.BrokerHeader));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        var id = refused.Status.Detail.Split(' ')[1].TrimEnd(':');
        var decision = await new V1.Explain.ExplainClient(channel).GetDecisionAsync(new() { Id = id }, RunningAgent.BrokerHeader);
        var reason = Assert.Single(decision.Reasons);

        Assert.Contains(expected, reason.Explanation, StringComparison.Ordinal);
        Assert.Equal(isGrantable, reason.SmallestGrant.Length > 0);
        var principal = new DecisionPrincipal { SpiffeId = AdmissionCalls.Greeter, Digest = ComponentDigest.Of(component).Text, Host = RunningAgent.Host.ToString() };
        var asked = new Asked("audience vault", "");
        var here = await OverGrpcAsync(world, asked, principal);
        Assert.Equal((here.Why, here.Rule, here.Grant), (reason.Explanation, reason.Rule, reason.SmallestGrant));
        Assert.EndsWith($" gets no such token: {here.Why}", decision.Summary, StringComparison.Ordinal);
        await AgreesAsync(world, asked, here);
        await AgreesAsync(world, asked, await ByCommandAsync(world, asked, principal));

        // What the agent reports the server explains likewise.
        var told = (await node.Plane.NextReportAsync(AgentReport.ReportOneofCase.Decision)).Decision;
        while (told.Kind != DecisionKind.WorkloadSvid) told = (await node.Plane.NextReportAsync(AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Equal((here.Why, here.Rule!, here.Grant!), await WhyAsync(world, world.Server.Decisions.Record(told)));
    }

    [Fact]
    public async Task Of_a_NATS_subject_and_of_the_login_without_one()
    {
        const string Near = "{ name: near, effect: permit, subjects: [{ spiffeId: spiffe://example.org/other }], capabilities: [{ natsPublish: orders.new }] }";
        await using var world = await WorldAsync(Near);
        var asked = new Asked("natsPublish orders.new", "");
        var process = new DecisionPrincipal
        {
            SpiffeId = CalloutWorld.Subscriber.ToString(),
            KnownAbsent = { PrincipalAttribute.Digest, PrincipalAttribute.Signer, PrincipalAttribute.Image, PrincipalAttribute.Host },
        };
        var here = await OverGrpcAsync(world, asked, process);
        Assert.Contains("nearest is rule lattice/near", here.Why, StringComparison.Ordinal);
        Assert.Contains("natsPublish: orders.new", here.Grant, StringComparison.Ordinal);
        await AgreesAsync(world, asked, here);
        await AgreesAsync(world, asked, await ByCommandAsync(world, asked, process));

        // The login asks for no subject, so its sentence and its grant are of the login; the rule that came nearest is the same, and the grant is enough.
        using var callout = new CalloutWorld(TimeProvider.System.GetUtcNow()) { Policy = TestPolicy.Of($"kind: CapabilityPolicy\nname: lattice\nrules: [{Near}]") };
        using var nats = new FakeNatsServer();
        var refused = Assert.IsType<CalloutJudgement.Refused>(LogIn());
        var id = world.Server.Decisions.Record(LoginDecision.Of(refused, 1, callout.Responder.OwnId, TimeProvider.System.GetUtcNow()));
        var (why, rule, grant) = await WhyAsync(world, id);
        Assert.StartsWith("nats login: no rule grants it a subject", why, StringComparison.Ordinal);
        Assert.Contains("nearest is rule lattice/near", why, StringComparison.Ordinal);
        Assert.Equal(here.Rule, rule);
        callout.Policy = CapabilityPolicy.FromSources([.. callout.Policy.Documents.Select(document => document.Source), grant], 2);
        Assert.IsType<CalloutJudgement.Admitted>(LogIn());

        CalloutJudgement LogIn()
        {
            var now = TimeProvider.System.GetUtcNow();
            return callout.Responder.Judge(nats.Sealed(callout, nats.Request(callout, callout.Token(CalloutWorld.Subscriber, now), now)), nats.Curve.GetPublicKey(), callout.Facts, now, jitter: 0);
        }
    }

    // What a surface says, beside gRPC asked with all that this surface tells, and beside what the command line says of its decision.
    private static async Task AgreesAsync(DecisionWorld world, Asked asked, Said said)
    {
        var grpc = await OverGrpcAsync(world, asked, said.Told);
        Assert.Equal((said.Surface, grpc.Why), (said.Surface, said.Why));
        if (said.Rule is { } rule) Assert.Equal((said.Surface, grpc.Rule), (said.Surface, rule));
        if (said.Grant is { } grant) Assert.Equal((said.Surface, grpc.Grant), (said.Surface, grant));
        if (grpc.Rule!.Length > 0) Assert.Contains($"rule {grpc.Rule}", said.Why, StringComparison.Ordinal);
        if (said.Id is not { } id) return;
        Assert.Equal((said.Surface, grpc.Why, grpc.Rule, grpc.Grant), (said.Surface, (await WhyAsync(world, id)).Why, (await WhyAsync(world, id)).Rule, (await WhyAsync(world, id)).Grant));
        Assert.Equal(said.Surface, world.Server.Decisions.TryGet(id)!.Door);
    }

    // In JSON, where nothing is laid out, and as it is printed.
    private static async Task<(string Why, string Rule, string Grant)> WhyAsync(DecisionWorld world, string id)
    {
        var (code, json, error) = await CliRun.RunAsync(world.Server, "why", id, "-o", "json");
        Assert.True(code == 0, error);
        var reason = Assert.Single(JsonDocument.Parse(json).RootElement.GetProperty("reasons").EnumerateArray());
        var (why, rule, grant) = (Text(reason, "explanation"), Text(reason, "rule"), Text(reason, "smallestGrant"));
        var printed = (await CliRun.RunAsync(world.Server, "why", id)).Output;
        Assert.Contains(why[(why.IndexOf(": ", StringComparison.Ordinal) + 2)..], printed, StringComparison.Ordinal);
        Assert.All(grant.TrimEnd().Split('\n'), line => Assert.Contains(line, printed, StringComparison.Ordinal));
        return (why, rule, grant);
    }

    private static string Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    private static Task<DecisionWorld> WorldAsync(string rules) => DecisionWorld.StartAsync(
        $"kind: CapabilityPolicy\nname: lattice\nrules: [{rules}]",
        ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"), ("authzen-url", Identifier), ("admission-listen", "127.0.0.1:0"));

    private static async Task<Said> OverGrpcAsync(DecisionWorld world, Asked asked, DecisionPrincipal principal)
    {
        var answer = await new V1.DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(new DecideRequest
        {
            Principal = principal,
            Questions = { new CapabilityQuestion { Kind = asked.Kind, Value = asked.Value } },
        });
        var verdict = Assert.Single(answer.Verdicts);
        Assert.False(answer.Allowed);
        Assert.Equal(answer.Reason, verdict.Explanation);
        return new Said("grpc", principal, answer.Reason, verdict.Rule, verdict.SmallestGrant, answer.DecisionId);
    }

    private static async Task<Said> OverAuthZenAsync(DecisionWorld world, Asked asked)
    {
        using var pep = new HttpClient { BaseAddress = new Uri($"http://{world.Server.Listeners.AuthZen}") };
        pep.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await world.TokenAsync("/gateways/edge", Identifier));
        var body = $$$"""
            {"subject":{"type":"component","id":"{{{Component}}}","properties":{"image":"{{{Image}}}","namespace":"shop"} },
             "action":{"name":"{{{asked.Kind}}}"},"resource":{"type":"capability","id":"{{{(asked.Value.Length > 0 ? asked.Value : "start")}}}"}}
            """;
        using var response = await pep.PostAsync("/access/v1/evaluation", new StringContent(body, Encoding.UTF8, "application/json"));
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.False(answer.GetProperty("decision").GetBoolean());
        var context = answer.GetProperty("context");
        return new Said("authzen", Told(Component, "shop"), Text(context, "reason"), null, Text(context, "smallest_grant"), Text(context, "id"));
    }

    private static Said AsV1(DecisionWorld world)
    {
        var responder = new PolicyResponder(
            world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"), new GivenAnswers(10, 10), canCorrect: true, TimeProvider.System);
        var body = $$$"""
            {"requestId":"r-1","kind":"startComponent","version":"v1","request":{"componentId":"cart","imageRef":"{{{Image}}}","maxInstances":1},
             "host":{"publicKey":"N","lattice":"default","labels":{} } }
            """;
        var (why, id) = Split(responder.Judge(Encoding.UTF8.GetBytes(body)).Response!.Message, "; ask for decision ");
        var told = new DecisionPrincipal { SpiffeId = "spiffe://example.org/wasmcloud/default/cart", Image = Image, Lattice = "default", KnownAbsent = { PrincipalAttribute.Namespace } };
        return new Said("wasmcloud-policy-service", told, why, null, null, id);
    }

    private static Said AsV2(DecisionWorld world, Asked asked)
    {
        var judge = new StartJudge(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"));
        var body = $$$"""{"workload":{"namespace":"shop","name":"cart","witWorld":{{{asked.Workload}}} },"workloadId":"2f6e0c1a"}""";
        var refused = Assert.IsType<StartJudgement.Refused>(judge.Judge(Encoding.UTF8.GetBytes(body)));
        var told = JsonDocument.Parse(refused.ToJson("h1")).RootElement;
        var (why, id) = Split(refused.Message, "; ask for decision ");
        Assert.Equal(($"refused by policy: {told.GetProperty("reason").GetString()}", told.GetProperty("decisionId").GetString()), (why, id));
        return new Said("wasmcloud-interposer", Told(Component, "shop"), told.GetProperty("reason").GetString()!, null, null, id);
    }

    private static async Task<Said> AsKubernetesAsync(DecisionWorld world, Asked asked)
    {
        const string Before = "the smallest grant that would turn this:\n";
        var response = await AdmissionWebhookTests.ReviewAsync(world, AdmissionSamples.Of("Workload").With("request.object.spec", asked.Workload));
        Assert.False(response.GetProperty("allowed").GetBoolean());
        var message = response.GetProperty("status").GetProperty("message").GetString()!;
        var line = Assert.Single(message.Split('\n'), text => text.StartsWith($"- {Component}: ", StringComparison.Ordinal));
        var at = message.IndexOf(Before, StringComparison.Ordinal);
        var grant = at < 0 ? "" : message[(at + Before.Length)..message.IndexOf("ask `identity why", StringComparison.Ordinal)];
        return new Said("kubernetes-admission", Told(Component, "shop"), line[$"- {Component}: ".Length..], null, grant, response.GetProperty("auditAnnotations").GetProperty("decision-id").GetString()!);
    }

    // `identity policy decide`, told what the door is told.
    private static async Task<Said> ByCommandAsync(DecisionWorld world, Asked asked, DecisionPrincipal told)
    {
        List<string> arguments = ["policy", "decide", told.SpiffeId, .. $"{asked.Kind} {asked.Value}".Trim().Split(' ')];
        foreach (var (option, value) in new[] { ("--digest", told.Digest), ("--image", told.Image), ("--host", told.Host), ("--namespace", told.Namespace), ("--lattice", told.Lattice) })
        {
            if (value.Length > 0) arguments.AddRange([option, value]);
        }

        // It can say of a process what that has not, and of nobody else.
        told = told.Clone();
        if (told.KnownAbsent.Contains(PrincipalAttribute.Digest)) arguments.Add("--process");
        else told.KnownAbsent.Clear();
        var (code, printed, error) = await CliRun.RunAsync(world.Server, [.. arguments]);
        Assert.True(code == ExitCode.Refused, printed + error);
        var answer = JsonDocument.Parse((await CliRun.RunAsync(world.Server, [.. arguments, "-o", "json"])).Output).RootElement;
        var (why, grant) = (Text(answer, "explanation"), Text(answer, "smallestGrant"));
        Assert.Contains(why, printed, StringComparison.Ordinal);
        Assert.Contains(grant.TrimEnd(), printed, StringComparison.Ordinal);
        // It names the rule that decides, and leaves the nearest one to the sentence.
        return new Said("identity policy decide", told, why, Text(answer, "rule") is { Length: > 0 } rule ? rule : null, grant, null);
    }

    private static DecisionPrincipal Workload => Told(Component, "shop");

    private static DecisionPrincipal Told(string id, string space) => new() { SpiffeId = id, Image = Image, Namespace = space, KnownAbsent = { PrincipalAttribute.Lattice } };

    private static (string Before, string After) Split(string text, string by)
    {
        var parts = text.Split(by);
        return (Assert.Single(parts[..^1]), parts[^1]);
    }

    private sealed record Asked(string Request, string Spec)
    {
        public string Kind => Request.Split(' ')[0];

        public string Value => Request.Contains(' ', StringComparison.Ordinal) ? Request.Split(' ', 2)[1] : "";

        public string Workload => Spec.Replace("IMAGE", Image, StringComparison.Ordinal);
    }

    /// <param name="Told">What this surface tells of the caller.</param>
    /// <param name="Rule">Null where its answer has no place of its own for it.</param>
    /// <param name="Grant">Likewise.</param>
    /// <param name="Id">Null where it leaves no trace.</param>
    private sealed record Said(string Surface, DecisionPrincipal Told, string Why, string? Rule, string? Grant, string? Id);
}
