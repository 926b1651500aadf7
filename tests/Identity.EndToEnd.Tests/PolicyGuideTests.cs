using System.Text.RegularExpressions;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>What docs/policy.md says of its crawler, with the programs themselves: the line that runs it runs it, and the page's next rule, enforced, ends it.</summary>
public sealed partial class PolicyGuideTests
{
    private static readonly string[] More = ["{ import: wasmcloud:messaging/consumer@0.2.0 }", "{ export: \"#run\" }", "{ natsPublish: snooper.ready }"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_line_of_the_guide_runs_its_crawler_until_its_next_rule()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "policy.md"), Cancellation);
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await fixture.StartWithEntriesAsync(Cancellation);

        // 1. As the page has it, the sample lacks two capabilities, and is denied for them.
        var line = Host().Match(page).Groups[1].Value;
        Assert.Contains("--component crawler=artifacts/samples/snooper.wasm", line, StringComparison.Ordinal);
        var crawler = Document(page, "crawler");
        await ApplyAsync(platform, crawler);
        var host = await StartAsync(platform, line);
        Assert.Contains("wasmcloud:messaging/consumer@0.2.0", await PlatformFixture.StateAsync(host, "crawler", "denied", 0, Cancellation), StringComparison.Ordinal);

        // 2. With what the page adds it runs, and has said so on NATS.
        Assert.All(More, more => Assert.Contains($"`{more}`", page, StringComparison.Ordinal));
        await ApplyAsync(platform, crawler.Replace("[start, ", $"[start, {string.Join(", ", More)}, ", StringComparison.Ordinal));
        await PlatformFixture.StateAsync(host, "crawler", "running", 0, Cancellation);
        await host.LineAsync(told => told.StartsWith("guest name=crawler ok=true", StringComparison.Ordinal), 0, PlatformFixture.Patience, Cancellation);

        // 3. No component shall use sockets any more; the page only watches at first.
        var seen = host.Lines().Length;
        var shadow = Document(page, "no-sockets");
        Assert.Contains("mode: shadow", shadow, StringComparison.Ordinal);
        await ApplyAsync(platform, shadow.Replace("mode: shadow", "mode: enforce", StringComparison.Ordinal));
        await PlatformFixture.StateAsync(host, "crawler", "ended", seen, Cancellation);
    }

    private static Task<ManagedProcess> StartAsync(LocalPlatform platform, string line)
    {
        var words = line.Replace("$IDENTITY_BROKER_SOCKET", $"unix://{platform.BrokerSocket}", StringComparison.Ordinal)
            .Replace("$NATS_URL", platform.NatsUrl, StringComparison.Ordinal).Replace("$NATS_CA", platform.NatsCaFile, StringComparison.Ordinal)
            .Replace("artifacts/", Path.Combine(Repository.Root, "artifacts") + "/", StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return platform.StartAsync("identity-host", words[0], words[1..], told => told.StartsWith("ready identity-host", StringComparison.Ordinal), Cancellation);
    }

    private static async Task ApplyAsync(LocalPlatform platform, string text)
    {
        var file = Path.Combine(platform.Folder, $"{Guid.NewGuid():n}.yaml");
        await File.WriteAllTextAsync(file, text, Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", file);
    }

    private static string Document(string page, string name) =>
        Yaml().Matches(page).Select(match => match.Groups[1].Value).First(text => text.Contains($"\nname: {name}\n", StringComparison.Ordinal));

    [GeneratedRegex("`([^\\s`]*identity-host [^`]+)`")]
    private static partial Regex Host();

    [GeneratedRegex("^```yaml\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Yaml();
}
