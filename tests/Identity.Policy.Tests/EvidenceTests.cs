using System.Diagnostics;
using Identity.Testing.Platform;

namespace Identity.Policy.Tests;

/// <summary>The programs of others that we are compared with may be missing on a developer's machine, and nowhere else.</summary>
public sealed class EvidenceTests
{
    [Theory]
    [InlineData("true", true)]
    [InlineData("1", true)]
    [InlineData("false", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void It_is_demanded_where_continuous_integration_says_that_it_is_that(string? ci, bool demanded) => Assert.Equal(demanded, Evidence.IsDemandedBy(ci));

    [Fact]
    public void What_is_demanded_and_missing_fails_and_says_what_to_do()
    {
        var fault = Assert.Throws<InvalidOperationException>(() => Evidence.Demand(isThere: false, "Cedar's module is not here; fetch it.", isDemanded: true));
        Assert.StartsWith("Cedar's module is not here; fetch it. With CI=true", fault.Message, StringComparison.Ordinal);
        Evidence.Demand(isThere: true, "", isDemanded: true);
        Evidence.Demand(isThere: false, "", isDemanded: false);
    }

    [Fact]
    public void Every_test_that_skips_for_want_of_it_demands_it_first()
    {
        foreach (var folder in new[] { "Identity.Policy.Tests", "Identity.Conformance.Tests" })
        {
            foreach (var file in Directory.EnumerateFiles(Samples.RepositoryFile($"tests/{folder}"), "*.cs", SearchOption.AllDirectories))
            {
                var lines = File.ReadAllLines(file);
                for (var at = 0; at < lines.Length; at++)
                {
                    if (!lines[at].TrimStart().StartsWith("Assert.Skip", StringComparison.Ordinal)) continue;
                    Assert.True(at > 0 && lines[at - 1].Contains("Evidence.Demand(", StringComparison.Ordinal), $"{file}:{at + 1} skips where continuous integration would not notice");
                }
            }
        }
    }

    [Theory]
    [InlineData("true", 1, "may not be skipped")]
    [InlineData("", 0, "SKIPPED: the tests that need")]
    public async Task Dev_test_goes_on_without_it_on_a_machine_of_a_person_only(string ci, int code, string said)
    {
        var found = await RunAsync(ci, "evidence false x");
        Assert.Equal(code, found.Code);
        Assert.Contains(said, found.Error, StringComparison.Ordinal);
        Assert.Equal((0, ""), await RunAsync(ci, "evidence true x"));
    }

    [Fact]
    public void What_is_fetched_is_fetched_that_way_and_continuous_integration_says_that_it_is_that()
    {
        var dev = File.ReadAllLines(Samples.RepositoryFile("dev"));
        foreach (var script in new[] { "cedar-wasm.sh", "z3.sh", "go-spiffe.sh" })
            Assert.All(dev.Where(line => line.Contains($"deploy/dev/{script}", StringComparison.Ordinal)), line => Assert.StartsWith("evidence ", line.TrimStart(), StringComparison.Ordinal));
        Assert.Equal(3, dev.Count(line => line.TrimStart().StartsWith("evidence deploy/dev/", StringComparison.Ordinal)));
        Assert.Contains("export CI=true", File.ReadAllLines(Samples.RepositoryFile(".ci/run")));
    }

    // The function as it stands in the tool, under the tool's own options.
    private static async Task<(int Code, string Error)> RunAsync(string ci, string line)
    {
        var dev = File.ReadAllText(Samples.RepositoryFile("dev"));
        var from = dev.IndexOf("\nevidence() {", StringComparison.Ordinal);
        var function = dev[from..(dev.IndexOf("\n}\n", from, StringComparison.Ordinal) + 3)];
        var start = new ProcessStartInfo("bash", ["-c", $"set -euo pipefail{function}{line}"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["CI"] = ci;
        using var bash = Process.Start(start)!;
        var error = await bash.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (bash.ExitCode, error);
    }
}
