using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// What a v2 workload asks for, in the words of policy: the one table behind the admission webhook and the start interposer
/// (docs/decision-points.md prints it). What cannot be worded refuses the workload.
/// </summary>
internal static class WorkloadQuestions
{
    /// <summary>Questions of one workload that ask for more than one thing each, such as <c>*.example.com:443</c>: each is compared with every forbid of its kind.</summary>
    public const int MaxWide = 512;

    private static readonly string TooMany = $"it asks for more than {DecisionPoint.MaxQuestions} capabilities";

    // Where the port is the one of the scheme, the host's URL parser drops it, and what it then holds has none: it takes any (WHATWG URL §4.4, "port state").
    private static readonly Dictionary<string, string> DefaultPorts = new(StringComparer.OrdinalIgnoreCase)
    {
        ["http"] = "80",
        ["ws"] = "80",
        ["https"] = "443",
        ["wss"] = "443",
        ["ftp"] = "21",
    };

    // The operator puts the image in when the artifact is published.
    private const string ArtifactScheme = "artifact://";

    // Called by the host. Everything else in hostInterfaces is called by the component; the manifest does not say which way an entry points.
    private static readonly HashSet<string> Exported = ["wasi:http/incoming-handler", "wasmcloud:messaging/handler", "wasi:cli/run"];

    // wasi:http 0.3 has one interface for both ways.
    private static readonly HashSet<string> BothWays = ["wasi:http/handler"];

    public static bool TryMap(
        WorkloadNeeds needs, TrustDomain trustDomain, [NotNullWhen(true)] out IReadOnlyList<Question>? questions, [NotNullWhen(false)] out string? problem)
    {
        questions = null;
        var shared = new Asked();
        shared.Add(new CapabilityRequest.Start());
        foreach (var entry in needs.Interfaces) AddInterfaces(shared, entry);
        foreach (var key in needs.Keys) shared.Add(key.Kind, key.Value);
        var found = new List<Question>();
        var (count, wide) = (0, 0);
        foreach (var part in needs.Parts)
        {
            // What all components ask for is a list of each: before it is copied for the next, it must fit.
            if ((count += shared.Requests.Count) > DecisionPoint.MaxQuestions)
            {
                problem = TooMany;
                return false;
            }

            if (!TryName(trustDomain, needs.Namespace, part, out var id, out problem)) return false;
            var asked = new Asked(shared);
            AddAll(asked, "allowedHosts", part.AllowedHosts, AddHost);
            AddAll(asked, "allowedIpNameLookups", part.AllowedIpNameLookups, AddLookup);
            AddAll(asked, "allowedHostLoopbackPorts", part.AllowedHostLoopbackPorts, AddLoopback);
            foreach (var key in part.Keys) asked.Add(key.Kind, key.Value);
            foreach (var path in part.HostPaths) asked.Add("mount", path);
            if (asked.Problem is not null)
            {
                problem = $"{part} asks for something policy has no words for: {asked.Problem}";
                return false;
            }

            if ((wide += asked.Requests.Count(IsWide)) > MaxWide)
            {
                problem = $"it asks for more than {MaxWide} capabilities with a wildcard; name single hosts, names and keys";
                return false;
            }

            found.Add(new Question(PrincipalOf(id, needs.Namespace, part.Image), asked.Requests));
        }

        problem = null;
        questions = found;
        return true;
    }

    private static bool TryName(
        TrustDomain trustDomain, string ns, WorkloadPart part, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem) =>
        part.Component is { } name
            ? WasmCloudIdentity.TryOfComponent(trustDomain, ns, name, out id, out problem)
            : WasmCloudIdentity.TryOfService(trustDomain, ns, out id, out problem);

    // The digest in an image reference is the manifest's, not the component's, and nobody here has seen a signature or the host's SVID.
    private static Principal PrincipalOf(SpiffeId id, string ns, string image)
    {
        ImageReference? reference = null;
        var isKnown = !image.StartsWith(ArtifactScheme, StringComparison.Ordinal) && ImageReference.TryParse(image, out reference, out _);
        return new Principal
        {
            Id = id,
            Image = reference,
            Namespace = ns,
            Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Host | (isKnown ? PrincipalAttributes.None : PrincipalAttributes.Image),
        };
    }

    private static void AddInterfaces(Asked asked, HostInterface entry)
    {
        foreach (var name in entry.Interfaces)
        {
            if (asked.Problem is not null) return;
            var path = $"{entry.Namespace}:{entry.Package}/{name}";
            var text = entry.Version.Length == 0 ? path : $"{path}@{entry.Version}";
            // Nothing else may stand here, a '#' for one function least of all: the host takes a version that it cannot read for none, and links the whole interface.
            if (name.Contains('@', StringComparison.Ordinal) || !InterfaceName.TryParse(text, out _, out _))
            {
                asked.Fail($"{Quote.From(text)} is not namespace:package/interface, with a semantic version or none");
                return;
            }

            if (!Exported.Contains(path)) asked.Add("import", text);
            if (Exported.Contains(path) || BothWays.Contains(path)) asked.Add("export", text);
        }
    }

