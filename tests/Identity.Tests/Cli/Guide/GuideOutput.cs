using System.Text;
using System.Text.RegularExpressions;

namespace Identity.Tests.Cli.Guide;

/// <summary>
/// What a page shows beside what was printed. Times, users and ids may be others; the number of a revision stands for the one that was printed in its
/// place, then and later. A line of <c>…</c> stands for any lines, within a line for any text.
/// </summary>
internal sealed partial class GuideOutput
{
    private readonly Dictionary<string, string> _revisions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _ids = new(StringComparer.Ordinal);

    /// <summary>A word of a command on the page, as it is to be typed now.</summary>
    public string Typed(string word) =>
        _revisions.TryGetValue(word, out var revision) ? revision
        : word.EndsWith('…') && _ids.TryGetValue(word[..^1], out var id) ? id
        : word;

    public void Bind(string onPage, string printed) => _revisions[onPage] = printed;

    public bool Matches(IReadOnlyList<string> page, string printed)
    {
        var bound = new Dictionary<string, string>(_revisions, StringComparer.Ordinal);
        if (!Matches(page, 0, Lines(printed), 0, bound)) return false;
        foreach (var (onPage, now) in bound) _revisions[onPage] = now;
        foreach (Match id in Id().Matches(printed)) _ids[id.Groups[1].Value] = id.Value;
        foreach (Match hash in Hash().Matches(printed)) _ids[""] = hash.Value;
        return true;
    }

    private static string[] Lines(string printed) => printed.TrimEnd('\n').Length == 0 ? [] : [.. printed.TrimEnd('\n').Split('\n').Select(line => line.TrimEnd())];

    private static bool Matches(IReadOnlyList<string> page, int at, string[] printed, int from, Dictionary<string, string> bound)
    {
        for (; at < page.Count; at++, from++)
        {
            if (page[at].Trim() == "…")
            {
                for (var to = from; to <= printed.Length; to++)
                {
                    if (Matches(page, at + 1, printed, to, bound)) return true;
                }

                return false;
            }

            if (from >= printed.Length || !LineMatches(page[at].TrimEnd(), printed[from], bound)) return false;
        }

        return from == printed.Length;
    }

    private static bool LineMatches(string page, string printed, Dictionary<string, string> bound)
    {
        var pattern = new StringBuilder("^");
        var at = 0;
        var numbers = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match varies in Varies().Matches(page))
        {
            pattern.Append(Literal(page[at..varies.Index]));
            at = varies.Index + varies.Length;
            var number = varies.Groups["revision"].Value;
            pattern.Append(
                varies.Groups["id"].Success ? $"{varies.Groups["id"].Value}-[a-z0-9]+"
                : varies.Groups["time"].Success ? "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ"
                : varies.Groups["user"].Success ? "(?:unix:|uid=)\\d+"
                : varies.Groups["gap"].Success ? "  +"
                : varies.Groups["any"].Success ? ".*"
                : bound.TryGetValue(number, out var known) ? known
                : numbers.Add(number) ? $"(?<n{number}>\\d+)" : $"\\k<n{number}>");
        }

        pattern.Append(Literal(page[at..])).Append('$');
        var match = Regex.Match(printed, pattern.ToString(), RegexOptions.CultureInvariant);
        if (match.Success)
        {
            foreach (var number in numbers) bound[number] = match.Groups[$"n{number}"].Value;
        }

        return match.Success;
    }

    private static string Literal(string text) => Regex.Escape(text);

    // In this order: the number of a revision is one after that word, or at the start of a row.
    [GeneratedRegex(@"(?<id>\b[dps])-…|(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)|(?<user>(?:unix:|uid=)\d+)|(?<any>…)|(?<=revision )(?<revision>\d+)|^(?<revision>\d+)(?=  )|(?<=\S)(?<gap>  +)")]
    private static partial Regex Varies();

    [GeneratedRegex(@"\b([dps]-)[a-z2-7]{8,}\b")]
    private static partial Regex Id();

    [GeneratedRegex(@"\b[0-9a-f]{64}\b")]
    private static partial Regex Hash();
}
