using System.Collections;
using Identity.Server.Authority;
using Identity.Server.DecisionPoints;

namespace Identity.Server.Endpoints;

/// <summary>
/// What identityd may be told: flags before environment before file before defaults.
/// </summary>
internal static class ServerSettings
{
    public const string EnvironmentPrefix = "IDENTITYD_";

    /// <summary>Every key there is, with what it means.</summary>
    public static readonly IReadOnlyDictionary<string, string> Known = new Dictionary<string, string>(DecisionPointsOptions.Known)
    {
        ["data-dir"] = "folder for ledger, keys and admin socket (default $XDG_STATE_HOME/identity/server)",
        ["config"] = "JSON file with any of these settings",
        ["trust-domain"] = "trust domain (default example.org)",
        ["listen"] = "address for agents (default 127.0.0.1:8081)",
        ["admin-socket"] = "Unix socket for operators (default <data-dir>/admin.sock)",
        ["istio-listen"] = "address of the mesh's certificate authority (default 127.0.0.1:15012)",
        ["nats-url"] = "nats-server to answer for (default tls://127.0.0.1:4222)",
        ["dns-name"] = "further DNS name in the server's certificate; may be given more than once",
        ["selector-type"] = "type of selectors that an attestor of your own gives; may be given more than once",
        ["jwt-key-type"] = "keys that sign JWT-SVIDs: ec-p256 (ES256) or rsa-2048 (RS256) (default ec-p256)",
        [AuthorityOptions.Rs256AudienceSetting] = "audience whose JWT-SVIDs are signed RS256, by a key beside the others; may be given more than once",
        ["wit-svid"] = "issue WIT-SVIDs, whose specification is still incubating: true or false (default false)",
        [KeyEncryptionSettings.FileSetting] = $"file with the key that encrypts keys at rest; or {KeyEncryptionSettings.Variable} (default <data-dir>/{OwnKeyEncryptionKey.FileName}, made)",
        [KeyEncryptionSettings.PreviousFileSetting] = $"file with the key it replaces; or {KeyEncryptionSettings.PreviousVariable}",
    };

    private static readonly string[] Lists = ["dns-name", "selector-type", AuthorityOptions.Rs256AudienceSetting, DecisionPointsOptions.ClientSetting];

    // Read where they are used, and from nowhere else: not from a command line that every user sees.
    private static readonly string[] Secrets = [KeyEncryptionSettings.Variable, KeyEncryptionSettings.PreviousVariable];

    public static readonly SettingNames Names = new(EnvironmentPrefix, Known, Lists, Secrets);

    /// <exception cref="CannotStartException">A key is unknown or has no value, or the file cannot be read. Exit code 2.</exception>
    public static IConfiguration Gather(IReadOnlyList<string> arguments, IDictionary environment)
    {
        var variables = environment.Cast<DictionaryEntry>().Where(e => e.Key is string && e.Value is string).ToDictionary(e => (string)e.Key, e => (string)e.Value!);
        if (!ProcessSettings.TryGather(Names, arguments, variables, out var settings, out var problem)) throw new CannotStartException($"identityd: {problem}.", 2);
        return new ConfigurationBuilder().AddInMemoryCollection(settings.Given.SelectMany(key => Lists.Contains(key)
            ? settings.All(key).Select((value, place) => KeyValuePair.Create($"{key}:{place}", (string?)value))
            : [KeyValuePair.Create(key, settings[key])])).Build();
    }

    /// <summary>All values of a setting that may be given more than once.</summary>
    public static IReadOnlyList<string> List(IConfiguration settings, string key) => [.. settings.GetSection(key).GetChildren().Select(c => c.Value ?? "")];

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
}
