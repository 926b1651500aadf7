// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.AuthZen;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Testing;
using Spiffe.Net;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>Clients of the doors over HTTP that give up: nothing goes on for them, and nothing that they did not hear is recorded as allowed.</summary>
public sealed class GivenUpTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";
    private const string Identifier = "https://pdp.example.org";

    private const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - { name: all, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [start, { resolve: api.example.com }] }
        """;

    private const string Batch = """
        {"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"resolve"},"resource":{"type":"capability","id":"api.example.com"},"evaluations":[{},{},{}]}
        """;

    private static readonly string Review = AdmissionSamples.Of("Workload").With("request.object.spec", """{"components":[{"name":"http","image":"ghcr.io/acme/cart:1.2"}]}""");

    [Theory]
    [InlineData("amid its body")]
    [InlineData("when its body had come")]
    [InlineData("while the first of three was decided")]
    [InlineData("never")]
    public async Task A_PEP_that_gives_up(string when)
    {
        await using var world = await WorldAsync();
        using var leaving = new CancellationTokenSource();
        var (bodies, log) = (new BoundedBody(TimeProvider.System), new FakeLogger<AuthZenEndpoint>());
        // Whoever decides looks at the clock first.
        var point = PointOf(world, when.StartsWith("while", StringComparison.Ordinal) ? leaving.Cancel : () => { });
        var endpoint = new AuthZenEndpoint(
            point, world.Server.Service<DecisionClients>(), bodies, world.Server.Service<SigningAuthority>(), world.Server.Service<AuthZenOptions>(), TimeProvider.System, log);
        var call = Call("/access/v1/evaluations", Batch, when, leaving);
        call.Request.Headers.Authorization = $"Bearer {await world.TokenAsync("/gateways/edge", Identifier)}";

        await endpoint.HandleAsync(call);

        var decided = when switch { "never" => 3, "while the first of three was decided" => 1, _ => 0 };
        Assert.Equal(decided, world.Server.Decisions.List(10, deniedOnly: false).Count);
        Assert.Equal(when == "never", call.Response.Body.Length > 0);
        Assert.Equal((0, 0), (bodies.Held, log.Collector.Count));
    }

    [Theory]
    [InlineData("amid its body", 0)]
    [InlineData("when its body had come", 0)]
    [InlineData("never", 1)]
    public async Task An_API_server_that_gives_up(string when, int decided)
    {
        await using var world = await WorldAsync();
        using var leaving = new CancellationTokenSource();
        var (bodies, log) = (new BoundedBody(TimeProvider.System), new FakeLogger<AdmissionEndpoint>());
        var endpoint = new AdmissionEndpoint(PointOf(world, () => { }), TrustDomain.Parse("example.org"), world.Server.Service<AdmissionClients>(), world.Server.Service<AllowedWorkloads>(), bodies, TimeProvider.System, log);
        var call = Call("/validate", Review, when, leaving);

        await endpoint.HandleAsync(call);

        Assert.Equal(decided, world.Server.Decisions.List(10, deniedOnly: false).Count);
        Assert.Equal(when == "never", call.Response.Body.Length > 0);
        Assert.Equal((0, 0), (bodies.Held, log.Collector.Count));
        // Nor is it taken for something that runs.
        if (decided == 0) Assert.Empty(world.Server.Service<AllowedWorkloads>().Look().Known);
    }

    [Fact]
    public async Task Whoever_hangs_up_on_a_socket_leaves_nothing_and_holds_up_nobody()
    {
        await using var world = await WorldAsync();
        var token = await world.TokenAsync("/gateways/edge", Identifier);
        for (var at = 0; at < 50; at++)
        {
            using var client = new TcpClient { LingerState = new LingerOption(true, 0) };
            await client.ConnectAsync(world.Server.Listeners.AuthZen!);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                $"POST /access/v1/evaluations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {Batch.Length + 1}\r\n\r\n{Batch}"));
        }

        using var pep = new HttpClient { BaseAddress = new Uri($"http://{world.Server.Listeners.AuthZen}") };
        pep.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await pep.PostAsync("/access/v1/evaluations", new StringContent(Batch, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(3, world.Server.Decisions.List(1000, deniedOnly: false).Count);
    }

    [Theory]
    [InlineData("1s", 1)]
    [InlineData("30s", 10)]
    [InlineData("0s", 10)]
    [InlineData("31s", 10)]
    [InlineData("-1s", 10)]
    [InlineData("1m", 10)]
    [InlineData("s", 10)]
    [InlineData(null, 10)]
    public async Task A_review_that_does_not_come_within_the_time_that_the_API_server_waits_is_given_up_with_it(string? timeout, int seconds)
    {
        await using var world = await WorldAsync();
        using var leaving = new CancellationTokenSource();
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var bodies = new BoundedBody(time);
        var endpoint = new AdmissionEndpoint(
            PointOf(world, () => { }), TrustDomain.Parse("example.org"), world.Server.Service<AdmissionClients>(), world.Server.Service<AllowedWorkloads>(), bodies, time, new FakeLogger<AdmissionEndpoint>());
        var call = Call("/validate", Review, "never", leaving);
        if (timeout is not null) call.Request.QueryString = QueryString.Create("timeout", timeout);
        var pipe = new System.IO.Pipelines.Pipe();
        call.Request.Body = pipe.Reader.AsStream();
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Review[..^1]));

        var answering = endpoint.HandleAsync(call);
        time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.False(answering.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await answering;

        Assert.Equal(408, call.Response.StatusCode);
        Assert.Empty(world.Server.Decisions.List(10, deniedOnly: false));
        Assert.Equal(0, bodies.Held);
    }

    [Fact]
    public async Task A_review_that_comes_just_within_the_time_is_answered_to_an_API_server_that_waits_a_second()
    {
        await using var world = await WorldAsync();
        using var leaving = new CancellationTokenSource();
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var endpoint = new AdmissionEndpoint(
            PointOf(world, () => { }), TrustDomain.Parse("example.org"), world.Server.Service<AdmissionClients>(), world.Server.Service<AllowedWorkloads>(), new BoundedBody(time), time, new FakeLogger<AdmissionEndpoint>());
        var call = Call("/validate", Review, "never", leaving);
        call.Request.QueryString = QueryString.Create("timeout", "1s");
        var pipe = new System.IO.Pipelines.Pipe();
        call.Request.Body = pipe.Reader.AsStream();
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Review[..^1]));
        var answering = endpoint.HandleAsync(call);
        time.Advance(TimeSpan.FromMilliseconds(999));
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Review[^1..]));
        await pipe.Writer.CompleteAsync();
        await answering;

        Assert.Equal(200, call.Response.StatusCode);
        call.Response.Body.Position = 0;
        Assert.True(JsonDocument.Parse(call.Response.Body).RootElement.GetProperty("response").GetProperty("allowed").GetBoolean());
        Assert.True(Assert.Single(world.Server.Decisions.List(10, deniedOnly: false)).Allowed);
    }

    private static Task<DecisionWorld> WorldAsync() => DecisionWorld.StartAsync(
        Policy, ("decision-client:0", Pep), ("authzen-listen", "http://127.0.0.1:0"), ("authzen-url", Identifier), ("admission-listen", "127.0.0.1:0"));

    private static DecisionPoint PointOf(DecisionWorld world, Action deciding) => new(
        world.Server.Ledger, world.Server.Decisions, world.Server.Service<ShadowCounts>(), world.Server.Service<StageObservations>(), new TellingTime(deciding));

    private static DefaultHttpContext Call(string path, string body, string when, CancellationTokenSource leaving)
    {
        var call = new DefaultHttpContext { RequestAborted = leaving.Token };
        call.Request.Method = "POST";
        call.Request.Path = path;
        call.Request.ContentType = "application/json";
        call.Connection.RemoteIpAddress = IPAddress.Loopback;
        call.Request.Body = new LeavingBody(Encoding.UTF8.GetBytes(body), when, leaving);
        call.Response.Body = new MemoryStream();
        return call;
    }

    /// <summary>The body of somebody who leaves.</summary>
    private sealed class LeavingBody(byte[] bytes, string when, CancellationTokenSource leaving) : MemoryStream(when == "amid its body" ? bytes[..^1] : bytes)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await base.ReadAsync(buffer, CancellationToken.None);
            if (read > 0) return read;
            if (when is "amid its body" or "when its body had come") await leaving.CancelAsync();
            // What is missing will not come.
            if (when == "amid its body") await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }

    private sealed class TellingTime(Action looked) : TimeProvider
    {
        public override long GetTimestamp()
        {
            looked();
            return base.GetTimestamp();
        }
    }
}
