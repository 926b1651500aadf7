using System.Text.RegularExpressions;
using Identity.Testing.Platform;

namespace Identity.Tests.Cli.Guide;

/// <summary>
/// A page of docs/ as a reader would follow it: files to write down, commands to type with what they print, and, in comments that a reader does not see,
/// what happens meanwhile.
/// </summary>
internal sealed partial class GuidePage
{
    private GuidePage(string text, List<GuideStep> steps) => (Text, Steps) = (text, steps);

    public string Text { get; }

    public IReadOnlyList<GuideStep> Steps { get; }

    /// <summary>Commands of ours that nobody types: those between ticks within sentences and tables, and those of blocks that are no story.</summary>
    public IEnumerable<string> Mentioned => Inline().Matches(Fenced().Replace(Text, "")).Select(match => match.Groups[1].Value)
        .Concat(Shell().Matches(Text).SelectMany(block => block.Groups[1].Value.Replace(" \\\n", " ", StringComparison.Ordinal).Split('\n'))
            .Where(line => OurProgram().IsMatch(line)).Select(line => line.Split(" # ")[0]));

    /// <summary>Of its blocks, what they are written in.</summary>
    public IEnumerable<string> Languages => Opening().Matches(Text).Select(match => match.Groups[1].Value);

    public static GuidePage Read(string name)
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "docs", name));
        var steps = new List<GuideStep>();
        foreach (Match part in Part().Matches(text))
        {
            if (part.Groups["happens"].Success) steps.Add(new GuideStep.Happens(part.Groups["happens"].Value));
            else if (part.Groups["yaml"].Success) steps.Add(new GuideStep.Document(part.Groups["yaml"].Value));
            else steps.AddRange(Commands(part.Groups["console"].Value));
        }

        return new GuidePage(text, steps);
    }

    private static IEnumerable<GuideStep> Commands(string console)
    {
        foreach (var block in console.Split("$ ", StringSplitOptions.RemoveEmptyEntries))
        {
            var lines = block.TrimEnd('\n').Split('\n').ToList();
            var command = lines[0];
            var printed = 1;
            for (; command.EndsWith(" \\", StringComparison.Ordinal); printed++) command = $"{command[..^2]} {lines[printed].Trim()}";
            yield return new GuideStep.Command(command.Split(" # ")[0].Trim(), lines[printed..]);
        }
    }

    [GeneratedRegex(@"^```yaml\n(?<yaml>.*?)^```$|^```console\n(?<console>.*?)^```$|^<!-- (?<happens>[^\n]*) -->$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Part();

    [GeneratedRegex("^```.*?^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fenced();

    [GeneratedRegex("`((?:identity|identityd|[^\\s`]*identity-host) [^`]+)`")]
    private static partial Regex Inline();

    [GeneratedRegex("^```sh\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Shell();

    [GeneratedRegex("^(?:identity|identityd) ")]
    private static partial Regex OurProgram();

    [GeneratedRegex("^```([a-z]+)$", RegexOptions.Multiline)]
    private static partial Regex Opening();
}

internal abstract record GuideStep
{
    private GuideStep()
    {
    }

    /// <summary>A file of the reader's, called what its first line says (<c># name.yaml</c>), or after the first document with a name.</summary>
    public sealed record Document(string Text) : GuideStep
    {
        public string? FileName =>
            Regex.Match(Text, @"\A# (\S+\.yaml)\n") is { Success: true } said ? said.Groups[1].Value
            : Regex.Match(Text, @"^name: (\S+)$", RegexOptions.Multiline) is { Success: true } named ? $"{named.Groups[1].Value}.yaml" : null;
    }

    public sealed record Command(string Line, IReadOnlyList<string> Printed) : GuideStep;

    public sealed record Happens(string What) : GuideStep;
}
