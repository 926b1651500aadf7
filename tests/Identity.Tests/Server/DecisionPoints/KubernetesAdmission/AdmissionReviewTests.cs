using System.Text;
using System.Text.Json;
using Identity.Server.DecisionPoints.KubernetesAdmission;

namespace Identity.Tests.Server.DecisionPoints.KubernetesAdmission;

/// <summary>Reviews as an API server writes them, <c>admission.k8s.io/v1</c>.</summary>
public sealed class AdmissionReviewTests
{
    private const string Object = "request.object.spec.template.spec";

    [Fact]
    public void Reads_what_a_deployment_asks_for()
    {
        var needs = Workload(AdmissionSamples.Deployment);
        Assert.Equal(("shop", "cart"), (needs.Namespace, needs.Name));
        var http = needs.Parts[0];
        Assert.Equal(("http", "ghcr.io/acme/cart:1.2"), (http.Component, http.Image));
        Assert.Equal(["https://api.example.com"], http.AllowedHosts);
        Assert.Equal(["api.example.com"], http.AllowedIpNameLookups);
        Assert.Equal(["config db/host", "config LOG", "config configmap/cart-config", "secret cart-db", "secret registry"], http.Keys.Select(key => key.ToString()));
        Assert.Equal(["/var/data"], http.HostPaths);
        Assert.Equal(["config wasi/http/host"], needs.Keys.Select(key => key.ToString()));
    }

    [Theory]
    [InlineData("Workload")]
    [InlineData("WorkloadReplicaSet")]
    [InlineData("WorkloadDeployment")]
    public void Reads_the_same_from_each_kind(string kind)
    {
        var needs = Workload(AdmissionSamples.Of(kind));
        Assert.Equal("http", needs.Parts[0].Component);
        Assert.Equal(2, needs.Interfaces.Count);
    }

    [Fact]
    public void The_namespace_is_the_reviews_whatever_the_object_says() =>
        Assert.Equal("shop", Workload(AdmissionSamples.Deployment.With("request.object.metadata.namespace", "\"kube-system\"")).Namespace);

    [Theory]
    [InlineData("request.object.spec.surprise", "{}")]
    [InlineData("request.object.spec.template.surprise", "{}")]
    [InlineData(Object + ".surprise", "{}")]
    [InlineData(Object + ".components[0].surprise", "true")]
    [InlineData(Object + ".components[0].localResources.surprise", "[]")]
    [InlineData(Object + ".components[0].localResources.environment.surprise", "[]")]
    [InlineData(Object + ".hostInterfaces[0].surprise", "[]")]
    [InlineData(Object + ".volumes[0].surprise", "{}")]
    [InlineData(Object + ".components", "3")]
    [InlineData(Object + ".components", "[]")]
    [InlineData(Object + ".components[0].image", null)]
    [InlineData(Object + ".components[0].name", null)]
    [InlineData(Object + ".hostInterfaces[0].interfaces", null)]
    [InlineData(Object + ".components[0].localResources.environment.secretFrom", "[{\"name\":\"\"}]")]
    [InlineData("request.object.spec.template", null)]
    [InlineData("request.object.spec", "[]")]
    [InlineData("request.object", null)]
    [InlineData("request.namespace", null)]
    public void An_object_it_cannot_understand_whole_is_a_question_that_is_denied(string path, string? value) =>
        Assert.IsType<AdmissionQuestion.Unanswerable>(Read(AdmissionSamples.Deployment.With(path, value)).Question);

    [Theory]
    [InlineData("request.kind.kind", "\"Host\"")]
    [InlineData("request.kind.kind", "\"Pod\"")]
    [InlineData("request.kind.group", "\"apps\"")]
    [InlineData("request.kind.version", "\"v1\"")]
    [InlineData("request.subResource", "\"status\"")]
    [InlineData("request.subResource", "\"scale\"")]
    [InlineData("request.operation", "\"CONNECT\"")]
    [InlineData("request.operation", "\"create\"")]
    public void A_kind_or_operation_it_does_not_know_is_a_question_that_is_denied(string path, string value) =>
        Assert.IsType<AdmissionQuestion.Unanswerable>(Read(AdmissionSamples.Deployment.With(path, value)).Question);

