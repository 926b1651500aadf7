using System.Text.Json;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Registration;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>
/// The custom resources of wasmCloud v2 that start something, read for what they ask. A member of the specification that is not known here
/// refuses the object: a later version may have put a grant there.
/// </summary>
internal static class WorkloadManifest
{
    public const string Group = "runtime.wasmcloud.dev";
    public const string Version = "v1alpha1";

    private const int MaxName = 253;
    private const int MaxText = 1024;

    public static AdmissionQuestion Read(string kind, string ns, string name, JsonElement request, bool isUpdate)
    {
        var reading = new JsonReading();
        var now = Specification(reading, kind, reading.Object(request, "request", "object", required: true));
        if (now is null || reading.Problem is not null) return Unanswerable(reading.Problem ?? UnknownKind(kind));
        var needs = Needs(reading, now.Value.Workload, now.Value.Path, ns, name);
        if (isUpdate)
        {
            // Without this, an object that policy no longer allows could not lose its finalizer or be scaled to nothing.
            var before = Specification(new JsonReading(), kind, new JsonReading().Object(request, "request", "oldObject"));
            if (before is not null && JsonElement.DeepEquals(before.Value.Workload, now.Value.Workload) && now.Value.Replicas <= before.Value.Replicas)
                return new AdmissionQuestion.NothingNew(reading.Problem is null ? needs : null);
        }

        return reading.Problem is null ? new AdmissionQuestion.Workload(needs) : Unanswerable(reading.Problem);
    }

    private static AdmissionQuestion.Unanswerable Unanswerable(string problem) => new($"the object cannot be judged: {problem}");

    private static string UnknownKind(string kind) => $"{Quote.From(kind)} is not a kind this webhook knows; expected Workload, WorkloadReplicaSet or WorkloadDeployment";

    // Where the specification of a workload stands in each kind, and how many there would be of it.
    private static (JsonElement Workload, string Path, long Replicas)? Specification(JsonReading reading, string kind, JsonElement? of)
    {
        var spec = reading.Object(of, "object", "spec", required: true);
        switch (kind)
        {
            case "Workload":
                return spec is { } workload ? (workload, "spec", 1) : null;
            case "WorkloadReplicaSet":
                reading.Only(spec, "spec", "replicas", "template");
                break;
            case "WorkloadDeployment":
                reading.Only(spec, "spec", "replicas", "template", "deployPolicy", "artifacts", "kubernetes");
                break;
            default:
                return null;
        }

        var replicas = reading.Number(spec, "spec", "replicas") ?? 0;
        var template = reading.Object(spec, "spec", "template", required: true);
        reading.Only(template, "spec.template", "annotations", "labels", "spec");
        return reading.Object(template, "spec.template", "spec", required: true) is { } inner ? (inner, "spec.template.spec", replicas) : null;
    }

    private static WorkloadNeeds Needs(JsonReading reading, JsonElement spec, string path, string ns, string name)
    {
        reading.Only(spec, path, "hostSelector", "hostId", "environment", "components", "hostInterfaces", "service", "volumes", "kubernetes");
        var volumes = HostPaths(reading, spec, path);
        var mounted = new HashSet<string>(StringComparer.Ordinal);
        var parts = new List<WorkloadPart>();
        var at = 0;
        foreach (var component in reading.Objects(spec, path, "components"))
        {
            var inner = $"{path}.components[{at++}]";
            reading.Only(component, inner, "name", "image", "imagePullSecret", "imagePullPolicy", "poolSize", "maxInvocations", "maxConcurrency", "localResources");
            parts.Add(Part(reading, component, inner, reading.Text(component, inner, "name", MaxName, required: true) ?? "", volumes, mounted));
        }

        if (reading.Object(spec, path, "service") is { } service)
        {
            var inner = $"{path}.service";
            reading.Only(service, inner, "image", "imagePullSecret", "imagePullPolicy", "maxRestarts", "localResources");
            parts.Add(Part(reading, service, inner, null, volumes, mounted));
        }

        if (parts.Count == 0) reading.Fail($"{path} has neither a component nor a service");
        if (ns.Length == 0) reading.Fail("the review names no namespace");
        var unmounted = volumes.Where(volume => !mounted.Contains(volume.Key)).Select(volume => volume.Value).ToList();
        var keys = new List<NamedNeed>();
        return new WorkloadNeeds(
            ns,
            name,
            [.. parts.Select(part => part with { HostPaths = [.. part.HostPaths, .. unmounted] })],
            Interfaces(reading, spec, path, keys),
            keys);
    }

