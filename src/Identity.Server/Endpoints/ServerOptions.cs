using System.Diagnostics.CodeAnalysis;
using System.Net;
using Identity.Server.Authority;
using Identity.Server.DecisionPoints;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.Endpoints;

/// <summary>What identityd was told, valid. Everything has a default.</summary>
internal sealed record ServerOptions
{
    /// <summary>Where everything is kept. Default: <c>$XDG_STATE_HOME/identity/server</c> or <c>~/.local/state/identity/server</c>.</summary>
    public required string DataDir { get; init; }

    /// <summary>Default <c>example.org</c>.</summary>
    public required TrustDomain TrustDomain { get; init; }

    /// <summary>Where agents connect. Default <c>127.0.0.1:8081</c>.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>Default <c>&lt;data-dir&gt;/admin.sock</c>.</summary>
    public required string AdminSocket { get; init; }

    /// <summary>Where the mesh asks for certificates. Default <c>127.0.0.1:15012</c>.</summary>
    public required IPEndPoint IstioListen { get; init; }

    /// <summary>Default <c>tls://127.0.0.1:4222</c>.</summary>
    public required Uri NatsUrl { get; init; }

    /// <summary>DNS names of the server's certificate besides <c>localhost</c>.</summary>
    public required IReadOnlyList<string> DnsNames { get; init; }

    /// <summary>Types of selectors that attestors of one's own give, besides those known. Default: none.</summary>
    public IReadOnlyList<string> SelectorTypes { get; init; } = [];

    /// <summary>What the signing authority makes and signs.</summary>
    public required AuthorityOptions Authority { get; init; }

    /// <summary>Which doors to the decision are open. Default: none but gRPC on the admin socket.</summary>
    public DecisionPointsOptions DecisionPoints { get; init; } = DecisionPointsOptions.Shut;

    /// <summary>How private files are kept. Null: sealed with a key encryption key of the server's own.</summary>
    public SecretFiles? Secrets { get; init; }

    /// <summary>Connections of strangers at one door. No setting: tests have less patience.</summary>
    public int MaxAtDoor { get; init; } = Listeners.MaxAtDoor;

    /// <summary>Every setting as it was given, for rooms that read their own.</summary>
    public required IConfiguration Settings { get; init; }

    /// <param name="settings">Checked for unknown keys already.</param>
    public static bool TryRead(
        IConfiguration settings, string defaultDataDir, [NotNullWhen(true)] out ServerOptions? options, out IReadOnlyList<string> problems)
    {
        var found = new List<string>();
        var dataDir = Path.GetFullPath(settings["data-dir"] ?? defaultDataDir);
        if (!TrustDomain.TryParse(settings["trust-domain"] ?? "example.org", out var trustDomain, out var problem))
        {
            found.Add($"trust-domain: {problem}");
        }
        var listen = ReadEndPoint(settings, "listen", "127.0.0.1:8081", found);
        var istio = ReadEndPoint(settings, "istio-listen", "127.0.0.1:15012", found);
        var nats = settings["nats-url"] ?? "tls://127.0.0.1:4222";
        if (!Uri.TryCreate(nats, UriKind.Absolute, out var natsUrl) || natsUrl.Scheme != "tls" || natsUrl.UserInfo.Length > 0)
        {
            found.Add($"nats-url: \"{nats}\" is not an address such as tls://127.0.0.1:4222");
        }
        var names = ServerSettings.List(settings, "dns-name");
        found.AddRange(names.Where(n => Uri.CheckHostName(n) != UriHostNameType.Dns).Select(n => $"dns-name: \"{n}\" is not a DNS name"));
        var selectorTypes = ServerSettings.List(settings, "selector-type");
        found.AddRange(selectorTypes.Where(type => !SelectorText.IsType(type)).Select(type => $"selector-type: \"{type}\" is not 1 to {SelectorText.MaxTypeLength} of a-z, A-Z, 0-9, '_' and '-'"));
        var authority = AuthorityOptions.Read(settings, found);
        var decisionPoints = DecisionPointsOptions.Read(settings, found);
        problems = found;
        options = found.Count > 0
            ? null
            : new ServerOptions
            {
                DataDir = dataDir,
                TrustDomain = trustDomain!,
                Listen = listen!,
                AdminSocket = Path.GetFullPath(settings["admin-socket"] ?? Path.Combine(dataDir, "admin.sock")),
                IstioListen = istio!,
                NatsUrl = natsUrl!,
                DnsNames = names,
                SelectorTypes = selectorTypes,
                Authority = authority,
                DecisionPoints = decisionPoints,
                Settings = settings,
            };
        return options is not null;
    }

    private static IPEndPoint? ReadEndPoint(IConfiguration settings, string key, string byDefault, List<string> problems)
    {
        var text = settings[key] ?? byDefault;
        if (SettingText.TryReadEndPoint(text, out var endPoint)) return endPoint;
        problems.Add($"{key}: \"{text}\" is not an address and a port such as {byDefault} or [::1]{byDefault[byDefault.LastIndexOf(':')..]}");
        return null;
    }
}
