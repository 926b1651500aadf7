using Identity.Server.Registration;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>How a workload is named to a person.</summary>
internal static class WorkloadText
{
    /// <summary>Such as <c>workload 'shop/cart'</c>, bounded.</summary>
    public static string Of(string ns, string name) => $"workload {Quote.From($"{ns}/{name}")}";
}
