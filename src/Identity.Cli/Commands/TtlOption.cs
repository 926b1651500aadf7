using System.CommandLine;
using System.Globalization;

namespace Identity.Cli.Commands;

/// <summary><c>--ttl</c>: a time as documents write it, <c>30s</c>, <c>5m</c> or <c>1h</c>; a bare number is seconds.</summary>
internal static class TtlOption
{
    public static Option<string> Create(string description, string otherwise) =>
        new("--ttl") { Description = $"{description}: 30s, 5m, 1h, or a number of seconds", HelpName = "TIME", DefaultValueFactory = _ => otherwise };

    /// <exception cref="UsageException">It is no time.</exception>
    public static int Seconds(ParseResult parsed, Option<string> option)
    {
        var text = parsed.GetValue(option)!;
        var factor = text.LastOrDefault() switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 0 };
        return int.TryParse(factor == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && (long)number * Math.Max(factor, 1) <= int.MaxValue
            ? number * Math.Max(factor, 1)
            : throw new UsageException($"--ttl '{text}' is not a time; expected 30s, 5m, 1h, or a number of seconds.");
    }
}