    private static bool IsWide(CapabilityRequest request) => request switch
    {
        CapabilityRequest.Connect { Target: var target } => target.Name?.IsWildcard ?? !target.Addresses!.Value.IsAddress,
        CapabilityRequest.Resolve resolve => resolve.Name.IsWildcard,
        CapabilityRequest.Config config => config.Name.IsPrefix,
        CapabilityRequest.Secret secret => secret.Name.IsPrefix,
        CapabilityRequest.Mount mount => mount.Path.IsPrefix,
        _ => false,
    };

    // What stands before an '@' may be a password, and a problem is told to whoever asked, logged and kept.
    private static void AddAll(Asked asked, string field, IReadOnlyList<string> entries, Action<Asked, string> add)
    {
        for (var i = 0; i < entries.Count && asked.Problem is null; i++)
        {
            if (entries[i].Contains('@', StringComparison.Ordinal)) asked.Fail($"{field}[{i}] has an '@'; expected no user or password there");
            else add(asked, entries[i]);
        }
    }

    // [scheme://]host[:port][/], *.suffix, or *. Without a port every port is meant, also behind a scheme.
    private static void AddHost(Asked asked, string entry)
    {
        if (entry == "*")
        {
            foreach (var everything in new[] { "*:*", "0.0.0.0/0:*", "0.0.0.0/0:*/udp", "[::]/0:*", "[::]/0:*/udp" }) asked.Add("connect", everything);
            return;
        }

        var scheme = entry.IndexOf("://", StringComparison.Ordinal);
        var host = scheme < 0 ? entry : entry[(scheme + 3)..];
        if (scheme >= 0 && host.EndsWith('/')) host = host[..^1];
        if (scheme == 0 || host.AsSpan().ContainsAny("/?# "))
        {
            asked.Fail($"the allowed host {Quote.From(entry)} is not [scheme://]host[:port]");
            return;
        }

        var colon = host.LastIndexOf(':');
        var target = colon < 0 || host.EndsWith(']') ? $"{host}:*"
            : scheme > 0 && !host.StartsWith('*') && DefaultPorts.TryGetValue(entry[..scheme], out var port) && host[(colon + 1)..] == port ? $"{host[..colon]}:*"
            : host;
        asked.Add("connect", target);
        // A raw socket is held to the same list by its address, whatever it speaks; a name is for HTTP only.
        if (asked.Requests is [.., CapabilityRequest.Connect { Target.Addresses: not null }]) asked.Add("connect", $"{target}/udp");
    }

    // An address resolves to itself; connecting to it is asked for elsewhere. What only some programs read as an address (10, 127.1) is a name.
    private static void AddLookup(Asked asked, string name)
    {
        var isAddress = System.Net.IPAddress.TryParse(name, out var address) && (name.Contains(':', StringComparison.Ordinal) || address.ToString() == name);
        if (!isAddress) asked.Add("resolve", name);
    }

    private static void AddLoopback(Asked asked, string port) =>
        asked.Add("connect", $"host.wasmcloud.internal:{port.ToLowerInvariant()}");

    /// <summary>Requests so far, each once, and the first thing that could not be worded.</summary>
    private sealed class Asked
    {
        private readonly HashSet<string> _seen;
        private readonly List<CapabilityRequest> _requests;

        public Asked() => (_seen, _requests) = (new(StringComparer.Ordinal), []);

        public Asked(Asked other) => (_seen, _requests, Problem) = (new(other._seen, StringComparer.Ordinal), [.. other._requests], other.Problem);

        public List<CapabilityRequest> Requests => _requests;

        public string? Problem { get; private set; }

        public void Add(CapabilityRequest request)
        {
            if (IsFull()) return;
            if (_seen.Add(request.ToString())) _requests.Add(request);
        }

        public void Add(string kind, string value)
        {
            if (IsFull()) return;
            if (CapabilityRequest.TryParse(kind, value, out var request, out var problem)) Add(request);
            else Fail(problem);
        }

        public void Fail(string problem) => Problem ??= problem;

        // A few megabytes of names would otherwise become hundreds of megabytes of requests.
        private bool IsFull()
        {
            if (_requests.Count >= DecisionPoint.MaxQuestions) Fail(TooMany);
            return Problem is not null;
        }
    }
}
