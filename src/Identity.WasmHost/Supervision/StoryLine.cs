using System.Text;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Supervision;

/// <summary>
/// Standard output for people and scripts: one fact, one line, <c>what key=value …</c>. Values with other than plain characters are quoted;
/// whatever a guest or a peer said is made printable and bounded first.
/// </summary>
internal sealed class StoryLine(TextWriter output)
{
    private const int MaxValue = 2048;

    public void Tell(string what, params ReadOnlySpan<(string Key, string? Value)> facts)
    {
        var line = new StringBuilder(what);
        foreach (var (key, value) in facts)
        {
            if (string.IsNullOrEmpty(value)) continue;
            line.Append(' ').Append(key).Append('=').Append(Quoted(PrintableText.Of(value.ReplaceLineEndings("\\n"), MaxValue)));
        }

        lock (output)
        {
            output.WriteLine(line.ToString());
            output.Flush();
        }
    }

    private static string Quoted(string value) => value.AsSpan().IndexOfAny(" \"=") < 0
        ? value
        : $"\"{value.Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
