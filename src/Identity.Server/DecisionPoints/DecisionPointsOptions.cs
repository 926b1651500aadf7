using System.Net;
using Identity.Server.Endpoints;

namespace Identity.Server.DecisionPoints;

/// <summary>Which doors are open, and to whom. All are shut by default but gRPC on the admin socket.</summary>
internal sealed record DecisionPointsOptions
{
    public const string ClientSetting = "decision-client";

    public static DecisionPointsOptions Shut { get; } = new();

    /// <summary>Who may ask over gRPC and AuthZEN. Default: nobody.</summary>
    public DecisionClients Clients { get; init; } = DecisionClients.None;

    /// <summary>Null: not served.</summary>
    public AuthZenOptions? AuthZen { get; init; }

    /// <summary>Null: not served.</summary>
    public AdmissionOptions? Admission { get; init; }

    /// <summary>Null: neither of the doors on wasmCloud's NATS is served.</summary>
    public WasmCloudOptions? WasmCloud { get; init; }

    public static readonly IReadOnlyDictionary<string, string> Known = new Dictionary<string, string>
    {
        [ClientSetting] = "SPIFFE ID, or spiffe://…/* for all below, that may ask for decisions; may be given more than once",
        ["authzen-listen"] = "address of the AuthZEN API, https://ADDRESS:PORT; http:// on loopback only (default: not served)",
        ["authzen-url"] = "URL by which PEPs know it, https://… (default: the address it listens on)",
        ["admission-listen"] = "address of the Kubernetes admission webhook, ADDRESS:PORT (default: not served)",
        ["admission-certificate-file"] = "PEM certificate of the webhook (default: this server's own SVID)",
        ["admission-key-file"] = "PEM key of that certificate",
        ["admission-client-ca-file"] = "PEM CA that the API server's client certificate must verify with (default: none is asked for)",
        ["wasmcloud-nats-url"] = "NATS of a wasmCloud lattice, tls://…; nats:// on loopback only",
        ["wasmcloud-nats-credentials-file"] = "NATS credentials (.creds) to log in there with",
        ["wasmcloud-nats-ca-file"] = "PEM CA of that nats-server (default: its X509-SVID /nats-server of our trust domain)",
        ["wasmcloud-nats-certificate-file"] = "PEM client certificate to log in there with",
        ["wasmcloud-nats-key-file"] = "PEM key of that certificate",
        ["wasmcloud-policy-topic"] = "subject on which wasmCloud v1 hosts ask, such as wasmcloud.policy (default: not served)",
        ["wasmcloud-policy-changes-topic"] = "subject on which they are told what has changed",
        ["wasmcloud-gate-prefix"] = "subject prefix on which wasmCloud v2 starts arrive, such as gate.runtime.host (default: not served)",
        ["wasmcloud-host-prefix"] = "subject prefix on which the v2 hosts listen (default runtime.host)",
        ["wasmcloud-refusals-subject"] = "subject on which refused v2 starts are told (default identity.wasmcloud.refusals)",
    };

    public static DecisionPointsOptions Read(IConfiguration settings, List<string> problems)
    {
        if (!DecisionClients.TryParse(ServerSettings.List(settings, ClientSetting), out var clients, out var problem)) problems.Add($"{ClientSetting}: {problem}");
        return new DecisionPointsOptions
        {
            Clients = clients ?? DecisionClients.None,
            AuthZen = AuthZenOptions.Read(settings, problems),
            Admission = AdmissionOptions.Read(settings, problems),
            WasmCloud = WasmCloudOptions.Read(settings, problems),
        };
    }
}

/// <param name="Listen">Where it is served.</param>
/// <param name="IsPlain">Without TLS; then <paramref name="Listen"/> is loopback.</param>
/// <param name="Identifier">The PDP's identifier, which is also the audience of its PEPs' JWT-SVIDs; null for the address it listens on.</param>
internal sealed record AuthZenOptions(IPEndPoint Listen, bool IsPlain, string? Identifier)
{
    public static AuthZenOptions? Read(IConfiguration settings, List<string> problems)
    {
        const string Example = "https://127.0.0.1:8443";
        var url = settings["authzen-url"];
        if (url is not null && (!Uri.TryCreate(url, UriKind.Absolute, out var identifier) || identifier.Scheme != "https" || identifier.AbsolutePath != "/"
            || identifier.Query.Length + identifier.Fragment.Length + identifier.UserInfo.Length > 0 || url.EndsWith('/')))
            problems.Add($"authzen-url: \"{url}\" is not a URL such as https://pdp.example.org, without path");
        if (settings["authzen-listen"] is not { } listen) return null;
        var isPlain = listen.StartsWith("http://", StringComparison.Ordinal);
        var address = isPlain ? listen[7..] : listen.StartsWith("https://", StringComparison.Ordinal) ? listen[8..] : "";
        if (!SettingText.TryReadEndPoint(address, out var endPoint))
            problems.Add($"authzen-listen: \"{listen}\" is not an address such as {Example}");
        else if (isPlain && !IPAddress.IsLoopback(endPoint.Address))
            problems.Add($"authzen-listen: \"{listen}\" would send decisions and tokens in the clear; http:// is for loopback, use https://");
        else return new AuthZenOptions(endPoint, isPlain, url);
        return null;
    }
}