    private static WorkloadPart Part(
        JsonReading reading, JsonElement part, string path, string? component, Dictionary<string, string> volumes, HashSet<string> mounted)
    {
        var resources = reading.Object(part, path, "localResources");
        var inner = $"{path}.localResources";
        reading.Only(resources, inner, "volumeMounts", "environment", "config", "allowedHosts", "allowedIpNameLookups", "allowedHostLoopbackPorts");
        var environment = reading.Object(resources, inner, "environment");
        reading.Only(environment, $"{inner}.environment", "configFrom", "secretFrom", "config");
        var keys = new List<NamedNeed>();
        keys.AddRange(reading.KeysOfTexts(resources, inner, "config", MaxName).Select(key => new NamedNeed("config", key)));
        keys.AddRange(reading.KeysOfTexts(environment, $"{inner}.environment", "config", MaxName).Select(key => new NamedNeed("config", key)));
        AddSources(reading, environment, $"{inner}.environment", keys);
        AddReference(reading, reading.Object(part, path, "imagePullSecret"), $"{path}.imagePullSecret", "secret", "", keys);

        var paths = new List<string>();
        foreach (var mount in reading.Objects(resources, inner, "volumeMounts"))
        {
            reading.Only(mount, $"{inner}.volumeMounts", "name", "mountPath", "readOnly");
            var volume = reading.Text(mount, $"{inner}.volumeMounts", "name", MaxName, required: true) ?? "";
            mounted.Add(volume);
            if (volumes.TryGetValue(volume, out var hostPath)) paths.Add(hostPath);
        }

        return new WorkloadPart(component, reading.Text(part, path, "image", MaxText, required: true) ?? "")
        {
            AllowedHosts = reading.Texts(resources, inner, "allowedHosts", MaxText),
            AllowedIpNameLookups = reading.Texts(resources, inner, "allowedIpNameLookups", MaxText),
            AllowedHostLoopbackPorts = reading.Texts(resources, inner, "allowedHostLoopbackPorts", 16),
            Keys = keys,
            HostPaths = paths,
        };
    }

    private static List<HostInterface> Interfaces(JsonReading reading, JsonElement spec, string path, List<NamedNeed> keys)
    {
        var interfaces = new List<HostInterface>();
        var inner = $"{path}.hostInterfaces";
        foreach (var element in reading.Objects(spec, path, "hostInterfaces"))
        {
            reading.Only(element, inner, "configFrom", "secretFrom", "config", "name", "namespace", "package", "interfaces", "version");
            var entry = new HostInterface(
                reading.Text(element, inner, "namespace", MaxName, required: true) ?? "",
                reading.Text(element, inner, "package", MaxName, required: true) ?? "",
                reading.Text(element, inner, "version", MaxName) ?? "",
                reading.Texts(element, inner, "interfaces", MaxName));
            if (entry.Interfaces.Count == 0) reading.Fail($"{inner} names no interface");
            keys.AddRange(reading.KeysOfTexts(element, inner, "config", MaxName).Select(key => PluginKeys.Config(entry, key)));
            AddSources(reading, element, inner, keys);
            interfaces.Add(entry);
        }

        return interfaces;
    }

    // A whole ConfigMap or Secret is handed over, so it is named as one thing.
    private static void AddSources(JsonReading reading, JsonElement? layer, string path, List<NamedNeed> keys)
    {
        foreach (var reference in reading.Objects(layer, path, "configFrom")) AddReference(reading, reference, $"{path}.configFrom", "config", "configmap/", keys);
        foreach (var reference in reading.Objects(layer, path, "secretFrom")) AddReference(reading, reference, $"{path}.secretFrom", "secret", "", keys);
    }

    private static void AddReference(JsonReading reading, JsonElement? reference, string path, string kind, string prefix, List<NamedNeed> keys)
    {
        if (reference is null) return;
        reading.Only(reference, path, "name");
        if (reading.Text(reference, path, "name", MaxName, required: true) is { } name) keys.Add(new NamedNeed(kind, prefix + name));
    }

    private static Dictionary<string, string> HostPaths(JsonReading reading, JsonElement spec, string path)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        var inner = $"{path}.volumes";
        foreach (var volume in reading.Objects(spec, path, "volumes"))
        {
            reading.Only(volume, inner, "name", "ephemeral", "hostPath");
            var name = reading.Text(volume, inner, "name", MaxName, required: true) ?? "";
            reading.Only(reading.Object(volume, inner, "ephemeral"), $"{inner}.ephemeral");
            var onHost = reading.Object(volume, inner, "hostPath");
            reading.Only(onHost, $"{inner}.hostPath", "path");
            if (onHost is not null && !paths.TryAdd(name, reading.Text(onHost, $"{inner}.hostPath", "path", MaxText, required: true) ?? ""))
                reading.Fail($"{inner} has two volumes of one name");
        }

        return paths;
    }
}
