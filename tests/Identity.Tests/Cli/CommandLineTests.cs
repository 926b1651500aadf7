using Identity.Testing.Platform;
using Xunit;

namespace Identity.Tests.Cli;

/// <summary>The shipped program, as a script would use it.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData(2, "aply")]
    [InlineData(2, "apply")]
    [InlineData(2, "apply", "-f", "/no/such/file")]
    [InlineData(2, "status", "--output", "xml")]
    [InlineData(2, "agent", "ban", "not-a-spiffe-id")]
    [InlineData(2, "status", "--no-such-option")]
    [InlineData(2, "mint", "x509", "spiffe://example.org/a", "--output-dir", "/nonexistent", "--dns-name", "b\u00fccher.example")]
    [InlineData(3, "component", "inspect", "/etc/hostname")]
    [InlineData(2, "mint", "jwt", "spiffe://example.org/a", "--audience", "x", "--ttl", "5x")]
    [InlineData(2, "mint", "jwt", "spiffe://example.org/a", "--audience", "x", "--ttl", "99999999h")]
    [InlineData(5, "mint", "jwt", "spiffe://example.org/a", "--audience", "x", "--ttl", "5m")]
    [InlineData(5, "mint", "jwt", "spiffe://example.org/a", "--audience", "x", "--ttl", "300")]
    [InlineData(5, "status")]
    [InlineData(5, "why", "d-aaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task Exit_codes_tell_what_went_wrong(int expected, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(arguments);
        Assert.Equal(expected, code);
        Assert.NotEmpty(error);
        Assert.DoesNotContain("   at ", error + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_with_problems_is_refused_whole_with_file_line_and_column()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "kind: CapabilityPolicy\nname: x\nrulez: []\n", TestContext.Current.CancellationToken);
            var (code, _, error) = await RunAsync("apply", "-f", file);
            Assert.Equal(2, code);
            Assert.Contains("nothing was sent", error, StringComparison.Ordinal);
            Assert.Contains($"{file}: line 3, column 1", error, StringComparison.Ordinal);
            Assert.Contains("rules", error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("IDENTITY_OUTPUT", "yaml", "'yaml' is unknown")]
    [InlineData("XDG_CONFIG_HOME", null, "unknown key 'admin_socket'")]
    public async Task Configuration_that_is_wrong_is_one_line_and_exit_code_2(string variable, string? value, string problem)
    {
        using var folder = new Server.TemporaryFolder();
        Directory.CreateDirectory(Path.Combine(folder.Path, "identity"));
        if (value is null) await File.WriteAllTextAsync(Path.Combine(folder.Path, "identity", "config.json"), """{"admin_socket": "/x"}""", TestContext.Current.CancellationToken);
        var (code, _, error) = await LocalPlatform.RunAsync(
            Repository.Program("Identity.Cli", "identity"), ["status"],
            new Dictionary<string, string?> { [variable] = value ?? folder.Path }, TestContext.Current.CancellationToken);
        Assert.Equal(2, code);
        Assert.Contains(problem, Assert.Single(error.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--expected-revision guards policies", "apply", "--expected-revision", "7")]
    [InlineData("2 documents give 'spiffe://example.org/a' to the same parent and selectors", "apply", "-f", "TWICE")]
    public async Task Entries_that_cannot_be_applied_as_asked_are_refused_before_anything_is_sent(string problem, params string[] arguments)
    {
        using var folder = new Server.TemporaryFolder();
        string[] files = [Path.Combine(folder.Path, "a.yaml"), Path.Combine(folder.Path, "b.yaml")];
        foreach (var file in files)
        {
            await File.WriteAllTextAsync(
                file, "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nparentId: spiffe://example.org/nodes/n\nselectors: [unix:uid:1]\n", TestContext.Current.CancellationToken);
        }

        var (code, _, error) = await RunAsync([.. arguments[..^(arguments[^1] == "TWICE" ? 1 : 0)], .. arguments[^1] == "TWICE" ? files : ["-f", files[0]]]);
        Assert.Equal(2, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dry_run_checks_the_files_and_needs_no_server()
    {
        var (code, output, _) = await RunAsync("apply", "--dry-run", "-f", Repository.Sample("platform.yaml"));
        Assert.Equal(0, code);
        Assert.Contains("valid", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bash", "complete ")]
    [InlineData("zsh", "#compdef identity")]
    [InlineData("fish", "complete -c identity")]
    public async Task Completion_scripts_exist_for_each_shell(string shell, string expected)
    {
        var (code, output, _) = await RunAsync("completion", shell);
        Assert.Equal(0, code);
        Assert.Contains(expected, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_words_that_may_follow_are_suggested()
    {
        var (_, output, _) = await RunAsync("[suggest:12]", "identity nat");
        Assert.Equal("nats", output.Trim());
    }

    private static Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => LocalPlatform.RunAsync(
        Repository.Program("Identity.Cli", "identity"), arguments,
        new Dictionary<string, string?> { ["IDENTITY_ADMIN_SOCKET"] = "/nonexistent/admin.sock" }, TestContext.Current.CancellationToken);
}
