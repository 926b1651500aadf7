using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// A <c>wasmcloud.runtime.v2.WorkloadStartRequest</c> in protojson, as far as it must be understood to decide. Spelt as the operator spells
/// it (camel case) and nothing else: a member we do not know may ask for something, so it refuses the start. The bytes themselves are
/// forwarded as they came, and neither kept nor logged: they hold secrets.
/// </summary>
internal sealed record StartRequest(string WorkloadId, WorkloadNeeds Needs)
{
    /// <summary>A NATS message has at most 1 MiB unless the server says more.</summary>
    public static readonly JsonBounds Bounds = new(4 << 20, 16);

    private const int MaxName = 253;
    private const int MaxText = 1024;

    /// <param name="workloadId">What could be read of it, for the refusal; empty when nothing could.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> body, [NotNullWhen(true)] out StartRequest? request, out string workloadId, [NotNullWhen(false)] out string? problem)
    {
        request = null;
        workloadId = "";
        if (!JsonReading.TryParse(body, Bounds, out var document, out problem)) return false;
        using (document)
        {
            var reading = new JsonReading();
            var root = document.RootElement;
            workloadId = WorkloadIds.Read(reading, root) ?? "";
            reading.Only(root, "", "workload", "workloadId");
            var workload = reading.Object(root, "", "workload", required: true);
            reading.Only(workload, "workload", "namespace", "name", "annotations", "service", "witWorld", "volumes");
            var volumes = HostPaths(reading, workload);
            var world = reading.Object(workload, "workload", "witWorld");
            reading.Only(world, "workload.witWorld", "components", "hostInterfaces");
            var mounted = new HashSet<string>(StringComparer.Ordinal);
            var parts = new List<WorkloadPart>();
            foreach (var (component, at) in reading.Objects(world, "workload.witWorld", "components").Select((element, at) => (element, at)))
            {
                var path = $"workload.witWorld.components[{at}]";
                reading.Only(component, path, "image", "localResources", "poolSize", "maxInvocations", "imagePullSecret", "name", "imagePullPolicy", "maxConcurrency");
                parts.Add(Part(reading, component, path, reading.Text(component, path, "name", MaxName, required: true) ?? "", volumes, mounted));
            }

            if (reading.Object(workload, "workload", "service") is { } service)
            {
                reading.Only(service, "workload.service", "image", "localResources", "maxRestarts", "imagePullSecret", "imagePullPolicy");
                parts.Add(Part(reading, service, "workload.service", null, volumes, mounted));
            }

            if (parts.Count == 0) reading.Fail("the workload has neither a component nor a service");
            var keys = new List<NamedNeed>();
            var needs = new WorkloadNeeds(
                reading.Text(workload, "workload", "namespace", MaxName, required: true) ?? "",
                reading.Text(workload, "workload", "name", MaxName, required: true) ?? "",
                WithUnmounted(parts, volumes, mounted),
                Interfaces(reading, world, keys),
                keys);
            problem = reading.Problem;
            request = problem is null ? new StartRequest(workloadId, needs) : null;
            return problem is null;
        }
    }

    // A volume that nothing names could still be opened by a host that is less careful: everybody in the workload is asked for it.
    private static List<WorkloadPart> WithUnmounted(List<WorkloadPart> parts, Dictionary<string, string> volumes, HashSet<string> mounted)
    {
        var unmounted = volumes.Where(volume => !mounted.Contains(volume.Key)).Select(volume => volume.Value).ToList();
        return unmounted.Count == 0 ? parts : [.. parts.Select(part => part with { HostPaths = [.. part.HostPaths, .. unmounted] })];
    }

    private static WorkloadPart Part(
        JsonReading reading, JsonElement part, string path, string? component, Dictionary<string, string> volumes, HashSet<string> mounted)
    {
        var resources = reading.Object(part, path, "localResources");
        var inner = $"{path}.localResources";
        reading.Only(
            resources, inner, "memoryLimitMb", "cpuLimit", "config", "environment", "volumeMounts", "allowedHosts", "allowedIpNameLookups", "allowedHostLoopbackPorts");
        reading.Only(reading.Object(part, path, "imagePullSecret"), $"{path}.imagePullSecret", "username", "password");
        var paths = new List<string>();
        foreach (var mount in reading.Objects(resources, inner, "volumeMounts"))
        {
            reading.Only(mount, $"{inner}.volumeMounts", "name", "mountPath", "readOnly");
            var name = reading.Text(mount, $"{inner}.volumeMounts", "name", MaxName, required: true) ?? "";
            mounted.Add(name);
            if (volumes.TryGetValue(name, out var hostPath)) paths.Add(hostPath);
        }

        return new WorkloadPart(component, reading.Text(part, path, "image", MaxText, required: true) ?? "")
        {
            AllowedHosts = reading.Texts(resources, inner, "allowedHosts", MaxText),
            AllowedIpNameLookups = reading.Texts(resources, inner, "allowedIpNameLookups", MaxText),
            AllowedHostLoopbackPorts = reading.Texts(resources, inner, "allowedHostLoopbackPorts", 16),
            HostPaths = paths,
            // The operator has merged ConfigMaps, Secrets and literals by now: which key is a secret can no longer be told.
            Keys = [.. reading.KeysOfTexts(resources, inner, "config", MaxName)
                .Concat(reading.KeysOfTexts(resources, inner, "environment", MaxName))
                .Distinct(StringComparer.Ordinal)
                .Select(key => new NamedNeed("config", key))],
        };
    }

    private static List<HostInterface> Interfaces(JsonReading reading, JsonElement? world, List<NamedNeed> keys)
    {
        var interfaces = new List<HostInterface>();
        foreach (var element in reading.Objects(world, "workload.witWorld", "hostInterfaces"))
        {
            const string Path = "workload.witWorld.hostInterfaces";
            reading.Only(element, Path, "namespace", "package", "version", "interfaces", "config", "name");
            var entry = new HostInterface(
                reading.Text(element, Path, "namespace", MaxName, required: true) ?? "",
                reading.Text(element, Path, "package", MaxName, required: true) ?? "",
                reading.Text(element, Path, "version", MaxName) ?? "",
                reading.Texts(element, Path, "interfaces", MaxName));
            if (entry.Interfaces.Count == 0) reading.Fail($"{Path} names no interface");
            keys.AddRange(reading.KeysOfTexts(element, Path, "config", MaxName).Select(key => PluginKeys.Config(entry, key)));
            interfaces.Add(entry);
        }

        return interfaces;
    }

    // By volume name; ephemeral ones need nothing.
    private static Dictionary<string, string> HostPaths(JsonReading reading, JsonElement? workload)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var volume in reading.Objects(workload, "workload", "volumes"))
        {
            const string Path = "workload.volumes";
            reading.Only(volume, Path, "name", "hostPath", "emptyDir");
            var name = reading.Text(volume, Path, "name", MaxName, required: true) ?? "";
            var onHost = reading.Object(volume, Path, "hostPath");
            reading.Only(onHost, $"{Path}.hostPath", "localPath");
            reading.Only(reading.Object(volume, Path, "emptyDir"), $"{Path}.emptyDir");
            if (onHost is not null && !paths.TryAdd(name, reading.Text(onHost, $"{Path}.hostPath", "localPath", MaxText, required: true) ?? ""))
                reading.Fail($"{Path} has two volumes of one name");
        }

        return paths;
    }
}
