using System.Text.RegularExpressions;

namespace Identity.Policy.Tests;

/// <summary>The documents of docs/policy-administration.md are what the page says.</summary>
public sealed partial class PolicyAdministrationGuideTests
{
    private readonly string _guide = File.ReadAllText(Samples.RepositoryFile("docs/policy-administration.md"));

    [Fact]
    public void Every_role_on_the_page_is_read()
    {
        var roles = Blocks().Matches(_guide).Where(block => block.Groups[1].Value.StartsWith("kind: PolicyRole", StringComparison.Ordinal)).Select(block => PolicyRole.TryParse(block.Groups[1].Value, out var role, out var problems)
            ? role : throw new InvalidOperationException(string.Join('\n', problems))).ToList();

        Assert.Equal(["shop-team", "four-eyes"], roles.Select(role => role.Name));
        Assert.Equal([1, 1], roles.Select(role => role.Approvals));
        Assert.True(roles[1].AnySubject);
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Blocks();
}
