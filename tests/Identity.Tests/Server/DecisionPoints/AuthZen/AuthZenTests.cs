// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.AuthZen;

/// <summary>The AuthZEN door, asked by a PEP that knows the specification and nothing of us.</summary>
public sealed class AuthZenTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";
    private const string Identifier = "https://pdp.example.org";

    private const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities:
              - start
              - connect: api.example.com:443
          - name: careful
            effect: permit
            mode: warn
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities: [{ resolve: api.example.com }]
          - name: not-the-bad-bytes
            effect: forbid
            subjects: [{ digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000" }]
            capabilities: [start]
        """;

    private static readonly (string, string)[] Settings =
        [("decision-client:0", Pep), ("authzen-listen", "https://127.0.0.1:0"), ("authzen-url", Identifier)];

    [Fact]
    public async Task Says_what_it_serves_to_anyone_and_advertises_no_search()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var stranger = Client(world, null);
        using var response = await stranger.GetAsync("/.well-known/authzen-configuration");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        using var metadata = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(Identifier, metadata.RootElement.GetProperty("policy_decision_point").GetString());
        Assert.Equal(Identifier + "/access/v1/evaluation", metadata.RootElement.GetProperty("access_evaluation_endpoint").GetString());
        Assert.Equal(3, metadata.RootElement.EnumerateObject().Count());
        foreach (var search in new[] { "subject", "resource", "action" })
            Assert.Equal(HttpStatusCode.NotFound, (await stranger.PostAsync($"/access/v1/search/{search}", Json("{}"))).StatusCode);
    }

    [Fact]
    public async Task Evaluates_for_a_PEP_with_an_X509_SVID()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var (status, allowed) = await EvaluateAsync(pep, One("connect", "api.example.com:443"));
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(allowed.GetProperty("decision").GetBoolean());

        var (_, denied) = await EvaluateAsync(pep, One("connect", "api.example.com:80"));
        Assert.False(denied.GetProperty("decision").GetBoolean());
        var context = denied.GetProperty("context");
        Assert.Contains("nearest is rule shop/cart", context.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains("connect: api.example.com:80", context.GetProperty("smallest_grant").GetString(), StringComparison.Ordinal);
        var decision = world.DecisionIn(context.GetProperty("id").GetString()!);
        Assert.Equal(("authzen", Pep, false), (decision.Door, decision.AskedBy, decision.Allowed));
        Assert.Equal(world.Server.Ledger.State.Revision.ToString(null, null), context.GetProperty("revision").GetString());
    }

    [Fact]
    public async Task Evaluates_for_a_PEP_with_a_JWT_SVID_and_warns()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, null);
        pep.DefaultRequestHeaders.Authorization = new("Bearer", await world.TokenAsync("/gateways/edge", Identifier));
        var (status, answer) = await EvaluateAsync(pep, One("resolve", "api.example.com"));
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(answer.GetProperty("decision").GetBoolean());
        Assert.Contains("shop/careful", answer.GetProperty("context").GetProperty("warnings")[0].GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_else_is_evaluated_for()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        var body = One("connect", "api.example.com:443");
        using var stranger = Client(world, null);
        await RefusedAsync(stranger, HttpStatusCode.Unauthorized);
        stranger.DefaultRequestHeaders.Authorization = new("Bearer", "garbage");
        await RefusedAsync(stranger, HttpStatusCode.Unauthorized);
        stranger.DefaultRequestHeaders.Authorization = new("Basic", "YTpi");
        await RefusedAsync(stranger, HttpStatusCode.Unauthorized);
        stranger.DefaultRequestHeaders.Authorization = new("Bearer", await world.TokenAsync("/gateways/edge", "https://another.example.org"));
        await RefusedAsync(stranger, HttpStatusCode.Unauthorized);
        stranger.DefaultRequestHeaders.Authorization = new("Bearer", await world.TokenAsync("/gateways/other", Identifier));
        await RefusedAsync(stranger, HttpStatusCode.Forbidden);
        using var other = Client(world, await world.Server.MintAsync("spiffe://example.org/gateways/other"));
        await RefusedAsync(other, HttpStatusCode.Forbidden);

        // A bad token is not made good by the connection it came on.
        using var both = Client(world, await world.Server.MintAsync(Pep));
        both.DefaultRequestHeaders.Authorization = new("Bearer", "garbage");
        await RefusedAsync(both, HttpStatusCode.Unauthorized);
        Assert.DoesNotContain(world.Server.Decisions.List(100, deniedOnly: false), decision => decision.Door.Length > 0);

        async Task RefusedAsync(HttpClient client, HttpStatusCode expected)
        {
            using var response = await client.PostAsync("/access/v1/evaluation", Json(body));
            Assert.Equal(expected, response.StatusCode);
            Assert.Equal(expected == HttpStatusCode.Unauthorized, response.Headers.WwwAuthenticate.Any(scheme => scheme.Scheme == "Bearer"));
        }
    }

    [Fact]
    public async Task A_batch_is_answered_in_order_and_as_far_as_its_semantic_says()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        Assert.Equal([true, false, true], await BatchAsync(null));
        Assert.Equal([true, false, true], await BatchAsync("execute_all"));
        Assert.Equal([true, false], await BatchAsync("deny_on_first_deny"));
        Assert.Equal([true], await BatchAsync("permit_on_first_permit"));

        async Task<IEnumerable<bool>> BatchAsync(string? semantic)
        {
            var options = semantic is null ? "" : $",\"options\":{{\"evaluations_semantic\":\"{semantic}\"}}";
            var (status, answer) = await EvaluateAsync(pep, $$$"""
                {"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"connect"}{{{options}}},
                 "evaluations":[{"resource":{"type":"capability","id":"api.example.com:443"}},{"resource":{"type":"capability","id":"b:1"}},
                                {"action":{"name":"resolve"},"resource":{"type":"capability","id":"api.example.com"}}]}
                """, "/access/v1/evaluations");
            Assert.Equal(HttpStatusCode.OK, status);
            Assert.False(answer.TryGetProperty("decision", out _));
            return [.. answer.GetProperty("evaluations").EnumerateArray().Select(one => one.GetProperty("decision").GetBoolean())];
        }
    }

    [Fact]
    public async Task A_batch_with_a_broken_evaluation_is_answered_and_that_one_is_no()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var (status, answer) = await EvaluateAsync(pep, """
            {"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"connect"},
             "evaluations":[{"resource":{"type":"capability","id":"api.example.com:443"}},{}]}
            """, "/access/v1/evaluations");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(answer.GetProperty("evaluations")[0].GetProperty("decision").GetBoolean());
        Assert.False(answer.GetProperty("evaluations")[1].GetProperty("decision").GetBoolean());
        Assert.Equal(400, answer.GetProperty("evaluations")[1].GetProperty("context").GetProperty("error").GetProperty("status").GetInt32());
    }

    [Theory]
    [InlineData("""{"subject":{"type":"user","id":"alice"},"action":{"name":"connect"},"resource":{"type":"capability","id":"a:1"}}""", "subjects of type 'user'")]
    [InlineData("""{"subject":{"type":"component","id":"alice"},"action":{"name":"connect"},"resource":{"type":"capability","id":"a:1"}}""", "spiffe://")]
    [InlineData("""{"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"read"},"resource":{"type":"capability","id":"a:1"}}""", "unknown capability 'read'")]
    [InlineData("""{"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"connect"},"resource":{"type":"document","id":"1"}}""", "resources of type 'document'")]
    [InlineData("""{"subject":{"type":"component","id":"spiffe://example.org/cart","properties":{"digest":"x"}},"action":{"name":"start"},"resource":{"type":"capability","id":"-"}}""", "digest:")]
    [InlineData("""{"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"start"},"resource":{"type":"capability","id":"-"}}""", "digest")]
    public async Task What_policy_has_no_words_for_is_a_decision_and_it_is_no(string body, string reason)
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var (status, answer) = await EvaluateAsync(pep, body);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.False(answer.GetProperty("decision").GetBoolean());
        Assert.Contains(reason, answer.GetProperty("context").GetProperty("reason").GetString(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_process_has_no_digest_that_a_forbid_could_mean()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var (_, answer) = await EvaluateAsync(pep, One("start", "-").Replace("\"component\"", "\"spiffe\"", StringComparison.Ordinal));
        Assert.True(answer.GetProperty("decision").GetBoolean());
    }

    [Fact]
    public async Task A_process_of_which_a_digest_is_told_has_that_digest_and_no_signer()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var process = One("start", "-").With("subject.type", "\"spiffe\"");
        Assert.True(await DecisionAsync(new string('1', 64)));
        Assert.False(await DecisionAsync(new string('0', 64)));

        async Task<bool> DecisionAsync(string digest) => (await EvaluateAsync(pep, process.With("subject.properties", $"{{\"digest\":\"sha256:{digest}\"}}")))
            .Body.GetProperty("decision").GetBoolean();
    }

    [Theory]
    [InlineData("null", false)]
    [InlineData("[]", true)]
    [InlineData("[\"stolen@example.org\"]", false)]
    public async Task Signers_that_are_null_are_unknown_and_every_forbid_by_signer_holds(string signers, bool allowed)
    {
        await using var world = await DecisionWorld.StartAsync("""
            kind: CapabilityPolicy
            name: shop
            rules:
              - { name: cart, effect: permit, subjects: [{ spiffeId: "spiffe://example.org/cart" }], capabilities: [{ connect: "api.example.com:443" }] }
              - { name: stolen-key, effect: forbid, subjects: [{ signer: stolen@example.org }], capabilities: [{ connect: "api.example.com:443" }] }
            """, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var (_, answer) = await EvaluateAsync(pep, One("connect", "api.example.com:443").With("subject.properties", $"{{\"signers\":{signers}}}"));
        Assert.Equal(allowed, answer.GetProperty("decision").GetBoolean());
        if (signers == "null") Assert.Contains("signer", answer.GetProperty("context").GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_requests_are_errors_with_the_identifier_they_came_with()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        var good = One("connect", "api.example.com:443");
        await ErrorAsync(Json(""), HttpStatusCode.BadRequest);
        await ErrorAsync(Json("{"), HttpStatusCode.BadRequest);
        await ErrorAsync(Json("[]"), HttpStatusCode.BadRequest);
        await ErrorAsync(Json(good.With("subject", null)), HttpStatusCode.BadRequest);
        await ErrorAsync(Json(good.With("action.name", "7")), HttpStatusCode.BadRequest);
        await ErrorAsync(new StringContent(good, Encoding.UTF8, "text/plain"), HttpStatusCode.BadRequest);
        await ErrorAsync(new StringContent(good, Encoding.UTF8, "application/jsonp"), HttpStatusCode.BadRequest);
        await ErrorAsync(new ByteArrayContent(Encoding.UTF8.GetBytes(good)), HttpStatusCode.BadRequest);
        await ErrorAsync(Json(good.With("padding", $"\"{new string('x', 300_000)}\"")), HttpStatusCode.RequestEntityTooLarge);
        using var get = await pep.GetAsync("/access/v1/evaluation");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, get.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await pep.GetAsync("/")).StatusCode);

        async Task ErrorAsync(HttpContent content, HttpStatusCode expected)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/access/v1/evaluation") { Content = content };
            request.Headers.ExpectContinue = true;
            request.Headers.Add("X-Request-ID", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
            using var response = await pep.SendAsync(request);
            Assert.Equal(expected, response.StatusCode);
            Assert.Equal(["bfe9eb29-ab87-4ca3-be83-a1d5d8305716"], response.Headers.GetValues("X-Request-ID"));
        }
    }

    [Fact]
    public async Task The_request_identifier_comes_back_and_without_one_there_is_none()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        using var without = await pep.PostAsync("/access/v1/evaluation", Json(One("connect", "a:1")));
        Assert.False(without.Headers.Contains("X-Request-ID"));
        pep.DefaultRequestHeaders.Add("X-Request-ID", "an arbitrary string");
        using var with = await pep.PostAsync("/access/v1/evaluation", Json(One("connect", "a:1")));
        Assert.Equal(["an arbitrary string"], with.Headers.GetValues("X-Request-ID"));
    }

    [Fact]
    public async Task Nothing_else_is_served_on_its_listener()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, Settings);
        using var pep = Client(world, await world.Server.MintAsync(Pep));
        foreach (var path in new[] { "/spire.api.server.bundle.v1.Bundle/GetBundle", "/grpc.health.v1.Health/Check", "/identity.v1.DecisionPoint/Decide" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(new byte[5]), Version = HttpVersion.Version20 };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            Assert.Equal(HttpStatusCode.NotFound, (await pep.SendAsync(request)).StatusCode);
        }
    }

    [Fact]
    public async Task Plain_HTTP_on_loopback_takes_tokens()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"));
        var identifier = $"http://{world.Server.Listeners.AuthZen}";
        using var pep = new HttpClient { BaseAddress = new Uri(identifier) };
        Assert.Equal(HttpStatusCode.Unauthorized, (await EvaluateAsync(pep, One("connect", "api.example.com:443"))).Status);
        pep.DefaultRequestHeaders.Authorization = new("Bearer", await world.TokenAsync("/gateways/edge", identifier));
        Assert.True((await EvaluateAsync(pep, One("connect", "api.example.com:443"))).Body.GetProperty("decision").GetBoolean());
    }

    private static string One(string action, string value) => $$"""
        {"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"{{action}}"},"resource":{"type":"capability","id":"{{value}}"},"future":{} }
        """;

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private static async Task<(HttpStatusCode Status, JsonElement Body)> EvaluateAsync(HttpClient pep, string body, string path = "/access/v1/evaluation")
    {
        using var response = await pep.PostAsync(path, Json(body));
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, response.IsSuccessStatusCode ? JsonDocument.Parse(text).RootElement : default);
    }

    private static HttpClient Client(DecisionWorld world, SslStreamCertificateContext? certificate) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            ClientCertificateContext = certificate,
            RemoteCertificateValidationCallback = (_, leaf, chain, _) => X509SvidVerifier.Verify(
                [leaf!.GetRawCertData(), .. chain!.ChainPolicy.ExtraStore.Select(above => (ReadOnlyMemory<byte>)above.RawData)],
                world.Bundles,
                world.Server.Time.GetUtcNow()) is X509SvidVerification.Verified { Id.Path: "/spire/server" },
        },
    })
    { BaseAddress = new Uri($"https://localhost:{world.Server.Listeners.AuthZen!.Port}") };
}
