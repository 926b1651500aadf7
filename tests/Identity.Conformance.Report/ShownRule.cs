using System.Diagnostics;
using System.Text.Json;

namespace Identity.Conformance.Report;

/// <summary>A test that names a rule with the trait <c>rule</c>.</summary>
/// <param name="Peer">The foreign program without which the test is skipped (trait <c>peer</c>), or null.</param>
internal sealed record ShownRule(string RuleId, string TestClass, string TestMethod, string? Peer)
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
        var peer = Traits(test, "peer").FirstOrDefault();
        return Traits(test, "rule").Select(rule => new ShownRule(rule, test.GetProperty("Class").GetString()!, test.GetProperty("Method").GetString()!, peer));
    }

    private static IEnumerable<string> Traits(JsonElement test, string name) =>
        test.TryGetProperty("Traits", out var traits) && traits.TryGetProperty(name, out var values)
            ? values.EnumerateArray().Select(value => value.GetString()!)
            : [];
}
