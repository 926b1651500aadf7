using System.Text;
using System.Text.Json.Nodes;
using Identity.Server.DecisionPoints.WasmCloudV1;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>The messages of a v1 host, as its public sources write them.</summary>
public sealed class PolicyRequestTests
{
    private const string Start = """
        {"requestId":"01951d4c-2f5e-7d3a-9d3c-0f6a2f8a1b22","kind":"startComponent","version":"v1",
         "request":{"componentId":"shop-cart","imageRef":"ghcr.io/acme/cart:1.2","maxInstances":5,"annotations":{"wasmcloud.dev/appspec":"shop"},
           "claims":{"publicKey":"MA","issuer":"AB","issuedAt":"1 day ago","expiresAt":null,"expired":false}},
         "host":{"publicKey":"NABC","lattice":"default","labels":{"os":"linux"}}}
        """;

    private const string Provider = """
        {"requestId":"r-1","kind":"startProvider","version":"v1","request":{"providerId":"http-server","imageRef":"ghcr.io/wasmcloud/http-server:0.23.0","annotations":{},"claims":null},
         "host":{"publicKey":"NABC","lattice":"default","labels":{}}}
        """;

    private const string Invocation = """
        {"requestId":"r-2","kind":"performInvocation","version":"v1",
         "request":{"interface":"wasi:http/incoming-handler@0.2.0","function":"handle","target":{"componentId":"shop-cart","imageRef":"ghcr.io/acme/cart:1.2","maxInstances":0,"annotations":{},"claims":null}},
         "host":{"publicKey":"NABC","lattice":"default","labels":{}}}
        """;

    [Fact]
    public void Reads_a_start_of_a_component()
    {
        var request = Read(Start);
        Assert.Equal(
            (PolicyRequestKind.StartComponent, "default", "NABC", "shop-cart", "ghcr.io/acme/cart:1.2", 5L, false),
            (request.Kind, request.Lattice, request.HostKey, request.Id, request.ImageReference, request.MaxInstances, request.IsStop));
    }

    [Fact]
    public void Reads_a_start_of_a_provider()
    {
        var request = Read(Provider);
        Assert.Equal((PolicyRequestKind.StartProvider, "http-server", false), (request.Kind, request.Id, request.IsStop));
    }

    [Fact]
    public void Reads_an_invocation_whose_target_says_zero_instances_and_is_no_stop()
    {
        var request = Read(Invocation);
        Assert.Equal(
            (PolicyRequestKind.PerformInvocation, "wasi:http/incoming-handler@0.2.0", "handle", "shop-cart", false),
            (request.Kind, request.Interface, request.Function, request.Id, request.IsStop));
    }

    [Fact]
    public void Takes_claims_beside_the_target_as_the_documentation_has_them()
    {
        var node = JsonNode.Parse(Invocation)!;
        node["request"]!["claims"] = new JsonObject { ["issuer"] = "AB" };
        Assert.Equal(PolicyRequestKind.PerformInvocation, Read(node.ToJsonString()).Kind);
    }

    [Fact]
    public void A_kind_it_does_not_know_is_unknown_and_readable() =>
        Assert.Equal(PolicyRequestKind.Unknown, Read(Start.Replace("startComponent", "scaleLattice", StringComparison.Ordinal)).Kind);

    [Fact]
    public void Zero_instances_stop() =>
        Assert.True(Read(Start.Replace("\"maxInstances\":5", "\"maxInstances\":0", StringComparison.Ordinal)).IsStop);

    [Theory]
    [InlineData("request.maxInstances", null, "maxInstances")]
    [InlineData("request.maxInstances", "-1", "maxInstances")]
    [InlineData("request.maxInstances", "4294967296", "maxInstances")]
    [InlineData("request.maxInstances", "\"many\"", "maxInstances")]
    [InlineData("request.componentId", null, "componentId is missing")]
    [InlineData("request.componentId", "7", "componentId is not a text")]
    [InlineData("request.componentId", "\"\"", "componentId is empty")]
    [InlineData("request.imageRef", null, "imageRef is missing")]
    [InlineData("request", null, "request is missing")]
    [InlineData("request", "[]", "request is not an object")]
    [InlineData("host", null, "host is missing")]
    [InlineData("host.lattice", null, "lattice is missing")]
    [InlineData("host.lattice", "{}", "lattice is not a text")]
    [InlineData("host.publicKey", null, "publicKey is missing")]
    [InlineData("version", null, "version is missing")]
    [InlineData("version", "\"v2\"", "version is not v1")]
    [InlineData("kind", null, "kind is missing")]
    [InlineData("kind", "3", "kind is not a text")]
    public void Refuses_what_is_missing_or_of_another_type_and_still_says_whom_it_answers(string path, string? value, string problem)
    {
        Assert.False(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(Start.With(path, value)), out _, out var requestId, out var found));
        Assert.Contains(problem, found, StringComparison.Ordinal);
        Assert.Equal("01951d4c-2f5e-7d3a-9d3c-0f6a2f8a1b22", requestId);
    }

    [Theory]
    [InlineData("requestId", null)]
    [InlineData("requestId", "1")]
    [InlineData("requestId", "\"a b\"")]
    [InlineData("requestId", "\"\\u0000\"")]
    [InlineData("requestId", "\"ünïcode\"")]
    public void Refuses_a_request_id_that_is_none_and_repeats_nothing_of_it(string path, string? value)
    {
        Assert.False(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(Start.With(path, value)), out _, out var requestId, out _));
        Assert.Equal("", requestId);
    }

    [Fact]
    public void Refuses_an_invocation_without_target_interface_or_function()
    {
        foreach (var path in new[] { "request.target", "request.interface", "request.function", "request.target.componentId" })
            Assert.False(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(Invocation.With(path, null)), out _, out _, out _), path);
    }

    [Fact]
    public void Refuses_names_and_messages_that_are_too_long()
    {
        Assert.False(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(Start.With("request.componentId", $"\"{new string('a', 257)}\"")), out _, out _, out _));
        Assert.False(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(Start.With("request.annotations", $"{{\"a\":\"{new string('a', 70_000)}\"}}")), out _, out _, out _));
    }

    [Fact]
    public void The_answer_has_the_three_members_a_host_reads_and_a_bounded_message()
    {
        Assert.Equal("""{"requestId":"r","permitted":true}""", Encoding.UTF8.GetString(new PolicyResponse("r", true, "").ToJson()));
        Assert.Equal("""{"requestId":"r","permitted":false,"message":"no \u0022x\u0022"}""", Encoding.UTF8.GetString(new PolicyResponse("r", false, "no \"x\"").ToJson()));
        Assert.InRange(new PolicyResponse("r", false, new string('x', 5000)).ToJson().Length, 1000, 1200);
    }

    private static PolicyRequest Read(string text)
    {
        Assert.True(PolicyRequest.TryParse(Encoding.UTF8.GetBytes(text), out var request, out _, out var problem), problem);
        return request;
    }
}
