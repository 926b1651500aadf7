using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Identity.WasmHost.Supervision;
using Identity.WasmHost.WorkerProtocol;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

namespace Identity.WasmHost;

/// <summary>How this host runs; always valid.</summary>
internal sealed class ComponentHostOptions
{
    private const int MaxName = 128;
    private const string DefaultNatsUrl = "tls://127.0.0.1:4222";

    public static readonly SettingNames Settings = new(
        "IDENTITY_HOST_",
        new Dictionary<string, string>
        {
            ["broker-socket"] = "the agent's broker socket, unix:///…; must be given",
            ["workload-socket"] = $"where the host gets its own identity, unix:///… (default ${WorkloadEndpoint.EnvironmentVariable})",
            ["trust-domain"] = "trust domain (default example.org)",
            ["nats-url"] = $"nats-server of the components (default {DefaultNatsUrl}; without it and --nats-ca no component has NATS)",
            ["nats-ca"] = "PEM roots of the certificate of that nats-server, which is the SVID of /nats-server for the host of the URL",
            ["component"] = "NAME=FILE, a component to run; may be given more than once",
            ["data-dir"] = "accepted, so that every process is started alike; this host keeps nothing on disk",
            ["config"] = "JSON file with any of these settings",
        },
        Lists: ["component"]);

    /// <summary>The agent's broker socket, where admission is asked for.</summary>
    public required UnixDomainSocketEndPoint BrokerSocket { get; init; }

    /// <summary>Where this process gets its own identity.</summary>
    public required WorkloadEndpoint WorkloadSocket { get; init; }

    public required TrustDomain TrustDomain { get; init; }

    /// <summary>Null: no component gets a NATS connection, whatever it was granted.</summary>
    public required NatsAccess? Nats { get; init; }

    /// <summary>Name and file of each component this host wants to run.</summary>
    public required IReadOnlyList<(string Name, string File)> Components { get; init; }

    public static bool TryRead(
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        [NotNullWhen(true)] out ComponentHostOptions? options,
        [NotNullWhen(false)] out string? problem)
    {
        options = null;
        if (!ProcessSettings.TryGather(Settings, arguments, environment, out var settings, out problem)) return false;

        var problems = new List<string>();
        if (!TrustDomain.TryParse(settings["trust-domain"] ?? "example.org", out var trustDomain, out var flaw)) problems.Add($"trust-domain: {flaw}");
        var broker = ReadBroker(settings["broker-socket"], problems);
        if (!WorkloadEndpoint.TryParse(settings["workload-socket"] ?? environment.GetValueOrDefault(WorkloadEndpoint.EnvironmentVariable), out var workload, out flaw))
            problems.Add(flaw);
        var nats = ReadNats(settings["nats-url"], settings["nats-ca"], settings["trust-domain"] ?? "example.org", problems);
        var components = ReadComponents(settings.All("component"), problems);
        problem = problems.Count == 0 ? null : string.Join("; ", problems);
        if (problem is not null) return false;
        options = new ComponentHostOptions
        {
            BrokerSocket = broker!,
            WorkloadSocket = workload!,
            TrustDomain = trustDomain!,
            Nats = nats,
            Components = components,
        };
        return true;
    }

    private static UnixDomainSocketEndPoint? ReadBroker(string? text, List<string> problems)
    {
        if (text is null)
        {
            problems.Add("broker-socket is not set; expected unix:///absolute/path, the agent's broker socket");
            return null;
        }

        if (WorkloadEndpoint.TryParse(text, out var endpoint, out _) && endpoint.Address is UnixDomainSocketEndPoint socket) return socket;
        problems.Add($"broker-socket: '{text}' is not unix:///absolute/path");
        return null;
    }

    private static NatsAccess? ReadNats(string? url, string? caFile, string trustDomain, List<string> problems)
    {
        if (url is null && caFile is null) return null;
        if (!Uri.TryCreate(url ?? DefaultNatsUrl, UriKind.Absolute, out var uri))
            problems.Add($"nats-url: '{url}' is not tls://host:port");
        else if (uri.UserInfo.Length > 0)
            problems.Add("nats-url: it holds a user or password, which is not repeated here; components log in with their own SVID, so leave it out");
        else if (uri.Scheme != "tls")
            problems.Add($"nats-url: '{url}' is not tls://host:port; tokens go over TLS only");
        if (caFile is null || !File.Exists(caFile)) problems.Add($"nats-ca: there is no file '{caFile}'; expected the roots of nats-server's certificate in PEM");
        return new NatsAccess(url ?? DefaultNatsUrl, Path.GetFullPath(caFile ?? "ca.pem"), $"spiffe://{trustDomain}/nats", $"spiffe://{trustDomain}/nats-server");
    }

    private static List<(string Name, string File)> ReadComponents(IReadOnlyList<string> texts, List<string> problems)
    {
        var components = new List<(string Name, string File)>();
        foreach (var text in texts)
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? "" : text[..equals];
            var file = text[(equals + 1)..];
            if (name.Length is 0 or > MaxName || name.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-')))
                problems.Add($"component: '{text}' is not NAME=FILE with a name of 1 to {MaxName} of a-z, 0-9 and '-'");
            else if (!File.Exists(file)) problems.Add($"component {name}: there is no file '{file}'");
            else if (new FileInfo(file).Length > ComponentFile.MaxBytes)
                problems.Add($"component {name}: '{file}' has {new FileInfo(file).Length} bytes; at most {ComponentFile.MaxBytes} are taken");
            else if (components.Exists(component => component.Name == name)) problems.Add($"component {name} is named twice");
            else components.Add((name, file));
        }

        return components;
    }
}
