using System.CommandLine;
using Google.Protobuf;

namespace Identity.Cli;

/// <summary>Prints one answer: its protobuf JSON for scripts, or lines for a person.</summary>
internal static class Answer
{
    private static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true).WithIndentation());

    public static int Print(ParseResult parsed, IMessage message, Action<TextWriter> text)
    {
        var output = parsed.InvocationConfiguration.Output;
        if (GlobalOptions.Json(parsed))
            output.WriteLine(Json.Format(message));
        else
            text(output);
        return ExitCode.Ok;
    }

    /// <summary>Aligned columns; an empty table says so in words.</summary>
    public static void Table(TextWriter output, string nothing, string[] header, IReadOnlyList<string[]> rows)
    {
        if (rows.Count == 0)
        {
            output.WriteLine(nothing);
            return;
        }
        var widths = header.Select((title, column) => Math.Max(title.Length, rows.Max(row => row[column].Length))).ToArray();
        foreach (var row in rows.Prepend(header))
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column == row.Length - 1 ? cell : cell.PadRight(widths[column]))));
    }

    public static string Time(Google.Protobuf.WellKnownTypes.Timestamp? time) =>
        time is null ? "-" : time.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
