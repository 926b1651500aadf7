using Identity.Policy;

namespace Identity.WasmHost.WorkerProtocol;

/// <summary>What this host calls on a component, in the words of policy; components carry other exports that are not meant for it.</summary>
internal static class EntryPoint
{
    public const string Function = "run";

    /// <summary>Any version of its track is called.</summary>
    public const string Command = "wasi:cli/run@0.2.0";

    /// <summary>Best first.</summary>
    public static readonly IReadOnlyList<string> All = [.. HostCalls.All.Select(call => call.ToCapability().Value)];
}
