using System.Text.Json;
using Identity.Testing.Platform;

namespace Identity.Dev;

/// <summary>Policies in force that the main job did not apply: left from before, they may be why it does not happen.</summary>
internal static class ForeignPolicies
{
    private static readonly string[] Ours = ["platform", "snooper-grant"];

    /// <summary>What is known of them and how to take them away, line by line; nothing when there are none or nobody can be asked.</summary>
    public static async Task<IReadOnlyList<string>> FindAsync(LocalPlatform platform)
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            using var policies = JsonDocument.Parse(await platform.IdentityAsync(patience.Token, "policy", "list", "--output", "json"));
            string[] names = [.. policies.RootElement.GetProperty("policies").EnumerateArray().Select(policy => policy.GetProperty("name").GetString()!).Except(Ours)];
            if (names.Length == 0)
                return [];
            using var decisions = JsonDocument.Parse(await platform.IdentityAsync(patience.Token, "decisions", "--denied", "--limit", "50", "--output", "json"));
            string[] inTheWay = [.. decisions.RootElement.GetProperty("decisions").EnumerateArray().SelectMany(decision => decision.GetProperty("reasons").EnumerateArray())
                .Where(reason => names.Any(name => reason.GetProperty("rule").GetString()!.StartsWith(name + "/", StringComparison.Ordinal))
                    && reason.GetProperty("explanation").GetString()!.Contains("forbids", StringComparison.Ordinal))
                .Select(reason => $"in the way: {reason.GetProperty("explanation").GetString()}").Distinct().Take(5)];
            return
            [
                .. inTheWay.Length > 0 ? inTheWay : [$"policies that are not of the sample are in force, and may be in the way: {string.Join(", ", names)}"],
                .. names.Where(name => inTheWay.Length == 0 || inTheWay.Any(line => line.Contains($"rule {name}/", StringComparison.Ordinal)))
                    .Select(name => $"to take it away: source .dev/env && identity policy delete {name}"),
            ];
        }
        catch (Exception e) when (e is InvalidOperationException or OperationCanceledException or JsonException or KeyNotFoundException or IOException)
        {
            return [];
        }
    }
}
