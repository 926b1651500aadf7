namespace Identity.Tests.Server.DecisionPoints.KubernetesAdmission;

internal static class AdmissionSamples
{
    private const string Spec = """
        {"hostSelector":{"hostgroup":"default"},
         "components":[{"name":"http","image":"ghcr.io/acme/cart:1.2","imagePullSecret":{"name":"registry"},"poolSize":2,
           "localResources":{"allowedHosts":["https://api.example.com"],"allowedIpNameLookups":["api.example.com"],"config":{"db/host":"db"},
             "environment":{"config":{"LOG":"info"},"configFrom":[{"name":"cart-config"}],"secretFrom":[{"name":"cart-db"}]},
             "volumeMounts":[{"name":"data","mountPath":"/data"}]}}],
         "hostInterfaces":[{"namespace":"wasi","package":"http","interfaces":["incoming-handler"],"config":{"host":"cart.example.com"}},
                           {"namespace":"wasi","package":"keyvalue","interfaces":["store"],"version":"0.2.0"}],
         "volumes":[{"name":"data","hostPath":{"path":"/var/data"}},{"name":"tmp","ephemeral":{}}]}
        """;

    public static string Deployment => Of("WorkloadDeployment");

    /// <summary>An update that changes nothing, of a deployment with two replicas.</summary>
    public static string Update
    {
        get
        {
            var old = System.Text.Json.Nodes.JsonNode.Parse(Deployment)!["request"]!["object"]!.ToJsonString();
            return Deployment.With("request.operation", "\"UPDATE\"").With("request.oldObject", old);
        }
    }

    /// <summary>As an API server tells of a deletion: the object stands in the place of the old one.</summary>
    public static string Deletion(string kind) => Of(kind)
        .With("request.operation", "\"DELETE\"")
        .With("request.oldObject", System.Text.Json.Nodes.JsonNode.Parse(Of(kind))!["request"]!["object"]!.ToJsonString())
        .With("request.object", "null")
        .With("request.options", """{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1","propagationPolicy":"Background"}""");

    public static string Of(string kind)
    {
        var spec = kind == "Workload" ? Spec : $$"""{"replicas":2,"template":{"labels":{"app":"cart"},"spec":{{Spec}} } }""";
        return $$$"""
            {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
             "request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
               "kind":{"group":"runtime.wasmcloud.dev","version":"v1alpha1","kind":"{{{kind}}}"},
               "resource":{"group":"runtime.wasmcloud.dev","version":"v1alpha1","resource":"{{{kind.ToLowerInvariant()}}}s"},
               "requestKind":{"group":"runtime.wasmcloud.dev","version":"v1alpha1","kind":"{{{kind}}}"},
               "name":"cart","namespace":"shop","operation":"CREATE","userInfo":{"username":"alice","groups":["system:authenticated"]},
               "object":{"apiVersion":"runtime.wasmcloud.dev/v1alpha1","kind":"{{{kind}}}","metadata":{"name":"cart","namespace":"shop","finalizers":["x"]},"spec":{{{spec}}} },
               "oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"} } }
            """;
    }
}
