// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.CommandLine;
using Identity.Agent.Admission;
using Identity.Cli;
using Identity.Cli.Commands;
using Identity.Cli.Commands.Policy;
using Identity.Policy;
using Identity.Server.Endpoints;
using Identity.Testing.Platform;
using Identity.Tests.Cli.Guide;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using Identity.Tests.WasmHost;
using Identity.WasmHost;
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
        // What the build of the samples makes of it.
        Directory.CreateDirectory(_folder.At("artifacts/samples"));
        File.WriteAllBytes(_folder.At("artifacts/samples/greeter.wasm"), Guest.Binary(File.ReadAllText(Path.Combine(Repository.Root, "deploy", "samples", "greeter.wat"))));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_guide_does_what_it_says()
    {
        // Whoever reads the page has a host: `./dev up` registers it.
        var host = new Spire.Api.Types.Entry
        {
            SpiffeId = new() { TrustDomain = "example.org", Path = "/hosts/local" },
            ParentId = new() { TrustDomain = "example.org", Path = "/spire/server" },
            Selectors = { new Spire.Api.Types.Selector { Type = "unix", Value = "uid:1" } },
        };
        Assert.Equal(0, (await new Spire.Api.Server.Entry.V1.Entry.EntryClient(_server.Admin).BatchCreateEntryAsync(new() { Entries = { host } })).Results[0].Status.Code);
        await _reader.FollowAsync(GuidePage.Read("policy.md"));
        // The story is whole: from a first grant over a refusal and a trial to the way back, and from open to least.
        string[] told = ["check", "diff", "decide", "show", "stage", "stage status", "shadow", "history", "rollback", "schema", "suggest"];
        Assert.All(told, verb => Assert.Contains(_reader.Executed, line => line.StartsWith($"identity policy {verb}", StringComparison.Ordinal)));
        Assert.All(["apply", "why", "decisions", "component sign", "component signers"], verb => Assert.Contains(_reader.Executed, line => line.StartsWith($"identity {verb}", StringComparison.Ordinal)));
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

    [Fact]
    public async Task The_page_on_decision_points_does_what_it_says_of_links()
    {
        await _reader.FollowAsync(GuidePage.Read("decision-points.md"));
        Assert.All(["links", "suggest"], verb => Assert.Contains(_reader.Executed, line => line.StartsWith($"identity policy {verb} ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Nothing_in_a_block_of_the_guide_is_neither_read_nor_typed() =>
        Assert.All(GuidePage.Read("policy.md").Languages, language => Assert.True(language is "yaml" or "console", $"nobody tries a block of {language}"));

    [Fact]
    public void The_host_of_the_guide_starts_what_the_guide_lets_start()
    {
        var page = GuidePage.Read("policy.md");
        var line = Assert.Single(page.Mentioned, mentioned => mentioned.Contains("identity-host ", StringComparison.Ordinal));
        const string Sample = "artifacts/samples/snooper.wasm";
        var bytes = Guest.Binary(File.ReadAllText(Path.Combine(Repository.Root, "deploy", "samples", "snooper.wat")));
        File.WriteAllBytes(_folder.At(Sample), bytes);
        var caFile = _folder.At("ca.pem");
        File.WriteAllText(caFile, "read when it connects");
        var words = line.Replace("$IDENTITY_BROKER_SOCKET", "unix:///run/identity/broker.sock", StringComparison.Ordinal)
            .Replace("$NATS_URL", "tls://127.0.0.1:4222", StringComparison.Ordinal).Replace("$NATS_CA", caFile, StringComparison.Ordinal).Replace(Sample, _folder.At(Sample), StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var environment = new Dictionary<string, string> { ["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/identity/agent.sock" };
        Assert.True(ComponentHostOptions.TryRead(words[1..], environment, out var options, out var problem), problem);
        var (name, file) = Assert.Single(options.Components);

        // It is the sample that is built from this text, and the page's crawler with the two capabilities that the page adds.
        Assert.Equal(("crawler", _folder.At(Sample)), (name, file));
        Assert.True(ComponentReader.TryRead(bytes, out var component, out var flaw), flaw);
        var crawler = page.Steps.OfType<GuideStep.Document>().Single(document => document.FileName == "crawler.yaml").Text;
        Assert.All(More, more => Assert.Contains($"`{more}`", page.Text, StringComparison.Ordinal));
        Assert.IsType<global::Identity.Policy.Decision.Admitted>(Start(crawler.Replace("[start, ", $"[start, {string.Join(", ", More)}, ", StringComparison.Ordinal)));
        Assert.All(More, missing => Assert.IsType<global::Identity.Policy.Decision.Denied>(Start(crawler.Replace("[start, ", $"[start, {More.Single(other => other != missing)}, ", StringComparison.Ordinal))));

        global::Identity.Policy.Decision Start(string manifest)
        {
            Assert.True(ManifestReader.TryRead(manifest, out var read, out var problems), string.Join('\n', problems));
            var entry = Assert.Single(read.Entries);
            Assert.Contains($"wasm:name:{name}", entry.Selectors);
            var start = new ComponentStart(global::Identity.Policy.Principal.Component(entry.SpiffeId, ComponentDigest.Of(bytes), entry.ParentId), name, component);
            return CallDoor.Decide(CapabilityPolicy.Create(read.Policies, revision: 1), start, HostCalls.FirstOf(HostCalls.All, component), TimeProvider.System.GetUtcNow());
        }
    }

    private static readonly string[] More = ["{ import: wasmcloud:messaging/consumer@0.2.0 }", "{ export: \"#run\" }"];

    [Theory]
    [InlineData("policy.md")]
    [InlineData("policy-administration.md")]
    [InlineData("policy-enforcement.md")]
    [InlineData("policy-verification.md")]
    [InlineData("decision-points.md")]
    public void Every_command_that_a_page_mentions_is_there_with_its_options(string page)
    {
        var root = new RootCommand
        {
            ApplyCommand.Create(), DeleteCommand.Create(), PolicyCommand.Create(), BundleCommand.Create(), EntryCommand.Create(), ComponentCommand.Create(), WhyCommand.Create(), DecisionsCommand.Create(),
            MintCommand.Create(), StatusCommand.Create(), NatsCommand.Create(), AgentCommand.Create(), TokenCommand.Create(), LedgerCommand.Create(),
        };
        foreach (var option in GlobalOptions.All(CliConfiguration.Load(_ => null))) root.Options.Add(option);
        foreach (var mentioned in GuidePage.Read(page).Mentioned)
        {
            var words = mentioned.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
            if (words[0] != "identity")
            {
                // The host's are read whole, above.
                if (words[0] == "identityd") Assert.All(words.Where(word => word.StartsWith('-')), word => Assert.True(ServerSettings.Known.ContainsKey(word[2..]), $"{page}: `{mentioned}`: there is no {word}"));
                continue;
            }

            Command command = root;
            foreach (var word in words.Skip(1).TakeWhile(word => word != ">"))
            {
                if (word.StartsWith('-')) Assert.True(command.Options.Concat(root.Options).Any(option => option.Name == word || option.Aliases.Contains(word)), $"{page}: `{mentioned}`: there is no {word}");
                else if (command.Subcommands.FirstOrDefault(one => one.Name == word) is { } next) command = next;
                else Assert.True(command.Subcommands.Count == 0 || command.Arguments.Count > 0, $"{page}: `{mentioned}`: there is no {word}");
            }
        }
    }
}
