namespace Identity.Testing.Platform;

/// <summary>
/// Programs and libraries of others that tests compare us with. A developer's machine may lack one: then its tests are skipped, and say so. Continuous
/// integration may not, or it would stay green on the day the evidence is gone.
/// </summary>
public static class Evidence
{
    /// <summary>Whether this run passes only with all of it (<c>CI=true</c>, as <c>.ci/run</c> sets it).</summary>
    public static bool IsDemanded { get; } = IsDemandedBy(Environment.GetEnvironmentVariable("CI"));

    public static bool IsDemandedBy(string? ci) => ci is "true" or "1";

    /// <summary>Fails where it is demanded and missing; the caller skips otherwise.</summary>
    /// <param name="missing">What is missing and how to get it.</param>
    public static void Demand(bool isThere, string missing) => Demand(isThere, missing, IsDemanded);

    public static void Demand(bool isThere, string missing, bool isDemanded)
    {
        if (!isThere && isDemanded) throw new InvalidOperationException($"{missing} With CI=true nothing is skipped that compares us with others.");
    }
}
