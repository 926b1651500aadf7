namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>How configuration for a host's plugin is named in policy: <c>config wasi/http/host</c> is the key <c>host</c> of <c>wasi:http</c>.</summary>
internal static class PluginKeys
{
    public static NamedNeed Config(HostInterface entry, string key) => new("config", $"{entry.Namespace}/{entry.Package}/{key}");
}
