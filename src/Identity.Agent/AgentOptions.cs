using System.Diagnostics.CodeAnalysis;
using System.Net;
using Spiffe.Net;

namespace Identity.Agent;

/// <summary>How this agent runs; always valid. Flags win over environment, environment over the file, the file over defaults.</summary>
internal sealed class AgentOptions
{
    public static readonly SettingNames Settings = new(
        "IDENTITY_AGENT_",
        new Dictionary<string, string>
        {
            ["server"] = "address of identityd, HOST:PORT (default 127.0.0.1:8081)",
            ["trust-domain"] = "trust domain (default example.org)",
            ["trust-bundle"] = "file by which identityd is known at the first start, PEM or SPIFFE JSON (`identity bundle show`)",
            ["join-token-file"] = "file with one join token, needed once (`identity token generate`)",
            ["data-dir"] = "folder for the node's SVID, key and newest snapshot (default $XDG_STATE_HOME/identity/agent)",
            ["run-dir"] = "folder for the two sockets (default /run/identity-agent for root, $XDG_RUNTIME_DIR/identity-agent else)",
            ["workload-socket"] = "Unix socket of the Workload API (default workload.sock in the run folder)",
            ["broker-socket"] = "Unix socket for hosts that run components (default broker.sock in the run folder)",
            ["workload-tcp-unidentified"] = "address on loopback for what needs no identity (default: none)",
            ["wit-svid"] = "serve WIT-SVIDs, whose specification is still incubating: true or false (default false)",
            ["config"] = "JSON file with any of these settings",
        },
        Lists: []);

    // sockaddr_un.sun_path has 108 bytes, the last of which is zero.
    private const int MaxSocketPathBytes = 107;

    /// <summary>identityd's gRPC address, host:port.</summary>
    public required string Server { get; init; }

    public required TrustDomain TrustDomain { get; init; }

    /// <summary>PEM or SPIFFE JSON: whom to believe to be the server before it told us. Null when the data folder already knows.</summary>
    public string? TrustBundleFile { get; init; }

    /// <summary>Holds one join token. Read once, when the agent has no valid SVID.</summary>
    public string? JoinTokenFile { get; init; }

    /// <summary>Keeps the node's SVID and key, the bundle and the newest snapshot. Nobody else's business: 0700.</summary>
    public required string DataDirectory { get; init; }

    public required string WorkloadSocket { get; init; }

    public required string BrokerSocket { get; init; }

    /// <summary>A port of a loopback address that serves what needs no identity to whoever connects; null for none, which is the default.</summary>
    public IPEndPoint? UnidentifiedTcp { get; init; }

    /// <summary>Whether the WIT profile of the Workload API is served. Off by default: the specification is not settled yet.</summary>
    public bool ServesWitSvids { get; init; }

    public SpiffeId ServerId => SpiffeId.FromSegments(TrustDomain, "spire", "server");

    public static bool TryRead(
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        [NotNullWhen(true)] out AgentOptions? options,
        [NotNullWhen(false)] out string? problem)
    {
        options = null;
        if (!ProcessSettings.TryGather(Settings, arguments, environment, out var settings, out problem)) return false;

        var problems = new List<string>();
        if (!TrustDomain.TryParse(settings["trust-domain"] ?? "example.org", out var trustDomain, out var flaw)) problems.Add($"trust-domain: {flaw}");
        var server = settings["server"] ?? "127.0.0.1:8081";
        if (!IsHostAndPort(server)) problems.Add($"server: '{server}' is not host:port, such as 127.0.0.1:8081");

        var data = Path.GetFullPath(settings["data-dir"] ?? DefaultDataDirectory(environment));
        var run = Path.GetFullPath(settings["run-dir"] ?? DefaultRunDirectory(environment, data));
        var workload = ReadSocket("workload-socket", settings["workload-socket"], Path.Combine(run, "workload.sock"), problems);
        var broker = ReadSocket("broker-socket", settings["broker-socket"], Path.Combine(run, "broker.sock"), problems);
        if (workload == broker) problems.Add($"workload-socket and broker-socket are both '{workload}'; they must differ");
        var tcp = ReadLoopback("workload-tcp-unidentified", settings["workload-tcp-unidentified"], problems);
        var wit = settings["wit-svid"] ?? "false";
        if (wit is not ("true" or "false")) problems.Add($"wit-svid: '{wit}' is neither true nor false");
        RequireFile("trust-bundle", settings["trust-bundle"], problems);

        problem = problems.Count == 0 ? null : string.Join("; ", problems);
        if (problem is not null) return false;
        options = new AgentOptions
        {
            Server = server,
            TrustDomain = trustDomain!,
            TrustBundleFile = settings["trust-bundle"],
            JoinTokenFile = settings["join-token-file"],
            DataDirectory = data,
            WorkloadSocket = workload,
            BrokerSocket = broker,
            UnidentifiedTcp = tcp,
            ServesWitSvids = wit == "true",
        };
        return true;
    }

    private static bool IsHostAndPort(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), out var port) && port > 0
            && Uri.TryCreate($"https://{text}", UriKind.Absolute, out var uri) && uri.PathAndQuery == "/" && uri.UserInfo.Length == 0;
    }

    private static string ReadSocket(string key, string? given, string byDefault, List<string> problems)
    {
        const string scheme = "unix://";
        var path = given ?? byDefault;
        if (path.StartsWith(scheme, StringComparison.Ordinal)) path = path[scheme.Length..];
        if (!Path.IsPathFullyQualified(path)) problems.Add($"{key}: '{given}' is not an absolute path or unix:///absolute/path");
        var bytes = System.Text.Encoding.UTF8.GetByteCount(path);
        if (bytes > MaxSocketPathBytes) problems.Add($"{key}: '{path}' has {bytes} bytes; a Unix socket's path has at most {MaxSocketPathBytes}, choose a shorter --run-dir");
        return path;
    }

    private static IPEndPoint? ReadLoopback(string key, string? given, List<string> problems)
    {
        if (given is null) return null;
        if (IPEndPoint.TryParse(given, out var endpoint) && endpoint.Port > 0 && IPAddress.IsLoopback(endpoint.Address)) return endpoint;
        problems.Add($"{key}: '{given}' is not a loopback address with a port, such as 127.0.0.1:8000");
        return null;
    }

    private static void RequireFile(string key, string? path, List<string> problems)
    {
        if (path is not null && !File.Exists(path)) problems.Add($"{key}: there is no file '{path}'");
    }

    private static string DefaultDataDirectory(IReadOnlyDictionary<string, string> environment) =>
        environment.TryGetValue("XDG_STATE_HOME", out var state) && Path.IsPathFullyQualified(state)
            ? Path.Combine(state, "identity", "agent")
            : Path.Combine(environment.GetValueOrDefault("HOME", "/"), ".local", "state", "identity", "agent");

    private static string DefaultRunDirectory(IReadOnlyDictionary<string, string> environment, string data)
    {
        if (Environment.IsPrivilegedProcess) return "/run/identity-agent";
        return environment.TryGetValue("XDG_RUNTIME_DIR", out var run) && Path.IsPathFullyQualified(run)
            ? Path.Combine(run, "identity-agent")
            : Path.Combine(data, "run");
    }
}
