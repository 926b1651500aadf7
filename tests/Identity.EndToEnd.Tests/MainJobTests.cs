using Identity.Testing.Nats;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>What a newcomer sees: <c>./dev up --once</c>, with either end of the nats-server versions we support.</summary>
public sealed class MainJobTests
{
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task The_main_job_happens(NatsRelease release)
    {
        var folder = Directory.CreateTempSubdirectory("identity-up-").FullName;
        try
        {
            var environment = new Dictionary<string, string?> { ["NATS_SERVER"] = NatsServerBinary.Get(release).Path };
            var (code, output, error) = await LocalPlatform.RunAsync(
                Repository.Program("Identity.Dev", "identity-dev"), ["up", "--once", "--any-port", "--folder", folder], environment, TestContext.Current.CancellationToken);
            Assert.True(code == 0, $"exit {code}{Environment.NewLine}{error}{Environment.NewLine}{output}");

            foreach (var fact in new[]
            {
                "listener     received greetings.hello from spiffe://example.org/components/greeter",
                "nats-server  refused its publish to payroll.salaries",
                "snooper      denied before it was compiled: imports wasi:sockets/tcp",
                "snooper      the grant was applied: admitted and running",
                "snooper      the grant was taken away: its instance and its NATS connection were gone",
                "ztunnel      was given a certificate for spiffe://example.org/ns/default/sa/greeter",
                "each authorized the other's SPIFFE ID",
            })
            {
                Assert.Contains(fact, output, StringComparison.Ordinal);
            }
            // Not a terminal: no colour, no progress.
            Assert.DoesNotContain("\u001b", output, StringComparison.Ordinal);
            AssertNoSecrets(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("down")]
    [InlineData("check")]
    public async Task Where_nothing_was_ever_up_nothing_runs(string verb)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"identity-never-up-{Guid.NewGuid():N}");
        var (code, _, error) = await LocalPlatform.RunAsync(
            Repository.Program("Identity.Dev", "identity-dev"), [verb, "--any-port", "--folder", folder], new Dictionary<string, string?>(), TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (code, error));
        Assert.False(Directory.Exists(folder));
    }

    /// <summary>Logs and outputs of every process carry no token and no key.</summary>
    private static void AssertNoSecrets(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(folder, "logs")))
        {
            var text = File.ReadAllText(file);
            Assert.False(text.Contains("eyJ", StringComparison.Ordinal), $"{file} contains a JWT.");
            Assert.False(text.Contains("PRIVATE KEY", StringComparison.Ordinal), $"{file} contains a private key.");
            Assert.DoesNotMatch("\\bS[UAX][A-Z2-7]{56}\\b", text);
        }
    }
}
