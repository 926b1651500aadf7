using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Identity.WasmHost;

/// <summary>
/// The raw words of the configuration: flags beat environment, which beats the file. An unknown word is an error, since a misspelt
/// option must not be a silent default.
/// </summary>
internal sealed class HostSettings
{
    private const string EnvironmentPrefix = "IDENTITY_HOST_";

    // data-dir is accepted so that every process is started alike; this host keeps nothing on disk.
    private static readonly string[] Keys =
        ["broker-socket", "workload-socket", "trust-domain", "nats-url", "nats-ca", "component", "data-dir", "config"];

    private readonly Dictionary<string, List<string>> values = new(StringComparer.Ordinal);

    public string? this[string key] => values.TryGetValue(key, out var given) ? given[^1] : null;

    /// <summary>Each <c>NAME=FILE</c> of the strongest source that names any.</summary>
    public IReadOnlyList<string> Components => values.TryGetValue("component", out var given) ? given : [];

    public static bool TryRead(
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        [NotNullWhen(true)] out HostSettings? settings,
        [NotNullWhen(false)] out string? problem)
    {
        settings = null;
        var (flags, variables, file) = (new HostSettings(), new HostSettings(), new HostSettings());
        problem = flags.FindFlagProblem(arguments) ?? variables.FindVariableProblem(environment);
        if (problem is null && (flags["config"] ?? variables["config"]) is { } path) problem = file.FindFileProblem(path);
        if (problem is not null) return false;
        foreach (var weaker in new[] { variables, file })
        {
            foreach (var (key, given) in weaker.values) flags.values.TryAdd(key, given);
        }

        settings = flags;
        return true;
    }

    private string? FindFlagProblem(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            if (!arguments[i].StartsWith("--", StringComparison.Ordinal)) return $"unexpected argument '{arguments[i]}'; options are written --name value";
            var (name, value) = arguments[i][2..].Split('=', 2) is [var before, var after] ? (before, after) : (arguments[i][2..], null);
            if (FindUnknown(name, "--") is { } unknown) return unknown;
            if (value is null && ++i >= arguments.Count) return $"--{name} needs a value";
            Add(name, value ?? arguments[i]);
        }

        return null;
    }

    private string? FindVariableProblem(IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (variable, value) in environment)
        {
            if (!variable.StartsWith(EnvironmentPrefix, StringComparison.Ordinal) || value.Length == 0) continue;
            var name = variable[EnvironmentPrefix.Length..].ToLowerInvariant().Replace('_', '-');
            if (FindUnknown(name, "") is { } unknown) return $"the environment variable {variable}: {unknown}";
            foreach (var one in name == "component" ? value.Split(';', StringSplitOptions.RemoveEmptyEntries) : [value]) Add(name, one);
        }

        return null;
    }

    private string? FindFileProblem(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 3 });
            if (document.RootElement.ValueKind is not JsonValueKind.Object) return $"the configuration file '{path}' is not a JSON object";
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (FindUnknown(property.Name, "") is { } unknown) return $"the configuration file '{path}': {unknown}";
                var isList = property.Name == "component" && property.Value.ValueKind is JsonValueKind.Array;
                foreach (var element in isList ? [.. property.Value.EnumerateArray()] : new[] { property.Value })
                {
                    if (element.ValueKind is not JsonValueKind.String) return $"the configuration file '{path}': {property.Name} is not a string";
                    Add(property.Name, element.GetString()!);
                }
            }

            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return $"the configuration file '{path}' cannot be read: {e.Message}";
        }
    }

    private void Add(string key, string value)
    {
        if (!values.TryGetValue(key, out var given)) values[key] = given = [];
        given.Add(value);
    }

    private static string? FindUnknown(string name, string prefix) => Keys.Contains(name, StringComparer.Ordinal)
        ? null
        : $"unknown option {prefix}{name}; the nearest known is {prefix}{Keys.MinBy(key => Distance(key, name))}";

    /// <summary>Levenshtein distance, two rows at a time.</summary>
    private static int Distance(string left, string right)
    {
        var above = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var row = new int[right.Length + 1];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
                row[j] = Math.Min(Math.Min(row[j - 1], above[j]) + 1, above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1));
            above = row;
        }

        return above[^1];
    }
}
