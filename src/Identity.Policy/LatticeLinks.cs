using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>One thing that a link lets somebody do.</summary>
public sealed record LatticeLinkRequest(SpiffeId Who, CapabilityRequest What);

/// <summary>
/// Links of a wasmCloud v1 lattice in the words of policy. A host asks nobody about a link, so nothing is enforced by this: it says what a lattice's links
/// come to, for people who write policy (docs/decision-points.md).
/// </summary>
public static class LatticeLinks
{
    /// <summary>Of the text that is read.</summary>
    public const int MaxBytes = 1 << 20;

    private const int MaxSegment = 256;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 8, AllowDuplicateProperties = false };

    /// <summary>
    /// For each link: the source imports the interfaces, the target exports them, and each is given its configuration by name. Without a version, because a
    /// link has none.
    /// </summary>
    /// <param name="json">A link as <c>link.put</c> carries it, a list of them, or the reply to <c>link.get</c>.</param>
    /// <param name="isProvider">Whether an id is that of a provider: a link does not say, and policy does not call it what it calls a component of that id.</param>
    public static bool TryRead(
        ReadOnlyMemory<byte> json,
        TrustDomain trustDomain,
        string lattice,
        Func<string, bool> isProvider,
        out ImmutableArray<LatticeLinkRequest> requests,
        [NotNullWhen(false)] out string? problem)
    {
        requests = [];
        if (json.Length > MaxBytes)
        {
            problem = $"the links have more than {MaxBytes} bytes";
            return false;
        }

        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            var found = ImmutableArray.CreateBuilder<LatticeLinkRequest>();
            var at = 0;
            foreach (var element in Links(document.RootElement))
            {
                at++;
                if (!TryRead(element, id => $"{trustDomain.Id}/wasmcloud/{lattice}/{(isProvider(id) ? "provider/" : "")}{id}", found, out problem))
                {
                    problem = $"link {at}: {problem}";
                    return false;
                }
            }

            if (!IsSegment(lattice)) return Fail($"the lattice {Quoted.From(lattice)} cannot be part of a SPIFFE ID", out problem);
            requests = [.. found.Distinct()];
            problem = null;
            return true;
        }
        catch (JsonException e)
        {
            return Fail($"the links are no JSON that can be read: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}", out problem);
        }
        catch (InvalidOperationException)
        {
            return Fail("the links have a text that is no Unicode, such as half of a surrogate pair", out problem);
        }
    }

    private static List<JsonElement> Links(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Array) return [.. root.EnumerateArray()];
        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("response", out var response) && response.ValueKind == JsonValueKind.Array
            ? [.. response.EnumerateArray()]
            : [root];
    }

    private static bool TryRead(JsonElement element, Func<string, string> identity, ImmutableArray<LatticeLinkRequest>.Builder found, [NotNullWhen(false)] out string? problem)
    {
        if (element.ValueKind != JsonValueKind.Object) return Fail("expected an object", out problem);
        var link = new Link();
        foreach (var member in element.EnumerateObject())
        {
            if (!link.TrySet(member, out problem)) return false;
        }

        if (link.FindMissing() is { } missing) return Fail($"it lacks '{missing}'", out problem);
        if (!TryName(link.Source!, identity, out var source, out problem) || !TryName(link.Target!, identity, out var target, out problem)) return false;
        foreach (var name in link.Interfaces)
        {
            var path = $"{link.Namespace}:{link.Package}/{name}";
            // A link is of whole interfaces, without a version.
            if (path.Contains('@', StringComparison.Ordinal)) return Fail($"{Quoted.From(path)} has a version, and a link has none", out problem);
            if (!InterfaceName.TryParse(path, out _, out problem) || !TryAdd(found, source, "import", path, out problem) || !TryAdd(found, target, "export", path, out problem)) return false;
        }

        foreach (var name in link.SourceConfig)
        {
            if (!TryAdd(found, source, "config", name, out problem)) return false;
        }

        foreach (var name in link.TargetConfig)
        {
            if (!TryAdd(found, target, "config", name, out problem)) return false;
        }

        problem = null;
        return true;
    }

    private static bool TryAdd(ImmutableArray<LatticeLinkRequest>.Builder found, SpiffeId who, string kind, string value, [NotNullWhen(false)] out string? problem)
    {
        if (!CapabilityRequest.TryParse(kind, value, out var request, out problem)) return false;
        found.Add(new LatticeLinkRequest(who, request));
        return true;
    }

    private static bool TryName(string id, Func<string, string> identity, [NotNullWhen(true)] out SpiffeId? named, [NotNullWhen(false)] out string? problem)
    {
        named = null;
        return IsSegment(id) ? SpiffeId.TryParse(identity(id), out named, out problem) : Fail($"{Quoted.From(id)} cannot be part of a SPIFFE ID, so policy cannot name it", out problem);
    }

    // A slash would pass as two segments once they are joined.
    private static bool IsSegment(string text) => text.Length is > 0 and <= MaxSegment && !text.Contains('/', StringComparison.Ordinal);

    private static bool Fail(string text, out string problem)
    {
        problem = text;
        return false;
    }

    /// <summary>The members of a link. The name of the link itself says nothing about what is allowed.</summary>
    private sealed class Link
    {
        public string? Source { get; private set; }

        public string? Target { get; private set; }

        public string? Namespace { get; private set; }

        public string? Package { get; private set; }

        public ImmutableArray<string> Interfaces { get; private set; } = [];

        public ImmutableArray<string> SourceConfig { get; private set; } = [];

        public ImmutableArray<string> TargetConfig { get; private set; } = [];

        public string? FindMissing() =>
            Source is null ? "source_id" : Target is null ? "target" : Namespace is null ? "wit_namespace" : Package is null ? "wit_package" : Interfaces.IsEmpty ? "interfaces" : null;

        // A member that is not known may be a grant of a later version.
        public bool TrySet(JsonProperty member, [NotNullWhen(false)] out string? problem)
        {
            problem = null;
            var (value, text) = (member.Value, member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString() : null);
            var list = Texts(value);
            switch (member.Name)
            {
                case "source_id" when text is not null: Source = text; return true;
                case "target" when text is not null: Target = text; return true;
                case "wit_namespace" when text is not null: Namespace = text; return true;
                case "wit_package" when text is not null: Package = text; return true;
                case "name" when text is not null: return true;
                case "interfaces" when list is { } names: Interfaces = names; return true;
                case "source_config" when list is { } names: SourceConfig = names; return true;
                case "target_config" when list is { } names: TargetConfig = names; return true;
                default: return Fail($"{Quoted.From(member.Name)} is not known, or not what it should be", out problem);
            }
        }

        private static ImmutableArray<string>? Texts(JsonElement value) =>
            value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String) ? [.. value.EnumerateArray().Select(one => one.GetString()!)] : null;
    }
}
