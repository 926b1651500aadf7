using System.Text.Json.Nodes;

namespace Identity.Policy.Tests.Analysis;

/// <summary>One question in Cedar's terms: the attributes that docs/policy-verification.md lists.</summary>
internal static class CedarCall
{
    private static readonly string[] Attributes = ["digest", "signers", "image", "host", "namespace", "lattice"];

    public static JsonObject Of(string policies, Principal principal, CapabilityRequest request, DateTimeOffset at) => new()
    {
        ["principal"] = Uid("Identity::Workload", "caller"),
        ["action"] = Uid("Identity::Action", request.ToCapability().Kind),
        ["resource"] = Uid("Identity::Resource", "asked"),
        ["context"] = new JsonObject { ["now"] = at.ToUnixTimeMilliseconds() },
        ["preparsedPolicySetId"] = policies,
        ["entities"] = new JsonArray(
            new JsonObject { ["uid"] = Uid("Identity::Workload", "caller"), ["attrs"] = Of(principal), ["parents"] = new JsonArray() },
            new JsonObject { ["uid"] = Uid("Identity::Resource", "asked"), ["attrs"] = Of(request), ["parents"] = new JsonArray() }),
    };

    private static JsonObject Uid(string type, string id) => new() { ["type"] = type, ["id"] = id };

    private static JsonObject Of(Principal principal)
    {
        var unknown = Attributes.Where((_, bit) => ((int)principal.Unknown >> bit & 1) != 0).ToArray();
        var attributes = new JsonObject
        {
            ["id"] = principal.Id.ToString(),
            ["signers"] = Set(principal.Signers.Select(signer => signer.Text)),
            ["unknown"] = Set(unknown),
        };
        Add(attributes, "digest", principal.Digest?.Text);
        Add(attributes, "repository", principal.Image?.Repository);
        Add(attributes, "tag", principal.Image?.Tag);
        Add(attributes, "manifest", principal.Image?.Digest?.Text);
        Add(attributes, "host", principal.Host?.ToString());
        Add(attributes, "namespace", principal.Namespace);
        Add(attributes, "lattice", principal.Lattice);
        return attributes;
    }

    private static JsonObject Of(CapabilityRequest request)
    {
        var attributes = new JsonObject();
        switch (request)
        {
            case CapabilityRequest.Import import: AddInterface(attributes, import.Interface, import.Function); break;
            case CapabilityRequest.Export export: AddInterface(attributes, export.Interface, export.Function); break;
            case CapabilityRequest.NatsPublish publish: AddSubject(attributes, publish.Subject); break;
            case CapabilityRequest.NatsSubscribe subscribe:
                AddSubject(attributes, subscribe.Subject);
                Add(attributes, "queue", subscribe.Queue);
                break;
            case CapabilityRequest.Stream stream: AddNamed(attributes, stream.Name, stream.ToString()); break;
            case CapabilityRequest.Consumer consumer:
                AddNamed(attributes, consumer.Name, consumer.ToString());
                Add(attributes, "stream", consumer.StreamName);
                break;
            case CapabilityRequest.Bucket bucket:
                AddNamed(attributes, bucket.Name, bucket.ToString());
                AddSubject(attributes, bucket.Key);
                break;
            case CapabilityRequest.Connect { Target: var target }:
                Add(attributes, "host", target.Name?.Text);
                if (target.Addresses is { } addresses) attributes["address"] = new JsonObject { ["__extn"] = new JsonObject { ["fn"] = "ip", ["arg"] = addresses.ToString() } };
                attributes["firstPort"] = target.Ports.First;
                attributes["lastPort"] = target.Ports.Last;
                Add(attributes, "protocol", target.Protocol == TransportProtocol.Udp ? "udp" : "tcp");
                break;
            case CapabilityRequest.Resolve resolve: Add(attributes, "host", resolve.Name.Text); break;
            case CapabilityRequest.Config config: Add(attributes, "path", config.Name.Text); break;
            case CapabilityRequest.Secret secret: Add(attributes, "path", secret.Name.Text); break;
            case CapabilityRequest.Mount mount: Add(attributes, "path", mount.Path.Text); break;
            case CapabilityRequest.Audience audience: Add(attributes, "name", audience.Name); break;
        }

        return attributes;
    }

    private static void AddInterface(JsonObject attributes, InterfaceName? name, string? function)
    {
        Add(attributes, "package", name?.Package ?? "");
        Add(attributes, "interface", name?.Interface);
        Add(attributes, "track", name?.Version is null ? null : name.Track);
        Add(attributes, "function", function);
    }

    private static void AddSubject(JsonObject attributes, NatsSubject subject)
    {
        var tokens = subject.Text.Split('.');
        var tail = tokens[^1] == ">";
        if (tail) tokens = tokens[..^1];
        attributes["tail"] = tail;
        attributes["count"] = tokens.Length;
        for (var i = 0; i < tokens.Length; i++) attributes[$"t{i}"] = tokens[i];
    }

    private static void AddNamed(JsonObject attributes, string name, string request)
    {
        Add(attributes, "name", name);
        attributes["access"] = Set(request[(request.LastIndexOf(' ') + 1)..].Split(','));
    }

    private static void Add(JsonObject attributes, string name, string? value)
    {
        if (value is not null) attributes[name] = value;
    }

    private static JsonArray Set(IEnumerable<string> texts) => [.. texts.Select(text => (JsonNode)text)];
}
