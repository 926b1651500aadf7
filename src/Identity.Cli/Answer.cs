using System.CommandLine;
using Google.Protobuf;

namespace Identity.Cli;

/// <summary>Prints one answer: its protobuf JSON for scripts, or lines for a person.</summary>
internal static class Answer
{
    private static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true).WithIndentation());

    private const int MinWrapped = 20;
    private const string Indent = "    ";

    public static int Print(ParseResult parsed, IMessage message, Action<TextWriter> text)
    {
        var output = parsed.InvocationConfiguration.Output;
        if (GlobalOptions.Json(parsed))
            output.WriteLine(Json.Format(message));
        else
            text(output);
        return ExitCode.Ok;
    }

    /// <summary>A number with its noun: <c>1 policy</c>, <c>2 policies</c>.</summary>
    public static string Count(long number, string one, string? many = null) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{number} {(number == 1 ? one : many ?? one + "s")}");

    /// <summary>
    /// Aligned columns, the last one wrapped on a terminal. Where they do not fit, the last one goes below the others, or each row is a block of its own. An empty
    /// table says so in words.
    /// </summary>
    public static void Table(TextWriter output, string nothing, string[] header, IReadOnlyList<string[]> rows) =>
        Table(output, nothing, header, rows, WidthOf(output));

    /// <summary>Characters of a line of the terminal that this writes to; 0 for no bound, as for a file.</summary>
    public static int WidthOf(TextWriter output) => ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected ? Console.WindowWidth : 0;

    /// <summary>One line; on a terminal it is wrapped at words, and what follows the first stands further in.</summary>
    public static void Line(TextWriter output, string text, int width)
    {
        var lead = text.Length - text.TrimStart(' ').Length;
        var room = width - lead - Indent.Length >= MinWrapped ? width - lead : int.MaxValue;
        var before = new string(' ', lead);
        foreach (var line in Wrap(text[lead..], room, room - Indent.Length))
        {
            output.WriteLine(before + line);
            if (before.Length == lead) before += Indent;
        }
    }

    /// <param name="width">Characters of a line; 0 for no bound, as for a file.</param>
    public static void Table(TextWriter output, string nothing, string[] header, IReadOnlyList<string[]> rows, int width)
    {
        if (rows.Count == 0)
        {
            output.WriteLine(nothing);
            return;
        }
        var widths = header.Select((title, column) => Math.Max(title.Length, rows.Max(row => row[column].Length))).ToArray();
        var others = widths[..^1].Sum() + (2 * (widths.Length - 1));
        if (width > 0 && others > width / 2 && others + widths[^1] > width)
        {
            Blocks(output, header, rows, others <= width ? widths : null, width);
            return;
        }

        foreach (var row in rows.Prepend(header))
        {
            var before = string.Concat(row[..^1].Select((cell, column) => cell.PadRight(widths[column] + 2)));
            Wrapped(output, before, row[^1], width);
        }
    }

    // With widths: all but the last cell in a line, and the last below. Without: each cell after the first in a line of its own.
    private static void Blocks(TextWriter output, string[] header, IReadOnlyList<string[]> rows, int[]? widths, int width)
    {
        var titles = header[1..].Max(title => title.Length) + 2;
        if (widths is not null)
            output.WriteLine(string.Concat(header[..^1].Select((cell, column) => cell.PadRight(widths[column] + 2))).TrimEnd());
        foreach (var row in rows)
        {
            if (widths is not null)
            {
                output.WriteLine(string.Concat(row[..^1].Select((cell, column) => cell.PadRight(widths[column] + 2))).TrimEnd());
                Wrapped(output, Indent, row[^1], width);
                continue;
            }

            output.WriteLine(row[0]);
            for (var column = 1; column < row.Length; column++)
                Wrapped(output, $"{Indent}{header[column].ToLowerInvariant().PadRight(titles)}", row[column], width);
        }
    }

    private static void Wrapped(TextWriter output, string before, string text, int width)
    {
        // A few characters a line would be harder to read than what runs over the edge.
        var room = width - before.Length >= MinWrapped ? width - before.Length : int.MaxValue;
        foreach (var line in Wrap(text, room, room))
        {
            output.WriteLine($"{before}{line}".TrimEnd());
            before = new string(' ', before.Length);
        }
    }

    // At spaces; a word that is longer than a line stays whole, for it may be meant to be copied.
    private static IEnumerable<string> Wrap(string text, int first, int room)
    {
        for (var width = first; text.Length > width; width = room)
        {
            var space = text.LastIndexOf(' ', width);
            if (space <= 0) space = text.IndexOf(' ', width);
            if (space < 0) break;
            yield return text[..space];
            text = text[(space + 1)..];
        }

        yield return text;
    }

    public static string Time(Google.Protobuf.WellKnownTypes.Timestamp? time) =>
        time is null ? "-" : time.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
