using System.Text;
using Identity.Server.DecisionPoints.WasmCloudV2;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV2;

/// <summary>Start requests in protojson, as the v2 operator writes them.</summary>
public sealed class StartRequestTests
{
    private const string Start = """
        {"workload":{"namespace":"shop","name":"cart-x7k2-p9q1","annotations":{"runtime.wasmcloud.dev/workload-replica-set-generation":"abc"},
          "witWorld":{
            "components":[{"name":"http","image":"ghcr.io/acme/cart:1.2","poolSize":2,"imagePullPolicy":"IMAGE_PULL_POLICY_ALWAYS",
              "imagePullSecret":{"username":"robot","password":"hunter2"},
              "localResources":{"allowedHosts":["https://api.example.com"],"allowedIpNameLookups":["api.example.com"],"allowedHostLoopbackPorts":["5432"],
                "environment":{"DB_PASSWORD":"hunter2"},"config":{"db/host":"db"},"volumeMounts":[{"name":"data","mountPath":"/data","readOnly":true}]}}],
            "hostInterfaces":[{"namespace":"wasi","package":"http","interfaces":["incoming-handler"],"config":{"host":"cart.example.com"}},
                              {"namespace":"wasi","package":"keyvalue","interfaces":["store"],"version":"0.2.0-draft"}]},
          "service":{"image":"ghcr.io/acme/sidecar:1","maxRestarts":"3"},
          "volumes":[{"name":"data","hostPath":{"localPath":"/var/data"}},{"name":"tmp","emptyDir":{}}]},
         "workloadId":"2f6e0c1a-7d6d-4f4e-9f5e-0a1b2c3d4e5f"}
        """;

    [Fact]
    public void Reads_what_a_workload_asks_for_and_no_value_of_its_secrets()
    {
        Assert.True(Parse(Start, out var request, out _, out var problem), problem);
        Assert.Equal("2f6e0c1a-7d6d-4f4e-9f5e-0a1b2c3d4e5f", request!.WorkloadId);
        Assert.Equal(("shop", "cart-x7k2-p9q1"), (request.Needs.Namespace, request.Needs.Name));
        var http = request.Needs.Parts[0];
        Assert.Equal(("http", "ghcr.io/acme/cart:1.2"), (http.Component, http.Image));
        Assert.Equal(["https://api.example.com"], http.AllowedHosts);
        Assert.Equal(["api.example.com"], http.AllowedIpNameLookups);
        Assert.Equal(["5432"], http.AllowedHostLoopbackPorts);
        Assert.Equal(["config db/host", "config DB_PASSWORD"], http.Keys.Select(key => key.ToString()));
        Assert.Equal(["/var/data"], http.HostPaths);
        Assert.Null(request.Needs.Parts[1].Component);
        Assert.Empty(request.Needs.Parts[1].HostPaths);
        Assert.Equal(["wasi:http", "wasi:keyvalue"], request.Needs.Interfaces.Select(entry => $"{entry.Namespace}:{entry.Package}"));
        Assert.Equal(["config wasi/http/host"], request.Needs.Keys.Select(key => key.ToString()));
        Assert.DoesNotContain("hunter2", $"{request} {string.Join(' ', http.Keys)}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_path_that_nothing_mounts_is_asked_of_every_part()
    {
        Assert.True(Parse(Start.With("workload.witWorld.components[0].localResources.volumeMounts", "[]"), out var request, out _, out _));
        Assert.All(request!.Needs.Parts, part => Assert.Equal(["/var/data"], part.HostPaths));
    }

    [Theory]
    [InlineData("workload", "allowAll", "true")]
    [InlineData("workload.witWorld", "sockets", "{}")]
    [InlineData("workload.witWorld.components[0]", "privileged", "true")]
    [InlineData("workload.witWorld.components[0].localResources", "allowedSockets", "[]")]
    [InlineData("workload.witWorld.components[0].localResources", "allowed_hosts", "[\"*\"]")]
    [InlineData("workload.witWorld.hostInterfaces[0]", "externalId", "\"x\"")]
    [InlineData("workload.volumes[0]", "secretPath", "{}")]
    [InlineData("workload.volumes[0].hostPath", "path", "\"/\"")]
    [InlineData("workload.service", "privileged", "true")]
    public void Refuses_a_member_it_does_not_know_since_it_may_be_a_grant(string path, string name, string value)
    {
        Assert.False(Parse(Start.With($"{path}.{name}", value), out _, out var id, out var problem));
        Assert.Contains($"'{name}' is not known", problem, StringComparison.Ordinal);
        Assert.Equal("2f6e0c1a-7d6d-4f4e-9f5e-0a1b2c3d4e5f", id);
    }

    [Fact]
    public void Refuses_the_other_spelling_of_protojson_at_the_top()
    {
        Assert.False(Parse(Start.With("wit_world", "{}"), out _, out _, out _));
        Assert.False(Parse(Start.With("workload.wit_world", "{}"), out _, out _, out _));
    }

    [Theory]
    [InlineData("workload", null, "workload is missing")]
    [InlineData("workload.namespace", null, "namespace is missing")]
    [InlineData("workload.namespace", "\"\"", "namespace is empty")]
    [InlineData("workload.name", "7", "name is not a text")]
    [InlineData("workload.witWorld.components[0].name", null, "name is missing")]
    [InlineData("workload.witWorld.components[0].image", null, "image is missing")]
    [InlineData("workload.witWorld.components", "{}", "is not a list")]
    [InlineData("workload.witWorld.components", "[3]", "not an object")]
    [InlineData("workload.witWorld.hostInterfaces[0].interfaces", "[]", "names no interface")]
    [InlineData("workload.witWorld.components[0].localResources.allowedHosts", "[null]", "not a text")]
    [InlineData("workload.witWorld.components[0].localResources.config", "{\"a\":1}", "not a text")]
    [InlineData("workload.volumes[1]", "{\"name\":\"data\",\"hostPath\":{\"localPath\":\"/etc\"}}", "two volumes of one name")]
    public void Refuses_what_is_missing_or_of_another_type(string path, string? value, string problem)
    {
        Assert.False(Parse(Start.With(path, value), out _, out _, out var found));
        Assert.Contains(problem, found, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_workload_of_nothing() =>
        Assert.False(Parse(Start.With("workload.witWorld", null).With("workload.service", null), out _, out _, out _));

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"a.b\"")]
    [InlineData("\"a>\"")]
    [InlineData("\"a b\"")]
    [InlineData("5")]
    public void Refuses_an_id_that_could_break_a_subject(string id)
    {
        Assert.False(Parse(Start.With("workloadId", id), out _, out var read, out _));
        Assert.Equal("", read);
        Assert.Null(WorkloadIds.Peek(Encoding.UTF8.GetBytes($$"""{"workloadId":{{id}}}""")));
    }

    [Fact]
    public void Answers_in_the_name_of_a_host_as_protojson_has_it() => Assert.Equal(
        """{"workloadStatus":{"workloadId":"w-1","workloadState":"WORKLOAD_STATE_ERROR","message":"no"}}""",
        Encoding.UTF8.GetString(WorkloadStatus.Refused("w-1", "no")));

    private static bool Parse(string text, out StartRequest? request, out string id, out string? problem) =>
        StartRequest.TryParse(Encoding.UTF8.GetBytes(text), out request, out id, out problem);
}
