namespace Spiffe.Net;

/// <summary>Diagnostics that users switch off to opt in: what they mark follows a specification in state Incubating, so breaking changes may come.</summary>
internal static class Incubating
{
    /// <summary>The WIT-SVID, its keys in bundles and its proofs. The same diagnostic marks the WIT profile of the Workload API.</summary>
    public const string Wit = "SPIFFE001";
}
