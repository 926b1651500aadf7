using Identity.Testing.Platform;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What docs/sdk.md shows a newcomer is what the build compiles, and it works.</summary>
public sealed class QuickstartTests : IAsyncLifetime
{
    // A machine that builds something else meanwhile is slow.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("quickstart-").FullName;
    private readonly TestAuthority _authority = new();
    private readonly List<IAsyncDisposable> _owned = [];

    public static TheoryData<string> Shown =>
    [
        "deploy/samples/quickstart/Server/Program.cs",
        "deploy/samples/quickstart/Client/Program.cs",
        "tests/Identity.Tests/WorkloadApi/SdkSnippets.cs#authentication",
        "tests/Identity.Tests/WorkloadApi/SdkSnippets.cs#tokens",
        .. ((string[])["watch", "channel", "accept", "connect", "both", "subject"]).Select(region => $"tests/Identity.Tests/WorkloadApi/SdkMoreSnippets.cs#{region}"),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Shown))]
    public async Task The_documentation_shows_exactly_what_is_built(string source)
    {
        var documentation = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "sdk.md"), Cancellation);
        Assert.Contains($"```csharp\n{await ReadAsync(source)}```\n", documentation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_documentation_shows_no_other_code()
    {
        var documentation = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "sdk.md"), Cancellation);
        Assert.Equal(Shown.Count, documentation.Split("```csharp").Length - 1);
    }

    [Theory]
    [InlineData("deploy/samples/quickstart/Server/Program.cs")]
    [InlineData("deploy/samples/quickstart/Client/Program.cs")]
    public async Task A_whole_program_is_ten_lines(string source) =>
        Assert.InRange((await ReadAsync(source)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, 5, 10);

    [Fact]
    [Trait("rule", "WLEP-06")]
    public async Task The_two_programs_talk_and_refuse_others()
    {
        var server = await StartServerAsync();
        var said = await RunClientAsync(Repository.Program("Quickstart.Client", "quickstart-client"), server, "/client");
        Assert.Equal("hello spiffe://example.org/client, this is spiffe://example.org/server", said);
        await Assert.ThrowsAsync<InvalidOperationException>(() => RunClientAsync(Repository.Program("Quickstart.Client", "quickstart-client"), server, "/stranger"));
    }

    [Fact]
    public async Task The_client_works_compiled_ahead_of_time_from_the_package()
    {
        var native = Path.Combine(Repository.Root, "artifacts", "package-smoke", "publish", "quickstart-client");
        Assert.SkipUnless(File.Exists(native), "NOT TESTED, the client compiled ahead of time: deploy/dev/package-smoke.sh builds it from the packages (it needs clang or gcc, and zlib's headers).");
        var server = await StartServerAsync();
        Assert.Equal("hello spiffe://example.org/client, this is spiffe://example.org/server", await RunClientAsync(native, server, "/client"));
    }

    private async Task<string> StartServerAsync()
    {
        var environment = await EnvironmentAsync("/server");
        var server = ManagedProcess.Start("server", _folder, Repository.Program("Quickstart.Server", "quickstart-server"), ["--urls", "https://127.0.0.1:0"], environment);
        _owned.Add(server);
        const string Listening = "Now listening on: ";
        var line = await server.LineAsync(line => line.Contains(Listening, StringComparison.Ordinal), Deadline, Cancellation);
        return line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].Trim();
    }

    private async Task<string> RunClientAsync(string program, string address, string path)
    {
        var client = ManagedProcess.Start($"client-{Guid.NewGuid():N}", _folder, program, [address], await EnvironmentAsync(path));
        _owned.Add(client);
        return await client.LineAsync(_ => true, Deadline, Cancellation);
    }

    private async Task<Dictionary<string, string?>> EnvironmentAsync(string path)
    {
        var api = await FakeWorkloadApi.StartAsync();
        _owned.Add(api);
        api.Serve(_authority.Respond(_authority.Id(path)));
        return new() { [WorkloadEndpoint.EnvironmentVariable] = api.Endpoint.ToString(), ["DOTNET_EnableDiagnostics"] = "0" };
    }

    // A file, or the region of it between "// <name>" and "// </name>", without its indentation.
    private static async Task<string> ReadAsync(string source)
    {
        var (file, region) = source.Split('#') is [var before, var after] ? (before, after) : (source, null);
        var lines = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, file), Cancellation);
        if (region is not null)
        {
            var inside = lines.SkipWhile(line => line.Trim() != $"// <{region}>").Skip(1).TakeWhile(line => line.Trim() != $"// </{region}>").ToArray();
            var indentation = inside.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
            // The tests' endpoint is not that of the environment, which is the readers'.
            lines = [.. inside.Select(line => line.Length > 0 ? line[indentation..].Replace("(options)", "()", StringComparison.Ordinal) : line)];
        }

        return string.Concat(lines.Select(line => line + "\n"));
    }
}
