using System.Collections;
using Identity.Server.Authority;

namespace Identity.Server.Endpoints;

/// <summary>
/// Gathers settings: flags before environment before file before defaults. A key nobody knows is an error that names the nearest one: a
/// misspelt setting must not silently become its default.
/// </summary>
internal static class ServerSettings
{
    public const string EnvironmentPrefix = "IDENTITYD_";

    /// <summary>Every key there is, with what it means.</summary>
    public static readonly IReadOnlyDictionary<string, string> Known = new Dictionary<string, string>
    {
        ["data-dir"] = "folder for ledger, keys and admin socket (default $XDG_STATE_HOME/identity/server)",
        ["config"] = "JSON file with any of these settings",
        ["trust-domain"] = "trust domain (default example.org)",
        ["listen"] = "address for agents (default 127.0.0.1:8081)",
        ["admin-socket"] = "Unix socket for operators (default <data-dir>/admin.sock)",
        ["istio-listen"] = "address of the mesh's certificate authority (default 127.0.0.1:15012)",
        ["nats-url"] = "nats-server to answer for (default tls://127.0.0.1:4222)",
        ["dns-name"] = "further DNS name in the server's certificate; may be given more than once",
        ["wit-svid"] = "issue WIT-SVIDs, whose specification is still incubating: true or false (default false)",
        [KeyEncryptionSettings.FileSetting] = $"file with the key that encrypts keys at rest; or {KeyEncryptionSettings.Variable}",
        [KeyEncryptionSettings.PreviousFileSetting] = $"file with the key it replaces; or {KeyEncryptionSettings.PreviousVariable}",
    };

    private static readonly string[] Lists = ["dns-name"];

    // Read where they are used, and from nowhere else: not from a command line that every user sees.
    private static readonly string[] Secrets = [KeyEncryptionSettings.Variable, KeyEncryptionSettings.PreviousVariable];

    /// <exception cref="CannotStartException">A key is unknown or has no value, or the file cannot be read. Exit code 2.</exception>
    public static IConfiguration Gather(IReadOnlyList<string> arguments, IDictionary environment)
    {
        var flags = ReadFlags(arguments);
        var variables = ReadEnvironment(environment);
        var builder = new ConfigurationBuilder();
        if ((flags.GetValueOrDefault("config") ?? variables.GetValueOrDefault("config")) is { } file)
        {
            AddFile(builder, Path.GetFullPath(file));
        }
        builder.AddInMemoryCollection(variables).AddInMemoryCollection(flags);
        return Build(builder);
    }

    /// <summary>A setting that may be given more than once, or with commas.</summary>
    public static IReadOnlyList<string> List(IConfiguration settings, string key) =>
        settings[key] is { } text
            ? text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            : [.. settings.GetSection(key).GetChildren().Select(c => c.Value ?? "")];

    public static string DefaultDataDir(IDictionary environment)
    {
        var state = environment["XDG_STATE_HOME"] as string;
        if (string.IsNullOrEmpty(state) || !Path.IsPathRooted(state))
        {
            var home = environment["HOME"] as string;
            if (string.IsNullOrEmpty(home))
            {
                throw new CannotStartException("Neither HOME nor XDG_STATE_HOME is set; say where to keep data with --data-dir.", 2);
            }
            state = Path.Combine(home, ".local", "state");
        }
        return Path.Combine(state, "identity", "server");
    }

    private static Dictionary<string, string?> ReadFlags(IReadOnlyList<string> arguments)
    {
        var flags = new Dictionary<string, string?>(StringComparer.Ordinal);
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (!argument.StartsWith("--", StringComparison.Ordinal))
            {
                throw Usage($"\"{argument}\" is not a flag; flags look like --data-dir FOLDER");
            }
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var key = equals < 0 ? argument[2..] : argument[2..equals];
            RequireKnown(key, $"--{key}", "--");
            if (equals < 0 && i + 1 == arguments.Count)
            {
                throw Usage($"--{key} needs a value");
            }
            var value = equals < 0 ? arguments[++i] : argument[(equals + 1)..];
            var again = flags.TryGetValue(key, out var before);
            if (again && !Lists.Contains(key))
            {
                throw Usage($"--{key} was given twice");
            }
            flags[key] = again ? $"{before},{value}" : value;
        }
        return flags;
    }

    private static Dictionary<string, string?> ReadEnvironment(IDictionary environment)
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in environment)
        {
            if (entry.Key is string name && name.StartsWith(EnvironmentPrefix, StringComparison.Ordinal) && !Secrets.Contains(name))
            {
                var key = name[EnvironmentPrefix.Length..].ToLowerInvariant().Replace('_', '-');
                RequireKnown(key, name, EnvironmentPrefix);
                variables[key] = entry.Value as string;
            }
        }
        return variables;
    }

    private static void AddFile(ConfigurationBuilder builder, string file)
    {
        if (!File.Exists(file))
        {
            throw Usage($"the configuration file {file} does not exist");
        }
        builder.AddJsonFile(file, optional: false, reloadOnChange: false);
        foreach (var section in Build(builder).GetChildren())
        {
            RequireKnown(section.Key, $"\"{section.Key}\" in {file}", "");
            if (section.Value is null && !Lists.Contains(section.Key))
            {
                throw Usage($"\"{section.Key}\" in {file} must be a text");
            }
        }
    }

    private static IConfiguration Build(ConfigurationBuilder builder)
    {
        try
        {
            return builder.Build();
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or IOException)
        {
            throw Usage($"the configuration file cannot be read: {(e.InnerException ?? e).Message}");
        }
    }

    private static void RequireKnown(string key, string spelling, string prefix)
    {
        if (!Known.ContainsKey(key))
        {
            var nearest = Known.Keys.MinBy(k => Distance(k, key))!;
            var named = prefix == EnvironmentPrefix ? prefix + nearest.ToUpperInvariant().Replace('-', '_') : prefix + nearest;
            throw Usage($"{spelling} is not a setting; the nearest is {named}");
        }
    }

    private static CannotStartException Usage(string problem) => new($"identityd: {problem}.", 2);

    // Levenshtein; both are short.
    private static int Distance(string a, string b)
    {
        if (b.Length > 64)
        {
            return int.MaxValue;
        }
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
