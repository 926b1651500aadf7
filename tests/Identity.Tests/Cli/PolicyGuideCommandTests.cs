// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.CommandLine;
using Identity.Cli.Commands;
using Identity.Cli.Commands.Policy;
using Identity.Tests.Cli.Guide;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary>Every command of the pages on policy, typed in order as it stands there against a running server, prints what the page says.</summary>
public sealed class PolicyGuideCommandTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";

    private readonly TemporaryFolder _folder = new();
    private RegistryServer _server = null!;
    private GuideReader _reader = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _reader = new GuideReader(_server, _folder);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_guide_does_what_it_says()
    {
        await _reader.FollowAsync(GuidePage.Read("policy.md"));
        // The story is whole: from a first grant over a refusal and a trial to the way back.
        string[] told = ["check", "diff", "decide", "show", "stage", "stage status", "shadow", "history", "rollback", "schema"];
        Assert.All(told, verb => Assert.Contains(_reader.Executed, line => line.StartsWith($"identity policy {verb}", StringComparison.Ordinal)));
        Assert.All(["apply", "why", "decisions"], verb => Assert.Contains(_reader.Executed, line => line.StartsWith($"identity {verb}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_page_on_changing_policy_does_what_it_says()
    {
        // What the page takes for granted: that a role names Ann.
        await new PolicyWriter(_server.Admin).ApplyAsync(Role("team", Ann, approvals: 1));

        await _reader.FollowAsync(GuidePage.Read("policy-administration.md"));

        Assert.True(_reader.Executed.Count >= 12, $"only {_reader.Executed.Count} commands were found");
    }

    [Fact]
    public async Task The_expectations_of_the_page_on_verification_are_met_by_the_policy_beside_them()
    {
        await _reader.FollowAsync(GuidePage.Read("policy-verification.md"));
        Assert.Contains(_reader.Executed, line => line.StartsWith("identity policy test ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("policy.md", 8)]
    [InlineData("policy-administration.md", 6)]
    [InlineData("policy-enforcement.md", 1)]
    public async Task Every_document_of_a_page_is_put_into_force_by_the_server(string page, int atLeast)
    {
        var documents = GuidePage.Read(page).Steps.OfType<GuideStep.Document>().ToArray();
        Assert.True(documents.Length >= atLeast);
        foreach (var document in documents)
        {
            File.WriteAllText(_folder.At("document.yaml"), document.Text);
            var (code, output, error) = await CliRun.RunAsync(_server, "apply", "-f", _folder.At("document.yaml"), "--reason", "the page says so");
            Assert.True(code == 0, $"{document.Text}\n{output}{error}");
        }
    }

    [Theory]
    [InlineData("policy.md")]
    [InlineData("policy-administration.md")]
    [InlineData("policy-enforcement.md")]
    [InlineData("policy-verification.md")]
    public void Every_command_that_a_page_mentions_is_there_with_its_options(string page)
    {
        var root = new RootCommand { ApplyCommand.Create(), DeleteCommand.Create(), PolicyCommand.Create(), BundleCommand.Create(), EntryCommand.Create(), ComponentCommand.Create(), WhyCommand.Create(), DecisionsCommand.Create(), MintCommand.Create() };
        foreach (var mentioned in GuidePage.Read(page).Mentioned)
        {
            Command command = root;
            foreach (var word in mentioned.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1))
            {
                if (word.StartsWith('-')) Assert.True(command.Options.Any(option => option.Name == word || option.Aliases.Contains(word)), $"{page}: `{mentioned}`: there is no {word}");
                else if (command.Subcommands.FirstOrDefault(one => one.Name == word) is { } next) command = next;
                else Assert.True(command.Subcommands.Count == 0 || command.Arguments.Count > 0, $"{page}: `{mentioned}`: there is no {word}");
            }
        }
    }
}
