using System.Diagnostics;
using System.Text.Json;

namespace Identity.Conformance.Report;

/// <summary>A test that names a rule with the trait <c>rule</c>.</summary>
/// <param name="Needs">
/// That without which the test is skipped, or null: a foreign program (trait <c>peer</c>), or what else not every machine has (trait <c>needs</c>).
/// </param>
internal sealed record ShownRule(string RuleId, string TestClass, string TestMethod, string? Needs)
{
    /// <summary>Asks a test program what is in it. xunit's own listing, so a rule counts exactly where <c>--filter-trait rule=ID</c> finds a test.</summary>
    public static async Task<IReadOnlyList<ShownRule>> ListAsync(string program)
    {
        var start = new ProcessStartInfo("dotnet", [program, "-automated", "-preEnumerateTheories", "-list", "full/json"]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        using var tests = await JsonDocument.ParseAsync(process.StandardOutput.BaseStream);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program}: listing its tests ended with {process.ExitCode}.");
        return [.. tests.RootElement.EnumerateArray().SelectMany(Rules)];
    }

    private static IEnumerable<ShownRule> Rules(JsonElement test)
    {
        var needs = Traits(test, "peer").Concat(Traits(test, "needs")).FirstOrDefault();
        return Traits(test, "rule").Select(rule => new ShownRule(rule, test.GetProperty("Class").GetString()!, test.GetProperty("Method").GetString()!, needs));
    }

    private static IEnumerable<string> Traits(JsonElement test, string name) =>
        test.TryGetProperty("Traits", out var traits) && traits.TryGetProperty(name, out var values)
            ? values.EnumerateArray().Select(value => value.GetString()!)
            : [];
}
