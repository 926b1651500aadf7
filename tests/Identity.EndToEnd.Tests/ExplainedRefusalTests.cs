using System.Text.Json;
using System.Text.RegularExpressions;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>A workload that has no identity can find out why, and what would give it one.</summary>
public sealed partial class ExplainedRefusalTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_decision_in_a_refusal_is_explained_by_the_command_line_and_turned_by_the_grant_it_shows()
    {
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await platform.StartServerAsync(Cancellation);
        await platform.StartAgentAsync(Cancellation);
        using var client = new WorkloadApiClient(new WorkloadApiClientOptions { Endpoint = WorkloadEndpoint.Parse($"unix://{platform.WorkloadSocket}") });

        // 1. This process has no entry. What the SDK throws names the decision, however much it leaves out of the endpoint's words.
        var refused = await Assert.ThrowsAsync<WorkloadApiException>(() => client.FetchX509SvidAsync(Cancellation));
        Assert.Equal(WorkloadApiFailure.NoIdentity, refused.Failure);
        var decision = DecisionId.Match(refused.Message).Value;
        Assert.True(decision.Length > 0, $"no decision in: {refused.Message}");

        // 2. `identity why` knows it as soon as the agent has told the server.
        var told = await UntilAsync(async () => (await platform.TryIdentityAsync(Cancellation, "why", decision)) is { Code: 0, Output: var output } ? output : null);
        Assert.StartsWith("denied: no registration entry fits this process", told, StringComparison.Ordinal);
        Assert.Contains($"unix:path:{Environment.ProcessPath}", told, StringComparison.Ordinal);
        Assert.Contains("this node has no registration entry for a process", told, StringComparison.Ordinal);
        Assert.Contains("smallest grant that would turn it:", told, StringComparison.Ordinal);

        // 3. The grant it shows, applied with a name filled in, is enough.
        var explained = JsonDocument.Parse(await platform.IdentityAsync(Cancellation, "why", decision, "--output", "json")).RootElement;
        var grant = explained.GetProperty("reasons")[0].GetProperty("smallestGrant").GetString()!;
        var file = Path.Combine(platform.Folder, "grant.yaml");
        await File.WriteAllTextAsync(file, grant.Replace("NAME", "explained", StringComparison.Ordinal), Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", file);
        var context = await UntilAsync(async () =>
        {
            try
            {
                return await client.FetchX509SvidAsync(Cancellation);
            }
            catch (WorkloadApiException e) when (e.IsWorthRetrying)
            {
                return null;
            }
        });
        Assert.Equal("spiffe://example.org/workloads/explained", Assert.Single(context.Svids).Id.ToString());
    }

    [Fact]
    public async Task A_decision_nobody_made_is_one_clear_line()
    {
        await using var fixture = new PlatformFixture();
        await fixture.Platform.StartServerAsync(Cancellation);
        var (code, output, error) = await fixture.Platform.TryIdentityAsync(Cancellation, "why", "d-aaaaaaaaaaaaaaaaaaaaaaaaaa");
        Assert.NotEqual(0, code);
        Assert.Empty(output);
        Assert.Contains("d-aaaaaaaaaaaaaaaaaaaaaaaaaa", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private static async Task<T> UntilAsync<T>(Func<Task<T?>> find)
        where T : class
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(PlatformFixture.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            if (await find() is { } found) return found;
            await tick.WaitForNextTickAsync(deadline.Token);
        }
    }

    [GeneratedRegex("d-[a-z2-7]{26}")]
    private static partial Regex DecisionId { get; }
}
