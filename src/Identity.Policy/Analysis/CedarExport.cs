using System.Globalization;
using System.Text;

namespace Identity.Policy.Analysis;

/// <summary>
/// Writes a policy in Cedar, so that Cedar's tools can be asked about it. Callers are entities of type <c>Identity::Workload</c>, what is
/// asked for is an <c>Identity::Action</c> named as the capability, its parts are attributes of the resource; docs/policy-verification.md
/// lists them. A condition never errs: it asks whether an attribute is there before it looks.
/// </summary>
public static class CedarExport
{
    private const string About =
        """
        // Written by `identity policy export --cedar`. Principals are Identity::Workload, with id, signers, unknown (sets of text) and, where they
        // have them, digest, repository, tag, manifest, host, namespace and lattice. context.now is in milliseconds since 1970.
        """;

    public static string Write(CapabilityPolicy policy)
    {
        var text = new StringBuilder(About).Append('\n');
        if (policy.Unreadable is not null) return text.Append("// The policy cannot be read: it denies everything.\n").ToString();
        foreach (var clause in policy.Clauses)
        {
            text.Append('\n');
            if (Authority.Decides(clause)) Write(text, clause, clause.Capability);
            else text.Append(CultureInfo.InvariantCulture, $"// {clause.Rule} decides nothing in mode {(clause.Mode == RuleMode.Warn ? "warn" : "shadow")}: {clause.Capability}\n");
            if (clause.Effect == RuleEffect.Permit || !Authority.Decides(clause)) continue;
            // A bucket is a stream by another name, and what is forbidden of the one is of the other.
            foreach (var taken in NatsJetStream.AlsoForbidden(clause.Capability)) Write(text, clause, taken);
        }

        return text.ToString();
    }

    private static void Write(StringBuilder text, PolicyClause clause, Capability capability)
    {
        var permits = clause.Effect == RuleEffect.Permit;
        List<string> conditions = [.. CedarSubject.Conditions(clause.Subject, permits), .. CedarCapability.Conditions(capability, permits)];
        if (permits && clause.Expires is { } expires) conditions.Add(CedarText.Invariant($"context.now < {expires.ToUnixTimeMilliseconds()}"));
        text.Append(CultureInfo.InvariantCulture, $"@rule({CedarText.Literal(clause.Rule.ToString())})\n{(permits ? "permit" : "forbid")} (principal, action == Identity::Action::{CedarText.Literal(capability.Kind)}, resource)");
        text.Append(conditions.Count == 0 ? ";\n" : $"\nwhen {{ {string.Join("\n  && ", conditions)} }};\n");
    }
}

/// <summary>Spells values of Cedar.</summary>
internal static class CedarText
{
    public static string Literal(string text) => $"\"{Escaped(text)}\"";

    public static string Set(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Literal))}]";

    /// <summary>Equal to the path, or whole segments below it.</summary>
    public static string AtOrBelow(string attribute, string path) => $"({attribute} == {Literal(path)} || {attribute} like {Pattern("", path + "/", "*")})";

    /// <param name="before">A wildcard, or nothing.</param>
    /// <param name="after">A wildcard, or nothing.</param>
    public static string Pattern(string before, string text, string after) => $"\"{before}{Escaped(text).Replace("*", "\\*", StringComparison.Ordinal)}{after}\"";

    public static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Escaped(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}

/// <summary>Whom a subject means. A forbid also means whom the door cannot tell.</summary>
internal static class CedarSubject
{
    public static IEnumerable<string> Conditions(PolicySubject subject, bool permits)
    {
        if (subject.SpiffeId is { } id) yield return $"principal.id == {CedarText.Literal(id.ToString())}";
        if (subject.SpiffeIdPrefix is { } prefix) yield return CedarText.AtOrBelow("principal.id", prefix.Text);
        if (subject.Digest is { } digest) yield return Told("digest", permits, Is("digest", digest.Text));
        if (subject.Signer is { } signer) yield return Told("signers", permits, $"principal.signers.contains({CedarText.Literal(signer.Text)})");
        if (subject.Image is { } image)
        {
            List<string> parts = [Is("repository", image.Repository)];
            if (image.Tag is { } tag) parts.Add(IsOrOpen("tag", tag, permits));
            if (image.Digest is { } manifest) parts.Add(IsOrOpen("manifest", manifest.Text, permits));
            yield return Told("image", permits, $"({string.Join(" && ", parts)})");
        }

        if (subject.ImagePrefix is { } images) yield return Told("image", permits, $"(principal has repository && {CedarText.AtOrBelow("principal.repository", images.Text)})");
        if (subject.Host is { } host) yield return Told("host", permits, Is("host", host.ToString()));
        if (subject.HostPrefix is { } hosts) yield return Told("host", permits, $"(principal has host && {CedarText.AtOrBelow("principal.host", hosts.Text)})");
        if (subject.Namespace is { } name) yield return Told("namespace", permits, Is("namespace", name));
        if (subject.Lattice is { } lattice) yield return Told("lattice", permits, Is("lattice", lattice));
    }

    private static string Is(string attribute, string value) => $"(principal has {attribute} && principal.{attribute} == {CedarText.Literal(value)})";

    // An image reference that leaves its tag open may be the one that a forbid means.
    private static string IsOrOpen(string attribute, string value, bool permits) =>
        permits ? Is(attribute, value) : $"(!(principal has {attribute}) || principal.{attribute} == {CedarText.Literal(value)})";