/// <param name="CertificateFile">Null for the server's own SVID.</param>
/// <param name="ClientCaFile">Null when no client certificate is asked for.</param>
internal sealed record AdmissionOptions(IPEndPoint Listen, string? CertificateFile, string? KeyFile, string? ClientCaFile)
{
    public static AdmissionOptions? Read(IConfiguration settings, List<string> problems)
    {
        var (certificate, key) = (settings["admission-certificate-file"], settings["admission-key-file"]);
        if (certificate is null != key is null) problems.Add("admission-certificate-file and admission-key-file are given together or not at all");
        if (settings["admission-listen"] is not { } listen) return null;
        if (SettingText.TryReadEndPoint(listen, out var endPoint)) return new AdmissionOptions(endPoint, certificate, key, settings["admission-client-ca-file"]);
        problems.Add($"admission-listen: \"{listen}\" is not an address and a port such as 0.0.0.0:9443");
        return null;
    }
}

/// <param name="PolicyTopic">Of v1; null when that is not served.</param>
/// <param name="GatePrefix">Of v2; null when that is not served.</param>
internal sealed record WasmCloudOptions(
    Uri NatsUrl,
    string? CredentialsFile,
    string? CaFile,
    string? CertificateFile,
    string? KeyFile,
    string? PolicyTopic,
    string? ChangesTopic,
    string? GatePrefix,
    string HostPrefix,
    string RefusalsSubject)
{
    public static WasmCloudOptions? Read(IConfiguration settings, List<string> problems)
    {
        var topic = SettingText.ReadSubject(settings, "wasmcloud-policy-topic", null, problems);
        var changes = SettingText.ReadSubject(settings, "wasmcloud-policy-changes-topic", null, problems);
        var gate = SettingText.ReadSubject(settings, "wasmcloud-gate-prefix", null, problems);
        var hosts = SettingText.ReadSubject(settings, "wasmcloud-host-prefix", "runtime.host", problems)!;
        var refusals = SettingText.ReadSubject(settings, "wasmcloud-refusals-subject", "identity.wasmcloud.refusals", problems)!;
        var (certificate, key) = (settings["wasmcloud-nats-certificate-file"], settings["wasmcloud-nats-key-file"]);
        if (certificate is null != key is null) problems.Add("wasmcloud-nats-certificate-file and wasmcloud-nats-key-file are given together or not at all");
        if (changes is not null && topic is null) problems.Add("wasmcloud-policy-changes-topic is given without wasmcloud-policy-topic");
        if (changes is not null && changes == topic) problems.Add("wasmcloud-policy-changes-topic and wasmcloud-policy-topic are the same subject");
        // A start that was forwarded would come back to us.
        if (gate is not null && (SettingText.IsBelow(gate, hosts) || SettingText.IsBelow(hosts, gate)))
            problems.Add($"wasmcloud-gate-prefix {gate} and wasmcloud-host-prefix {hosts} lie in each other; starts must arrive on another prefix than hosts listen on");
        if (settings["wasmcloud-nats-url"] is not { } text)
        {
            if (topic is not null || gate is not null) problems.Add("wasmcloud-nats-url is not given, which wasmcloud-policy-topic and wasmcloud-gate-prefix need");
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("tls" or "nats") || url.UserInfo.Length > 0)
            problems.Add("wasmcloud-nats-url is not an address such as tls://127.0.0.1:4222, without user");
        else if (url.Scheme == "nats" && !url.IsLoopback)
            problems.Add($"wasmcloud-nats-url: \"{text}\" would ask and answer in the clear; nats:// is for loopback, use tls://");
        else if (topic is null && gate is null)
            problems.Add("wasmcloud-nats-url is given, but neither wasmcloud-policy-topic nor wasmcloud-gate-prefix says what to serve there");
        else
            return new WasmCloudOptions(
                url, settings["wasmcloud-nats-credentials-file"], settings["wasmcloud-nats-ca-file"], certificate, key, topic, changes, gate, hosts, refusals);
        return null;
    }
}
