using System.CommandLine;
using System.Globalization;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary>How long a change is tried, and in which steps: <c>--soak 10m --through shadow,warn,enforce</c>.</summary>
internal static class StageSteps
{
    private const uint MaxSeconds = 30 * 86400;

    private static readonly (char Unit, uint Seconds)[] Units = [('d', 86400), ('h', 3600), ('m', 60), ('s', 1)];

    public static Option<string?> Soak(string description) => new("--soak") { Description = description, HelpName = "TIME" };

    public static Option<string> Through() =>
        new("--through") { Description = "The steps, in order", HelpName = "STEPS", DefaultValueFactory = _ => "shadow,warn,enforce" };

    public static StagePlan Read(string soak, string through)
    {
        var plan = new StagePlan { SoakSeconds = Seconds("--soak", soak) };
        plan.Through.AddRange(through.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        return plan;
    }

    public static string Text(StagePlan plan) => $"{Text(plan.SoakSeconds)} in each of {string.Join(", ", plan.Through)}";

    private static string Text(uint seconds)
    {
        var (unit, size) = Units.First(one => seconds % one.Seconds == 0);
        return string.Create(CultureInfo.InvariantCulture, $"{seconds / size}{unit}");
    }

    /// <param name="option">Whose value it is, for whoever typed it.</param>
    public static uint Seconds(string option, string text)
    {
        var unit = Units.FirstOrDefault(one => text.Length > 1 && text[^1] == one.Unit).Seconds;
        return unit > 0 && uint.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number <= MaxSeconds / unit
            ? number * unit
            : throw new UsageException($"{option} {text} is no time; expected such as 30s, 10m, 2h or 1d, and at most 30d.");
    }
}
