using Identity.Cli;

namespace Identity.Tests.Cli;

/// <summary>Whoever mistypes a command is told what, in words and not in types of the program.</summary>
public sealed class CommandLineErrorsTests
{
    [Theory]
    [InlineData("identity: --at is 'now'; expected a whole number, 0 or more\n", "decide", "policy", "decide", "spiffe://example.org/shop", "start", "--at", "now")]
    [InlineData("identity: --at is '1e3'; expected a whole number, 0 or more\n", "decide", "policy", "decide", "spiffe://example.org/shop", "start", "--at", "1e3")]
    [InlineData("identity: --time is 'yesterday'; expected a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31, both in UTC\n", "decide", "policy", "decide", "spiffe://example.org/shop", "start", "--time", "yesterday")]
    [InlineData("identity: --time is '01/02/2026'; expected a time", "decide", "policy", "decide", "spiffe://example.org/shop", "start", "--time", "01/02/2026")]
    [InlineData("identity: <request> is missing\n", "decide", "policy", "decide", "spiffe://example.org/shop")]
    [InlineData("identity: --limit is '-3'; expected a whole number, 0 or more\n", "history", "policy", "history", "--limit", "-3")]
    [InlineData("identity: --limit is '99999999999'; expected a whole number, 0 or more\n", "history", "policy", "history", "--limit", "99999999999")]
    [InlineData("identity: --limit needs a value\n", "history", "policy", "history", "--limit")]
    public async Task Says_what_was_wrong_and_where_the_whole_is_told(string said, string command, params string[] arguments)
    {
        var (code, output, error) = await CliServer.RunOfflineAsync(arguments);
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.StartsWith(said, error, StringComparison.Ordinal);
        Assert.EndsWith($"\nUsage: identity policy {command} --help\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mistyped_word_is_answered_with_the_one_that_was_meant()
    {
        var (code, output, error) = await CliServer.RunOfflineAsync("policy", "chek");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("Did you mean one of the following?\ncheck\n", output + error, StringComparison.Ordinal);
        Assert.DoesNotContain("Options:", output + error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_command_all_are_shown()
    {
        var (code, output, error) = await CliServer.RunOfflineAsync("policy");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("check", output + error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-01-31")]
    [InlineData("2026-01-31T12:00Z")]
    [InlineData("2026-01-31 12:00:00Z")]
    [InlineData("2026-01-31T12:00:00.5+02:00")]
    public async Task A_time_is_read_as_answers_and_documents_write_it(string time) =>
        // It gets as far as asking a server, and there is none.
        Assert.Contains("no server answers", (await CliServer.RunOfflineAsync("policy", "decide", "spiffe://example.org/shop", "start", "--time", time)).Error, StringComparison.Ordinal);
}
