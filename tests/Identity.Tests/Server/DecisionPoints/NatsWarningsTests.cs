// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Tests.Cli;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>What policy permits and nats-server refuses all the same is said in one sentence by every door, the log and <c>identity policy decide</c>.</summary>
public sealed class NatsWarningsTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";
    private const string Identifier = "https://pdp.example.org";
    private const string Clerk = "spiffe://example.org/components/shop/clerk";

    public static TheoryData<string, string, string, string> Refused => new()
    {
        { string.Join(", ", Enumerable.Range(0, 513).Select(at => $"{{ natsPublish: parcels.p{at} }}")), "natsPublish", "parcels.p0", "its rules name more than 512 subjects" },
        { "{ natsSubscribe: orders.*, queue: workers }, { natsSubscribe: orders.new.items }", "natsSubscribe", "orders.new workers", "a rule permits 'orders.*'" },
        { "{ bucket: settings, access: [read] }", "bucket", "settings/app.theme read", "rule guard/keys forbids 'secret.>' of this bucket" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Every_door_says_the_same(string permitted, string kind, string value, string expected)
    {
        await using var world = await DecisionWorld.StartAsync(
            $"kind: CapabilityPolicy\nname: shop\nrules: [{{ name: all, effect: permit, subjects: [{{ spiffeId: {Clerk} }}], capabilities: [start, {permitted}] }}]",
            ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"), ("authzen-url", Identifier));
        await world.ApplyAsync($"kind: CapabilityPolicy\nname: guard\nrules: [{{ name: keys, effect: forbid, subjects: [{{ spiffeId: {Clerk} }}], capabilities: [{{ bucket: settings, keys: secret.>, access: [read] }}] }}]");

        var decided = await new PolicyAdmin.PolicyAdminClient(world.Server.Admin).DecideAtAsync(new()
        {
            SpiffeId = Clerk,
            Request = $"{kind} {value}",
            KnownAbsent = { "digest", "signer", "image", "host", "namespace", "lattice" },
        });
        Assert.True(decided.Allowed);
        var sentence = decided.Notes[^1];
        Assert.StartsWith($"nats-server refuses it all the same: {expected}", sentence, StringComparison.Ordinal);

        var answer = await new V1.DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(new DecideRequest
        {
            Principal = new DecisionPrincipal
            {
                SpiffeId = Clerk,
                KnownAbsent = { PrincipalAttribute.Digest, PrincipalAttribute.Signer, PrincipalAttribute.Image, PrincipalAttribute.Host, PrincipalAttribute.Namespace, PrincipalAttribute.Lattice },
            },
            Questions = { new CapabilityQuestion { Kind = kind, Value = value }, new CapabilityQuestion { Kind = "start" } },
        });
        Assert.True(answer.Allowed);
        Assert.Equal([sentence], answer.Verdicts[0].Notes);
        Assert.Empty(answer.Verdicts[1].Notes);
        var logged = Assert.Single(world.Server.Decisions.TryGet(answer.DecisionId)!.Warnings);
        Assert.Equal(($"{kind} {value}", "", sentence), (logged.Capability, logged.Rule, logged.Explanation));

        var (code, printed, error) = await CliRun.RunAsync(world.Server, "why", answer.DecisionId);
        Assert.True(code == 0, error);
        Assert.Contains(sentence, printed, StringComparison.Ordinal);

        // No manifest asks for anything on NATS today; whatever the one decision warns of, the webhook says, as much as the API server takes.
        var reviewed = world.Server.Service<Identity.Server.DecisionPoints.DecisionPoint>().Decide(
            Identity.Policy.Principal.Process(SpiffeId.Parse(Clerk)) with { Unknown = Identity.Policy.PrincipalAttributes.None }, [Identity.Policy.CapabilityRequest.Parse($"{kind} {value}")], DoorName.KubernetesAdmission);
        var review = JsonDocument.Parse(new AdmissionAnswer("u", reviewed.Allowed, "", reviewed.Warnings, reviewed.DecisionId).ToJson()).RootElement.GetProperty("response");
        var whole = $"{kind} {value} of {Clerk}: {sentence}";
        Assert.Equal(whole[..Math.Min(256, whole.Length)], Assert.Single(review.GetProperty("warnings").EnumerateArray()).GetString());

        using var pep = new HttpClient { BaseAddress = new Uri($"http://{world.Server.Listeners.AuthZen}") };
        pep.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await world.TokenAsync("/gateways/edge", Identifier));
        var body = $$$"""{"subject":{"type":"spiffe","id":"{{{Clerk}}}"},"action":{"name":"{{{kind}}}"},"resource":{"type":"capability","id":"{{{value}}}"}}""";
        using var response = await pep.PostAsync("/access/v1/evaluation", new StringContent(body, Encoding.UTF8, "application/json"));
        var evaluation = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.True(evaluation.GetProperty("decision").GetBoolean());
        Assert.Equal($"{kind} {value} of {Clerk}: {sentence}", evaluation.GetProperty("context").GetProperty("warnings")[0].GetString());
    }

    [Fact]
    public async Task Of_more_callers_than_are_worked_out_together_it_is_said_that_nobody_looked()
    {
        const int Callers = 70;
        await using var world = await DecisionWorld.StartAsync(
            $"kind: CapabilityPolicy\nname: shop\nrules: [{{ name: all, effect: permit, subjects: [{{ spiffeIdPrefix: spiffe://example.org/components }}], capabilities: [start, {{ natsSubscribe: orders.* }}, {{ natsSubscribe: orders.new.items }}] }}]");
        var point = world.Server.Service<Identity.Server.DecisionPoints.DecisionPoint>();
        Question[] questions = [.. Enumerable.Range(0, Callers).Select(number => new Question(
            Identity.Policy.Principal.Process(SpiffeId.Parse($"spiffe://example.org/components/c{number}")), [Identity.Policy.CapabilityRequest.Parse("natsSubscribe orders.x"), Identity.Policy.CapabilityRequest.Parse("start")]))];

        var said = point.DecideEach([.. questions, questions[0]], _ => new Asking(DoorName.Grpc)).Select(answer => answer.Warnings).ToArray();

        Assert.All(said[..NatsReaches.Most], warnings => Assert.Contains("nats-server refuses it all the same: a rule permits 'orders.*'", Assert.Single(warnings), StringComparison.Ordinal));
        Assert.All(said[NatsReaches.Most..Callers], warnings => Assert.EndsWith(
            "whether nats-server refuses it all the same was not looked at: of those who are asked about together it is for the first 64; ask about this one by itself", Assert.Single(warnings), StringComparison.Ordinal));
        Assert.Equal(said[0], said[^1]);
    }
}
