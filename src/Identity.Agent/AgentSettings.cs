using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Identity.Agent;

/// <summary>The raw words from file, environment and flags, merged. An unknown word is an error: a misspelt option must not be a silent default.</summary>
internal sealed class AgentSettings
{
    public const string EnvironmentPrefix = "IDENTITY_AGENT_";

    private static readonly string[] Keys =
        ["server", "trust-domain", "trust-bundle", "join-token-file", "data-dir", "run-dir", "workload-socket", "broker-socket", "workload-tcp-unidentified", "wit-svid", "config"];

    private readonly IConfigurationRoot _values;

    private AgentSettings(IConfigurationRoot values) => _values = values;

    public string? this[string key] => string.IsNullOrEmpty(_values[key]) ? null : _values[key];

    public static bool TryRead(
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        [NotNullWhen(true)] out AgentSettings? settings,
        [NotNullWhen(false)] out string? problem)
    {
        settings = null;
        if (!TryReadFlags(arguments, out var flags, out problem) || !TryReadEnvironment(environment, out var variables, out problem)) return false;
        var file = flags.GetValueOrDefault("config") ?? variables.GetValueOrDefault("config");
        var fromFile = new Dictionary<string, string?>(StringComparer.Ordinal);
        if (file is not null && !TryReadFile(file, out fromFile, out problem)) return false;
        settings = new AgentSettings(
            new ConfigurationBuilder().AddInMemoryCollection(fromFile).AddInMemoryCollection(variables).AddInMemoryCollection(flags).Build());
        return true;
    }

    private static bool TryReadFlags(
        IReadOnlyList<string> arguments, out Dictionary<string, string?> flags, [NotNullWhen(false)] out string? problem)
    {
        flags = new Dictionary<string, string?>(StringComparer.Ordinal);
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (!argument.StartsWith("--", StringComparison.Ordinal))
            {
                problem = $"unexpected argument '{argument}'; options are written --name value";
                return false;
            }

            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? argument[2..] : argument[2..equals];
            if (FindUnknown(name, "--", out problem)) return false;
            if (equals < 0 && i + 1 >= arguments.Count)
            {
                problem = $"--{name} needs a value";
                return false;
            }

            flags[name] = equals < 0 ? arguments[++i] : argument[(equals + 1)..];
        }

        problem = null;
        return true;
    }

    private static bool TryReadEnvironment(
        IReadOnlyDictionary<string, string> environment, out Dictionary<string, string?> variables, [NotNullWhen(false)] out string? problem)
    {
        variables = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (variable, value) in environment)
        {
            if (!variable.StartsWith(EnvironmentPrefix, StringComparison.Ordinal)) continue;
            var name = variable[EnvironmentPrefix.Length..].ToLowerInvariant().Replace('_', '-');
            if (!Keys.Contains(name))
            {
                problem = $"unknown environment variable {variable}; the nearest known is {EnvironmentPrefix}{Nearest(name).ToUpperInvariant().Replace('-', '_')}";
                return false;
            }

            variables[name] = value;
        }

        problem = null;
        return true;
    }

    private static bool TryReadFile(string file, out Dictionary<string, string?> values, [NotNullWhen(false)] out string? problem)
    {
        values = new Dictionary<string, string?>(StringComparer.Ordinal);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file), new JsonDocumentOptions { MaxDepth = 4 });
            if (document.RootElement.ValueKind is not JsonValueKind.Object)
            {
                problem = $"the configuration file '{file}' is not a JSON object";
                return false;
            }

            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (FindUnknown(property.Name, "", out problem))
                {
                    problem = $"the configuration file '{file}': {problem}";
                    return false;
                }

                if (property.Value.ValueKind is not JsonValueKind.String)
                {
                    problem = $"the configuration file '{file}': {property.Name} is not a string";
                    return false;
                }

                values[property.Name] = property.Value.GetString();
            }

            problem = null;
            return true;
        }
        catch (JsonException e)
        {
            problem = $"the configuration file '{file}' is not JSON (line {e.LineNumber + 1})";
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"the configuration file '{file}' cannot be read";
            return false;
        }
    }

    private static bool FindUnknown(string name, string dashes, [NotNullWhen(true)] out string? problem)
    {
        problem = Keys.Contains(name) ? null : $"unknown option {dashes}{name}; the nearest known is {dashes}{Nearest(name)}";
        return problem is not null;
    }

    private static string Nearest(string name) => Keys.MinBy(key => Distance(name, key))!;

    // Levenshtein, one row; names are short.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
