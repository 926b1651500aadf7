namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// What a wasmCloud v2 workload would be given, read from a Kubernetes object or from a start request. It holds names only: no value of
/// configuration, environment or secret is ever in it.
/// </summary>
/// <param name="Namespace">The tenant. From the admission review or the start request, never from the object itself.</param>
/// <param name="Name">Of the workload, for messages.</param>
/// <param name="Parts">Its components, and its service.</param>
/// <param name="Interfaces">What the host links; any part of the workload may use it.</param>
/// <param name="Keys">Names of configuration and secrets handed to the host's plugins for it, as <c>config …</c> or <c>secret …</c>.</param>
internal sealed record WorkloadNeeds(
    string Namespace, string Name, IReadOnlyList<WorkloadPart> Parts, IReadOnlyList<HostInterface> Interfaces, IReadOnlyList<NamedNeed> Keys);

/// <summary>A component, or the service of a workload.</summary>
/// <param name="Component">Its name; null for the service.</param>
/// <param name="Image">As it is written.</param>
internal sealed record WorkloadPart(string? Component, string Image)
{
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    public IReadOnlyList<string> AllowedIpNameLookups { get; init; } = [];

    /// <summary>Such as <c>5432</c>, <c>5432/tcp</c> or <c>53/udp</c>.</summary>
    public IReadOnlyList<string> AllowedHostLoopbackPorts { get; init; } = [];

    public IReadOnlyList<NamedNeed> Keys { get; init; } = [];

    /// <summary>Paths on the host that it mounts, and that nothing mounts by name.</summary>
    public IReadOnlyList<string> HostPaths { get; init; } = [];

    public override string ToString() => Component is null ? "the service" : $"component {Component}";
}

/// <summary>One entry of <c>hostInterfaces</c>.</summary>
/// <param name="Version">Empty when the entry names none.</param>
internal sealed record HostInterface(string Namespace, string Package, string Version, IReadOnlyList<string> Interfaces);

/// <summary>A capability by its word and its value, such as <c>config</c> and <c>db/host</c>.</summary>
internal readonly record struct NamedNeed(string Kind, string Value)
{
    public override string ToString() => $"{Kind} {Value}";
}
