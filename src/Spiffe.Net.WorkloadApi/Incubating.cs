namespace Spiffe.Net.WorkloadApi;

/// <summary>Diagnostics that users switch off to opt in: what they mark follows a specification in state Incubating, so breaking changes may come.</summary>
internal static class Incubating
{
    /// <summary>The WIT profile (SPIFFE Workload API §7).</summary>
    public const string Wit = "SPIFFE001";
}
