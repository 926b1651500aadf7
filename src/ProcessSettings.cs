using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Identity;

/// <summary>The settings that a process knows.</summary>
/// <param name="EnvironmentPrefix">Such as <c>IDENTITYD_</c>; <c>IDENTITYD_DATA_DIR</c> is then <c>data-dir</c>.</param>
/// <param name="Known">Lower case, joined by hyphens, each with what it means. One of them is <c>config</c>, the file that may hold the others.</param>
/// <param name="Lists">Those that may be given more than once: flags again, variables with commas, in the file as an array.</param>
/// <param name="Reserved">Variables that begin with the prefix and are no settings, since a secret belongs on no command line.</param>
internal sealed record SettingNames(string EnvironmentPrefix, IReadOnlyDictionary<string, string> Known, string[] Lists, params string[] Reserved)
{
    /// <summary>Whether somebody asks which settings there are.</summary>
    public static bool IsHelp(IReadOnlyList<string> arguments) => arguments is ["--help"] or ["-h"];

    public string Help(string program)
    {
        var width = Known.Keys.Max(key => key.Length);
        var lines = Known.Select(setting => $"  --{setting.Key.PadRight(width)}  {setting.Value}");
        return $"usage: {program} [--setting value]…\n\n{string.Join('\n', lines)}\n\nEach may also be set as {EnvironmentPrefix}<NAME> or in the JSON file named by --config.";
    }
}

/// <summary>
/// What a process was told: flags before environment before file. A word nobody knows is an error that names the nearest one: a misspelt
/// setting must not silently become its default. Compiled into each of our processes.
/// </summary>
internal sealed class ProcessSettings
{
    private const int MaxFileBytes = 1 << 20;

    private readonly Dictionary<string, List<string>> _values = new(StringComparer.Ordinal);
    private readonly SettingNames _names;

    private ProcessSettings(SettingNames names) => _names = names;

    /// <summary>Null when it was not given, or given empty.</summary>
    public string? this[string key] => _values.TryGetValue(key, out var given) && given[^1].Length > 0 ? given[^1] : null;

    /// <summary>Each key that was given.</summary>
    public IEnumerable<string> Given => _values.Keys;

    /// <summary>All that a list was given, from the strongest source that gives any.</summary>
    public IReadOnlyList<string> All(string key) => _values.TryGetValue(key, out var given) ? given : [];

    public static bool TryGather(
        SettingNames names,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        [NotNullWhen(true)] out ProcessSettings? settings,
        [NotNullWhen(false)] out string? problem)
    {
        settings = null;
        var (flags, variables, file) = (new ProcessSettings(names), new ProcessSettings(names), new ProcessSettings(names));
        problem = flags.FindFlagProblem(arguments) ?? variables.FindVariableProblem(environment);
        if (problem is null && (flags["config"] ?? variables["config"]) is { } path) problem = file.FindFileProblem(Path.GetFullPath(path));
        if (problem is not null) return false;
        foreach (var weaker in new[] { variables, file })
        {
            foreach (var (key, given) in weaker._values) flags._values.TryAdd(key, given);
        }

        settings = flags;
        return true;
    }

    private string? FindFlagProblem(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            if (!arguments[i].StartsWith("--", StringComparison.Ordinal)) return $"\"{arguments[i]}\" is not a flag; flags look like --data-dir FOLDER";
            var equals = arguments[i].IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? arguments[i][2..] : arguments[i][2..equals];
            if (FindUnknown(name, $"--{name}", nearest => $"--{nearest}") is { } unknown) return unknown;
            if (equals < 0 && i + 1 == arguments.Count) return $"--{name} needs a value";
            if (_values.ContainsKey(name) && !_names.Lists.Contains(name)) return $"--{name} was given twice";
            Add(name, equals < 0 ? arguments[++i] : arguments[i][(equals + 1)..]);
        }

        return null;
    }

    private string? FindVariableProblem(IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (variable, value) in environment)
        {
            // An empty variable is how a unit file or a shell takes one back.
            if (!variable.StartsWith(_names.EnvironmentPrefix, StringComparison.Ordinal) || value.Length == 0 || _names.Reserved.Contains(variable)) continue;
            var name = variable[_names.EnvironmentPrefix.Length..].ToLowerInvariant().Replace('_', '-');
            if (FindUnknown(name, variable, nearest => _names.EnvironmentPrefix + nearest.ToUpperInvariant().Replace('-', '_')) is { } unknown) return unknown;
            foreach (var one in _names.Lists.Contains(name) ? value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [value]) Add(name, one);
        }

        return null;
    }

    private string? FindFileProblem(string path)
    {
        try
        {
            if (new FileInfo(path) is not { Exists: true } info) return $"the configuration file {path} does not exist";
            if (info.Length > MaxFileBytes) return $"the configuration file {path} has {info.Length} bytes; at most {MaxFileBytes} are expected";
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 4 });
            if (document.RootElement.ValueKind is not JsonValueKind.Object) return $"the configuration file {path} is not a JSON object";
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (FindUnknown(property.Name, $"\"{property.Name}\" in {path}", nearest => nearest) is { } unknown) return unknown;
                if (_values.ContainsKey(property.Name)) return $"\"{property.Name}\" stands twice in {path}";
                var isList = _names.Lists.Contains(property.Name) && property.Value.ValueKind is JsonValueKind.Array;
                foreach (var element in isList ? [.. property.Value.EnumerateArray()] : new[] { property.Value })
                {
                    if (element.ValueKind is not JsonValueKind.String) return $"\"{property.Name}\" in {path} must be a text";
                    Add(property.Name, element.GetString()!);
                }
            }

            return null;
        }
        catch (JsonException e)
        {
            return $"the configuration file {path} cannot be read: it is not JSON at line {e.LineNumber + 1}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the configuration file {path} cannot be read: {e.Message}";
        }
    }

    private void Add(string key, string value)
    {
        if (!_values.TryGetValue(key, out var given)) _values[key] = given = [];
        given.Add(value);
    }

    private string? FindUnknown(string name, string spelling, Func<string, string> spell) => _names.Known.ContainsKey(name)
        ? null
        : $"{spelling} is not a setting; the nearest is {spell(_names.Known.Keys.MinBy(key => Distance(key, name))!)}";

    // Levenshtein; keys are short, and of a longer word its beginning decides.
    private static int Distance(string key, string name)
    {
        name = name.Length > 64 ? name[..64] : name;
        var row = Enumerable.Range(0, name.Length + 1).ToArray();
        for (var i = 1; i <= key.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= name.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (key[i - 1] == name[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[name.Length];
    }
}