    private static string Told(string attribute, bool permits, string condition) =>
        permits ? $"(!principal.unknown.contains({CedarText.Literal(attribute)}) && {condition})" : $"(principal.unknown.contains({CedarText.Literal(attribute)}) || {condition})";
}

/// <summary>What a capability means: for a permit all that is asked for, for a forbid some of it.</summary>
internal static class CedarCapability
{
    public static IEnumerable<string> Conditions(Capability capability, bool permits) => capability switch
    {
        Capability.Import import => OfPattern(import.Pattern, permits),
        Capability.Export export => OfPattern(export.Pattern, permits),
        Capability.NatsPublish publish => OfSubject(publish.Subject, permits),
        Capability.NatsSubscribe { Queue: null } subscribe => OfSubject(subscribe.Subject, permits),
        Capability.NatsSubscribe { Queue: { } queue } subscribe => [.. OfSubject(subscribe.Subject, permits), Has("queue", queue)],
        Capability.Stream stream => [Is("name", stream.Name), Access(CapabilityText.Of(stream.Access), permits)],
        Capability.Consumer { Name: NatsJetStream.AnyConsumer } any => [Is("stream", any.StreamName), Access(CapabilityText.Of(any.Access), permits)],
        Capability.Consumer consumer => [Is("stream", consumer.StreamName), Is("name", consumer.Name), Access(CapabilityText.Of(consumer.Access), permits)],
        Capability.Bucket bucket => [Is("name", bucket.Name), .. OfSubject(bucket.Keys, permits), Access(CapabilityText.Of(bucket.Access), permits)],
        Capability.Connect { Target: var target } => [.. OfHost(target, permits), OfPorts(target.Ports, permits), Is("protocol", target.Protocol == TransportProtocol.Udp ? "udp" : "tcp")],
        Capability.Resolve resolve => OfName(resolve.Name),
        Capability.Config config => OfPath(config.Name),
        Capability.Secret secret => OfPath(secret.Name),
        Capability.Audience audience => [Is("name", audience.Name)],
        Capability.Mount mount => OfPath(mount.Path),
        _ => [],
    };

    private static IEnumerable<string> OfPattern(ImportPattern pattern, bool permits)
    {
        yield return Is("package", pattern.Package);
        if (pattern.Interface is { } name) yield return Has("interface", name);
        if (!pattern.AnyVersion) yield return pattern.Track is { } track ? HasOrOpen("track", track, permits) : "!(resource has track)";
        if (pattern.Function is { } function) yield return HasOrOpen("function", function, permits);
    }

    // Tokens are t0, t1, …; `tail` is true when all subjects below these tokens are asked for at once.
    private static IEnumerable<string> OfSubject(NatsSubject subject, bool permits)
    {
        var tokens = subject.Text.Split('.');
        var tail = tokens[^1] == ">";
        if (tail) tokens = tokens[..^1];
        var plain = tail ? $"resource.count > {tokens.Length}" : $"resource.count == {tokens.Length}";
        var below = permits
            ? tail ? $"resource.count >= {tokens.Length}" : "false"
            : tail ? "true" : $"resource.count < {tokens.Length}";
        yield return $"(if resource.tail then {below} else {plain})";
        for (var i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] != "*") yield return $"(resource.count <= {i} || (resource has t{i} && resource.t{i} == {CedarText.Literal(tokens[i])}))";
        }
    }

    private static IEnumerable<string> OfHost(ConnectTarget target, bool permits)
    {
        if (target.Name is { } name) return OfName(name);
        var range = $"ip({CedarText.Literal(target.Addresses.ToString()!)})";
        return permits
            ? [$"(resource has address && resource.address.isInRange({range}))"]
            : [$"(resource has address && (resource.address.isInRange({range}) || {range}.isInRange(resource.address)))"];
    }

    private static string OfPorts(PortRange ports, bool permits) => permits
        ? $"(resource.firstPort >= {ports.First} && resource.lastPort <= {ports.Last})"
        : $"(resource.firstPort <= {ports.Last} && resource.lastPort >= {ports.First})";

    private static IEnumerable<string> OfName(DnsPattern name) => name.Text == "*" ? ["resource has host"]
        : name.IsWildcard ? [$"(resource has host && resource.host like {CedarText.Pattern("*", name.Suffix.ToString(), "")})"] : [Has("host", name.Text)];

    private static IEnumerable<string> OfPath(SegmentPattern path) => !path.IsPrefix ? [Is("path", path.Text)]
        : [$"(resource.path like {CedarText.Pattern("", path.Stem.ToString(), "*")} && resource.path != {CedarText.Literal(path.Stem.ToString())})"];

    private static string Access(string words, bool permits) => permits
        ? $"{CedarText.Set(words.Split(','))}.containsAll(resource.access)" : $"{CedarText.Set(words.Split(','))}.containsAny(resource.access)";

    private static string Is(string attribute, string value) => $"resource.{attribute} == {CedarText.Literal(value)}";

    // What is asked for without a version or a function may be any of them.
    private static string HasOrOpen(string attribute, string value, bool permits) =>
        permits ? Has(attribute, value) : $"(!(resource has {attribute}) || resource.{attribute} == {CedarText.Literal(value)})";

    private static string Has(string attribute, string value) => $"(resource has {attribute} && resource.{attribute} == {CedarText.Literal(value)})";
}
