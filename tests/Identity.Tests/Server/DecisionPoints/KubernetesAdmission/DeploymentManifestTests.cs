using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Testing.Platform;
using YamlDotNet.RepresentationModel;

namespace Identity.Tests.Server.DecisionPoints.KubernetesAdmission;

/// <summary>deploy/kubernetes/admission-webhook.yaml says what the webhook is made for.</summary>
public sealed class DeploymentManifestTests
{
    [Fact]
    public void Registers_what_the_webhook_judges_and_fails_closed()
    {
        var webhook = Webhook("workloads.runtime.wasmcloud.dev");
        Assert.Equal("Fail", Text(webhook, "failurePolicy"));
        Assert.Equal("NoneOnDryRun", Text(webhook, "sideEffects"));
        Assert.Equal(["v1"], Sequence(webhook, "admissionReviewVersions").Select(version => version.ToString()));
        Assert.InRange(int.Parse(Text(webhook, "timeoutSeconds"), null), 1, 30);
        Assert.Equal(AdmissionEndpoint.Path, Text(Map(Map(webhook, "clientConfig"), "service"), "path"));
        var rule = Map(Sequence(webhook, "rules").Single());
        Assert.Equal([WorkloadManifest.Group], Sequence(rule, "apiGroups").Select(group => group.ToString()));
        Assert.Equal(["CREATE", "UPDATE"], Sequence(rule, "operations").Select(operation => operation.ToString()));
        Assert.Equal(["workloads", "workloadreplicasets", "workloaddeployments"], Sequence(rule, "resources").Select(resource => resource.ToString()));
        Assert.Equal("Namespaced", Text(rule, "scope"));
    }

    [Fact]
    public void Tells_of_deletions_of_the_same_and_holds_up_none()
    {
        var (webhook, decides) = (Webhook("deletions.runtime.wasmcloud.dev"), Webhook("workloads.runtime.wasmcloud.dev"));
        Assert.Equal("Ignore", Text(webhook, "failurePolicy"));
        Assert.InRange(int.Parse(Text(webhook, "timeoutSeconds"), null), 1, 3);
        Assert.Equal("NoneOnDryRun", Text(webhook, "sideEffects"));
        Assert.Equal(Map(decides, "clientConfig"), Map(webhook, "clientConfig"));
        var rule = Map(Sequence(webhook, "rules").Single());
        Assert.Equal(["DELETE"], Sequence(rule, "operations").Select(operation => operation.ToString()));
        foreach (var same in new[] { "apiGroups", "apiVersions", "resources" }) Assert.Equal(Sequence(Map(Sequence(decides, "rules").Single()), same), Sequence(rule, same));
    }

    [Fact]
    public void The_service_is_the_one_that_the_webhook_names()
    {
        var named = Map(Map(Webhook("workloads.runtime.wasmcloud.dev"), "clientConfig"), "service");
        var metadata = Map(Document("Service"), "metadata");
        Assert.Equal((Text(named, "namespace"), Text(named, "name")), (Text(metadata, "namespace"), Text(metadata, "name")));
        var port = Map(Sequence(Map(Document("Service"), "spec"), "ports").Single());
        Assert.Equal(Text(named, "port"), Text(port, "port"));
    }

    private static YamlMappingNode Webhook(string name) =>
        Sequence(Document("ValidatingWebhookConfiguration"), "webhooks").Select(webhook => Map(webhook)).Single(webhook => Text(webhook, "name") == name);

    private static YamlMappingNode Document(string kind)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(File.ReadAllText(Path.Combine(Repository.Root, "deploy", "kubernetes", "admission-webhook.yaml"))));
        return stream.Documents.Select(document => Map(document.RootNode)).Single(root => Text(root, "kind") == kind);
    }

    private static YamlMappingNode Map(YamlNode node, string? name = null) => (YamlMappingNode)(name is null ? node : node[name]);

    private static YamlSequenceNode Sequence(YamlMappingNode node, string name) => (YamlSequenceNode)node[name];

    private static string Text(YamlMappingNode node, string name) => ((YamlScalarNode)node[name]).Value!;
}
