using System.Globalization;
using System.Text;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>A table of percentiles in Markdown.</summary>
internal sealed class Table(params string[] columns)
{
    private readonly List<string[]> _rows = [];

    /// <param name="milliseconds">Of each event; empty where none was timed.</param>
    public void Add(string name, List<double> milliseconds, params string[] others) => AddRow([name, Text(milliseconds, 50), Text(milliseconds, 99), .. others]);

    public void AddRow(params string[] cells) => _rows.Add(cells);

    public static double Percentile(List<double> values, double percent)
    {
        var sorted = values.Order().ToList();
        return sorted[(int)Math.Ceiling(percent / 100 * sorted.Count) - 1];
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        Row(columns);
        Row([.. columns.Select(_ => "---")]);
        foreach (var row in _rows) Row(row);
        return text.ToString();

        void Row(string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    private static string Text(List<double> milliseconds, double percent) =>
        milliseconds.Count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Percentile(milliseconds, percent):F2} ms");
}
