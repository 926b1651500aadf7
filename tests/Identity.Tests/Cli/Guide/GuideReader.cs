// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using Spiffe.Net;
using State = Identity.Ledger.V1.PolicyStage.Types.State;

namespace Identity.Tests.Cli.Guide;

/// <summary>Somebody who does what a page says, line by line, at a running server.</summary>
internal sealed partial class GuideReader(RegistryServer server, TemporaryFolder folder)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // What these show comes a moment after what made it.
    private static readonly string[] ComesLater = ["identity policy stage status", "identity decisions", "identity policy shadow"];

    private readonly StringBuilder _transcript = new();
    private readonly List<string> _problems = [];
    private readonly Dictionary<string, string> _running = new(StringComparer.Ordinal);
    private AgentSession? _agent;
    private int _code;

    public GuideOutput Output { get; } = new();

    /// <summary>Commands of ours that were typed.</summary>
    public List<string> Executed { get; } = [];

    public async Task FollowAsync(GuidePage page)
    {
        for (var at = 0; at < page.Steps.Count; at++)
        {
            switch (page.Steps[at])
            {
                case GuideStep.Document document when document.FileName is { } name:
                    File.WriteAllText(folder.At(name), document.Text);
                    break;
                case GuideStep.Happens happens:
                    await HappenAsync(happens.What);
                    break;
                case GuideStep.Command command:
                    await TypeAsync(command);
                    if (command.Line == "echo $?") _code = 0;
                    if (_code != 0 && (at + 1 >= page.Steps.Count || page.Steps[at + 1] is not GuideStep.Command { Line: "echo $?" })) _problems.Add($"{command.Line}\n  ended with {_code}, and the page does not say so");
                    break;
            }
        }

        Assert.True(_problems.Count == 0, $"{string.Join("\n\n", _problems)}\n\n== all that was typed and printed\n{_transcript}");
    }

    private async Task TypeAsync(GuideStep.Command command)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            var printed = await RunAsync(command.Line);
            if (Output.Matches(command.Printed, printed))
            {
                _transcript.Append($"$ {command.Line}\n{printed}");
                return;
            }

            if (ComesLater.Any(line => command.Line.StartsWith(line, StringComparison.Ordinal)) && !patience.IsCancellationRequested)
            {
                await Task.Delay(50);
                continue;
            }

            _transcript.Append($"$ {command.Line}\n{printed}");
            _problems.Add($"$ {command.Line}\n  printed\n{printed}  but the page says\n{string.Join('\n', command.Printed)}");
            return;
        }
    }

    private async Task<string> RunAsync(string line)
    {
        if (line == "echo $?") return $"{_code}\n";
        if (!line.StartsWith("identity ", StringComparison.Ordinal)) return await ShellAsync(line);
        var words = Word().Matches(line).Select(word => word.Groups[1].Success ? word.Groups[1].Value : Argument(word.Value)).ToArray();
        if (Array.IndexOf(words, "--out") is >= 0 and var made) words[made + 1] = folder.At(words[made + 1]);
        Executed.Add(line);
        var file = words is [.., ">", var name] ? folder.At(name) : null;
        (_code, var output, var error) = await CliRun.RunAsync(server, file is null ? words[1..] : words[1..^2]);
        if (file is not null)
        {
            File.WriteAllText(file, output);
            return error;
        }

        return (output + error).Replace(folder.Path + "/", "", StringComparison.Ordinal);
    }

    private string Argument(string word) => File.Exists(folder.At(word)) ? folder.At(word) : Output.Typed(word);

    private async Task<string> ShellAsync(string line)
    {
        var start = new ProcessStartInfo("bash", ["-c", line]) { WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardError = true };
        using var shell = Process.Start(start)!;
        var output = await shell.StandardOutput.ReadToEndAsync() + await shell.StandardError.ReadToEndAsync();
        await shell.WaitForExitAsync();
        _code = shell.ExitCode;
        return output;
    }

    private async Task HappenAsync(string what)
    {
        _transcript.Append($"# {what}\n");
        if (Runs().Match(what) is { Success: true } runs) Start(runs.Groups[1].Value, runs.Groups[2].Value.Split(' '));
        else if (Ends().Match(what) is { Success: true } ends) _agent!.End(_running[ends.Groups[1].Value]);
        else if (Asks().Match(what) is { Success: true } asks) Ask(asks.Groups[1].Value, asks.Groups[2].Value);
        else if (Proposes().Match(what) is { Success: true } proposes) await ProposeAsync(proposes.Groups[1].Value, proposes.Groups[2].Value);
        else if (what == "the soak passes") await SoakAsync();
        else throw new FormatException($"nobody knows how to make this happen: {what}");
    }

    private void Start(string id, string[] imports)
    {
        _agent ??= server.Live.Open(SpiffeId.Parse("spiffe://example.org/spire/agent/local"));
        _running[id] = $"a-{_running.Count}";
        const string Digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        Assert.True(_agent.TryAdd(new ReportedAdmission(_running[id], SpiffeId.Parse(id), SpiffeId.Parse("spiffe://example.org/hosts/local"), Digest, "", 1)
        {
            Imports = new ComponentImports([.. imports.Select(name => new ComponentImport(name, ImportKind.Instance))]),
        }));
    }

    private void Ask(string id, string request) =>
        server.Service<DecisionPoint>().Decide(Principal.Process(SpiffeId.Parse(id)), [CapabilityRequest.Parse(request)], DoorName.Grpc);

    private async Task ProposeAsync(string id, string file) => await new PolicyWriter(await server.AsAsync(id)).ProposeAsync(File.ReadAllText(folder.At(file)));

    // A change of the ledger's, or a login, makes the server look at the time again; its clock is moved on by a step's length each time.
    private async Task SoakAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var observations = server.Service<StageObservations>();
        while (Soaking() is { } stage)
        {
            server.Time.Shift += TimeSpan.FromSeconds(stage.SoakSeconds + 1);
            do
            {
                observations.LoggedIn(SpiffeId.Parse("spiffe://example.org/somebody"));
                await Task.Delay(50, patience.Token);
            }
            while (Soaking() is { } now && now.Step == stage.Step);
        }

        Ledger.V1.PolicyStage? Soaking() => server.Ledger.State.Governance.Stages.Values.FirstOrDefault(stage => stage.State == State.Soaking);
    }

    [GeneratedRegex("\"([^\"]*)\"|\\S+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^(spiffe://\S+) runs with (.+)$")]
    private static partial Regex Runs();

    [GeneratedRegex(@"^(spiffe://\S+) ends$")]
    private static partial Regex Ends();

    [GeneratedRegex(@"^(spiffe://\S+) asks for (.+)$")]
    private static partial Regex Asks();

    [GeneratedRegex(@"^(spiffe://\S+) proposes (\S+)$")]
    private static partial Regex Proposes();
}
