using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Identity.Server.IstioAmbientCa;

/// <summary>One pod and where it runs.</summary>
internal sealed record PlacedPod
{
    public required string Namespace { get; init; }

    public required string ServiceAccount { get; init; }

    public required string Node { get; init; }

    public required string PodName { get; init; }

    public required string PodUid { get; init; }

    /// <summary>Such a pod shares the node's network: ztunnel never carries its traffic, so nobody may ask for its identity.</summary>
    public bool HostNetwork { get; set; }

    /// <summary>As Kubernetes says it; a pod that is over entitles nobody.</summary>
    public string Phase { get; set; } = "Running";

    [JsonIgnore]
    public bool MayBeImpersonated => !HostNetwork && Phase is ("Running" or "Pending");
}

/// <summary>Which service accounts run on which node, and who may ask on behalf of others: the ground of node authorization.</summary>
internal sealed record NodePlacement
{
    public const int MaxBytes = 32 * 1024 * 1024;
    private const int MaxPods = 200_000;

    /// <summary>The issuer of the cluster's service account tokens.</summary>
    public required string Issuer { get; init; }

    /// <summary><c>namespace/serviceaccount</c> of the node proxies.</summary>
    // Set, not init: the generated reader would write null into an init member that the file leaves out.
    public IReadOnlyList<string> TrustedNodeAccounts { get; set; } = [];

    public IReadOnlyList<PlacedPod> Pods { get; set; } = [];

    public static bool TryParse(ReadOnlySpan<byte> json, [NotNullWhen(true)] out NodePlacement? placement, out string problem)
    {
        placement = null;
        try
        {
            placement = JsonSerializer.Deserialize(json, NodePlacementJson.Default.NodePlacement);
            problem = placement switch
            {
                null => "it is null",
                { Issuer.Length: 0 } => "its issuer is empty",
                { Pods.Count: > MaxPods } => $"it lists {placement.Pods.Count} pods; at most {MaxPods} are read",
                _ when placement.TrustedNodeAccounts.FirstOrDefault(a => a.Split('/') is not [{ Length: > 0 }, { Length: > 0 }]) is { } bad =>
                    $"the trusted node account '{bad}' is not namespace/serviceaccount",
                _ => "",
            };
        }
        catch (JsonException e)
        {
            // The serializer's message names the member and the line, not the content.
            problem = $"line {e.LineNumber + 1}: expected {{\"issuer\", \"trustedNodeAccounts\": [\"namespace/serviceaccount\"], \"pods\": [{{\"namespace\", \"serviceAccount\", \"node\", \"podName\", \"podUid\"}}]}} without other members";
        }

        if (problem.Length > 0) placement = null;
        return placement is not null;
    }

    /// <summary>The pod that a token is bound to. Name alone does not do: names come back, uids do not.</summary>
    public PlacedPod? Find(KubernetesCaller caller) => Pods.FirstOrDefault(pod =>
        pod.PodUid == caller.PodUid && pod.PodName == caller.PodName && pod.Namespace == caller.Namespace && pod.ServiceAccount == caller.ServiceAccount);

    public bool Runs(string space, string serviceAccount, string node) => Pods.Any(pod =>
        pod.Node == node && pod.Namespace == space && pod.ServiceAccount == serviceAccount && pod.MayBeImpersonated);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true,
    MaxDepth = 8)]
[JsonSerializable(typeof(NodePlacement))]
internal sealed partial class NodePlacementJson : JsonSerializerContext;