    [Theory]
    [InlineData("apiVersion", "\"admission.k8s.io/v1beta1\"")]
    [InlineData("apiVersion", null)]
    [InlineData("kind", "\"Review\"")]
    [InlineData("request", null)]
    [InlineData("request.uid", null)]
    [InlineData("request.uid", "\"a b\"")]
    [InlineData("request.uid", "7")]
    [InlineData("request.operation", null)]
    [InlineData("request.kind", "\"WorkloadDeployment\"")]
    [InlineData("request.dryRun", "\"yes\"")]
    public void What_is_no_review_cannot_be_answered(string path, string? value) =>
        Assert.False(AdmissionReview.TryParse(Encoding.UTF8.GetBytes(AdmissionSamples.Deployment.With(path, value)), out _, out _));

    [Fact]
    public void An_update_that_asks_for_nothing_new_is_let_through()
    {
        var update = AdmissionSamples.Update;
        Assert.IsType<AdmissionQuestion.NothingNew>(Read(update).Question);
        Assert.IsType<AdmissionQuestion.NothingNew>(Read(update.With("request.object.metadata.finalizers", "[]")).Question);
        Assert.IsType<AdmissionQuestion.NothingNew>(Read(update.With("request.object.spec.replicas", "0")).Question);
    }

    [Theory]
    [InlineData("request.object.spec.replicas", "4")]
    [InlineData(Object + ".components[0].image", "\"ghcr.io/acme/cart:1.3\"")]
    [InlineData(Object + ".components[0].localResources.allowedHosts", "[\"*\"]")]
    [InlineData(Object + ".volumes[0].hostPath.path", "\"/\"")]
    [InlineData("request.oldObject", null)]
    [InlineData("request.oldObject.spec", null)]
    public void An_update_that_asks_for_more_is_decided(string path, string? value) =>
        Assert.IsType<AdmissionQuestion.Workload>(Read(AdmissionSamples.Update.With(path, value)).Question);

    [Fact]
    public void An_update_that_adds_something_unknown_is_not_let_through_as_unchanged() => Assert.IsType<AdmissionQuestion.Unanswerable>(
        Read(AdmissionSamples.Update.With("request.object.spec.surprise", "1")).Question);

    [Fact]
    public void A_deletion_is_never_held_up() =>
        Assert.IsType<AdmissionQuestion.Ends>(Read(AdmissionSamples.Deployment.With("request.operation", "\"DELETE\"").With("request.object", "null")).Question);

    [Fact]
    public void The_answer_has_the_version_and_uid_that_were_asked()
    {
        using var answer = JsonDocument.Parse(new AdmissionAnswer("u-1", false, "no", ["a\nb", new string('w', 400)], "d-x").ToJson());
        Assert.Equal("admission.k8s.io/v1", answer.RootElement.GetProperty("apiVersion").GetString());
        Assert.Equal("AdmissionReview", answer.RootElement.GetProperty("kind").GetString());
        var response = answer.RootElement.GetProperty("response");
        Assert.Equal("u-1", response.GetProperty("uid").GetString());
        Assert.False(response.GetProperty("allowed").GetBoolean());
        Assert.Equal(403, response.GetProperty("status").GetProperty("code").GetInt32());
        Assert.Equal("no", response.GetProperty("status").GetProperty("message").GetString());
        Assert.Equal("a b", response.GetProperty("warnings")[0].GetString());
        Assert.Equal(256, response.GetProperty("warnings")[1].GetString()!.Length);
        Assert.Equal("d-x", response.GetProperty("auditAnnotations").GetProperty("decision-id").GetString());
        using var allowed = JsonDocument.Parse(new AdmissionAnswer("u-1", true, "", [], "").ToJson());
        Assert.Equal(["uid", "allowed"], allowed.RootElement.GetProperty("response").EnumerateObject().Select(member => member.Name));
    }

    private static AdmissionReview Read(string text)
    {
        Assert.True(AdmissionReview.TryParse(Encoding.UTF8.GetBytes(text), out var review, out var problem), problem);
        return review;
    }

    private static Identity.Server.DecisionPoints.WasmCloudV2.WorkloadNeeds Workload(string text) =>
        Assert.IsType<AdmissionQuestion.Workload>(Read(text).Question).Needs;
}
