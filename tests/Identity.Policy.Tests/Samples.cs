using Identity.Testing.Platform;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>Short ways to write policies and starts.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    public static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");

    public static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    public static readonly ComponentDigest Digest = ComponentDigest.Of("greeter"u8);

    public static readonly ComponentDigest OtherDigest = ComponentDigest.Of("other"u8);

    public static ComponentStart Start(params string[] imports) => new(
        Greeter, Host, Digest, "greeter", new ComponentImports([.. imports.Select(name => new ComponentImport(name, ImportKind.Instance))]));

    public static PolicyDocument Document(string source) =>
        PolicyParser.TryParse(source, out var document, out var problems) ? document : throw new FormatException(string.Join('\n', problems));

    public static CapabilityPolicy Policy(params string[] sources) => CapabilityPolicy.Create(sources.Select(Document), revision: 7);

    /// <summary>A policy from rules in one line each: effect, subject, capability.</summary>
    public static CapabilityPolicy Rules(params (string Effect, string Subject, string Capability)[] rules) => Policy(Source(rules));

    public static string Source(params (string Effect, string Subject, string Capability)[] rules) =>
        "kind: CapabilityPolicy\nname: sample\nrules:\n" + string.Concat(rules.Select((rule, number) =>
            $"  - {{ name: rule-{number}, effect: {rule.Effect}, subjects: [{{ {rule.Subject} }}], capabilities: [{rule.Capability}] }}\n"));

    public static string RepositoryFile(string path) => Path.Combine(Repository.Root, path);
}
