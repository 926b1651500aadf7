using System.Text.Json;

namespace Identity.Cli;

/// <summary>
/// What the command line needs to know before it can ask anyone. Flags beat environment variables, which beat the file
/// <c>$XDG_CONFIG_HOME/identity/config.json</c> (<c>~/.config</c> when unset), which beats the defaults of the XDG base directories.
/// </summary>
internal sealed record CliConfiguration(string AdminSocket, string Output)
{
    public static CliConfiguration Load(Func<string, string?> environment)
    {
        var file = Path.Combine(BaseDirectory(environment, "XDG_CONFIG_HOME", ".config"), "identity", "config.json");
        var stored = File.Exists(file) ? Read(file) : new Dictionary<string, string>();
        var (output, source) = environment("IDENTITY_OUTPUT") is { Length: > 0 } variable ? (variable, "IDENTITY_OUTPUT")
            : stored.TryGetValue("output", out var written) ? (written, file) : ("text", "");
        if (output is not ("text" or "json"))
            throw new UsageException($"{source}: the output '{output}' is unknown; known are text and json.");

        return new(
            environment("IDENTITY_ADMIN_SOCKET") is { Length: > 0 } socket ? socket
                : stored.GetValueOrDefault("adminSocket")
                ?? Path.Combine(BaseDirectory(environment, "XDG_STATE_HOME", Path.Combine(".local", "state")), "identity", "server", "admin.sock"),
            output);
    }

    /// <summary>XDG Base Directory Specification: an unset, empty or relative value means the default below the home directory.</summary>
    private static string BaseDirectory(Func<string, string?> environment, string variable, string belowHome) =>
        environment(variable) is { Length: > 0 } value && Path.IsPathRooted(value)
            ? value
            : Path.Combine(environment("HOME") is { Length: > 0 } home ? home : "/", belowHome);

    private static Dictionary<string, string> Read(string file)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            var values = new Dictionary<string, string>();
            foreach (var member in document.RootElement.EnumerateObject())
            {
                if (member.Name is not ("adminSocket" or "output"))
                    throw new UsageException($"{file}: unknown key '{member.Name}'; known are adminSocket and output.");
                if (member.Value.ValueKind != JsonValueKind.String)
                    throw new UsageException($"{file}: '{member.Name}' must be a string.");
                values[member.Name] = member.Value.GetString()!;
            }
            return values;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UsageException($"{file} is not a JSON object: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{file} cannot be read: {e.Message}");
        }
    }
}

/// <summary>The person's input is wrong; the message says what and how to mend it.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The command did its work and the answer is no.</summary>
internal sealed class RefusedException(string message) : Exception(message);
