using System.Collections.Immutable;
using CsCheck;
using Identity.Policy.Tests.Language;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// A world so small that every question can be answered by asking everybody for everything: callers with and without each attribute,
/// capabilities that cover, cross and miss each other, requests for one thing and for several at once.
/// </summary>
internal static class SmallWorld
{
    private static readonly string[] Digests = ["sha256:" + new string('1', 64), "sha256:" + new string('2', 64)];

    public static readonly ImmutableArray<PolicySubject> Subjects =
    [
        new() { SpiffeId = SpiffeId.Parse("spiffe://t/a") },
        new() { SpiffeId = SpiffeId.Parse("spiffe://t/a/b") },
        new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t") },
        new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t/a") },
        new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t/a/b") },
        new() { Digest = ComponentDigest.Parse(Digests[0]) },
        new() { Digest = ComponentDigest.Parse(Digests[1]), SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t") },
        new() { Signer = SignerName.Parse("ci") },
        new() { Signer = SignerName.Parse("qa"), SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t/a") },
        new() { Image = ImageReference.Parse("r.io/x:1") },
        new() { ImagePrefix = ImagePrefix.Parse("r.io/x") },
        new() { ImagePrefix = ImagePrefix.Parse("r.io"), Signer = SignerName.Parse("ci") },
        new() { Host = SpiffeId.Parse("spiffe://t/h/1") },
        new() { HostPrefix = SpiffeIdPrefix.Parse("spiffe://t/h"), SpiffeId = SpiffeId.Parse("spiffe://t/a/b") },
        new() { Namespace = "shop" },
        new() { Namespace = "shop", Lattice = "east" },
        new() { Lattice = "east", Digest = ComponentDigest.Parse(Digests[0]) },
    ];

    public static readonly ImmutableArray<Principal> Principals = [.. MakePrincipals()];

    /// <summary>Capabilities and requests of one kind each, so that a policy about a kind is full of meetings.</summary>
    public static readonly ImmutableArray<(Capability[] Capabilities, CapabilityRequest[] Requests)> Kinds =
    [
        Kind(["start"], ["start"]),
        Kind(
            ["import a:b/c@0.2.0", "import a:b/c@0.2.9", "import a:b/c@0.3.0", "import a:b/*@0.2.1", "import a:b/*@*", "import a:b/c@*", "import a:b/c@0.2.0#f", "import a:b/c@0.2.0#[method]r.g", "import a:b/c", "import a:b/d@0.2.0"],
            ["import a:b/c@0.2.0", "import a:b/c@0.3.7", "import a:b/c@0.2.5#f", "import a:b/c@0.2.0#[method]r.g", "import a:b/c@0.2.0#h", "import a:b/d@0.2.0", "import a:b/e@0.2.0#f", "import a:b/c", "import a:b/c@1.0.0", "import a:bb/c@0.2.0"]),
        Kind(["export #run", "export #stop", "export a:b/c@1.0.0", "export a:b/c@1.2.0#f"], ["export #run", "export #stop", "export #x", "export a:b/c@1.0.0", "export a:b/c@1.9.0#f", "export a:b/c@1.0.0#x"]),
        Kind(
            ["natsPublish a.b", "natsPublish a.*", "natsPublish a.>", "natsPublish a.*.c", "natsPublish a.b.>", "natsPublish b", "natsPublish *.b", "natsPublish >", "natsPublish *.*.c", "natsPublish a.*.>"],
            ["natsPublish a", "natsPublish a.b", "natsPublish a.x", "natsPublish a.b.c", "natsPublish a.x.c", "natsPublish a.b.x", "natsPublish a.x.x.x", "natsPublish b", "natsPublish b.b", "natsPublish a.*", "natsPublish a.>", "natsPublish a.b.>", "natsPublish a.x.>", "natsPublish >", "natsPublish *.b"]),
        Kind(
            ["natsSubscribe a.b", "natsSubscribe a.*", "natsSubscribe a.> w", "natsSubscribe a.b w", "natsSubscribe a.>", "natsSubscribe *.b v"],
            ["natsSubscribe a.b", "natsSubscribe a.b w", "natsSubscribe a.b v", "natsSubscribe a.b x", "natsSubscribe a.x", "natsSubscribe a.x w", "natsSubscribe a.>", "natsSubscribe a.> w", "natsSubscribe c.b v", "natsSubscribe a.x.y w"]),
        Kind(["natsRespond 1 1m", "natsRespond 5 1m", "natsRespond 5 2m"], ["natsRespond"]),
        Kind(
            ["stream S info", "stream S info,read", "stream S read,consume", "stream S info,read,consume,purge,manage", "stream T info"],
            ["stream S info", "stream S read", "stream S consume", "stream S purge", "stream S info,read", "stream S info,read,consume", "stream T info", "stream T info,read", "stream U info"]),
        Kind(["consumer S/c info", "consumer S/c info,consume", "consumer S/d consume", "consumer T/c manage,info"], ["consumer S/c info", "consumer S/c consume", "consumer S/c info,consume", "consumer S/d consume", "consumer T/c manage", "consumer T/c info", "consumer S/x info"]),
        Kind(
            ["bucket s read,write,watch,manage", "bucket s/a.> read", "bucket s/a.* read,write", "bucket s/a.b write,watch", "bucket t/> read"],
            ["bucket s/a.b read", "bucket s/a.x read", "bucket s/a.b.c read", "bucket s/a.b write", "bucket s/a.b watch", "bucket s/a.> watch", "bucket s manage", "bucket s/a.b read,write", "bucket s/a.> read", "bucket t/a read", "bucket t read", "bucket s/x read"]),
        Kind(
            ["connect api.x.io:443", "connect *.x.io:443", "connect *:443", "connect *.x.io:400-500", "connect api.x.io:443/udp", "connect *.api.x.io:*", "connect 10.0.0.0/8:443", "connect 10.0.0.0/31:443", "connect 10.0.0.0:443", "connect 10.0.0.1:443", "connect 10.0.0.0/31:400-500", "connect [2001:db8::]/32:443", "connect [2001:db8::1]:443"],
            ["connect api.x.io:443", "connect api.x.io:450", "connect api.x.io:443/udp", "connect b.api.x.io:443", "connect b.api.x.io:9", "connect x.io:443", "connect y.io:443", "connect api.x.io:400-450", "connect *.x.io:443", "connect 10.0.0.0:443", "connect 10.0.0.1:443", "connect 10.0.0.2:443", "connect 10.0.0.0/31:443", "connect 10.0.0.0/31:443-444", "connect 10.0.0.1:450", "connect 10.0.0.0/8:443", "connect [2001:db8::1]:443", "connect [2001:db8::2]:443", "connect [2001:db8::]/32:443", "connect 0.0.0.0/0:443"]),
        Kind(["resolve x.io", "resolve *.x.io", "resolve *", "resolve a.x.io"], ["resolve x.io", "resolve a.x.io", "resolve b.a.x.io", "resolve y", "resolve *.x.io", "resolve *"]),
        Kind(["config db/*", "config db/host", "config *", "config db"], ["config db", "config db/host", "config db/x", "config db/x/y", "config e", "config db/*"]),
        Kind(["secret s/*", "secret s/a"], ["secret s", "secret s/a", "secret s/b", "secret s/*"]),
        Kind(["audience https://a", "audience b"], ["audience https://a", "audience b", "audience c"]),
        Kind(["mount /", "mount /*", "mount /v/d", "mount /v/*", "mount /v/d/*"], ["mount /", "mount /v", "mount /v/d", "mount /v/d/e", "mount /x", "mount /v/*"]),
    ];

    /// <summary>What the capabilities of each kind mean for its requests.</summary>
    public static readonly ImmutableArray<WordWorld> Words =
        [.. Kinds.Select(kind => WordWorld.Of([.. kind.Capabilities.Select(capability => capability.ToString()), .. kind.Requests.Select(request => request.ToString())]))];

    /// <summary>Now, and on both sides of each expiry.</summary>
    public static readonly ImmutableArray<DateTimeOffset> Moments = [Samples.Now, Samples.Now.AddHours(1), Samples.Now.AddHours(2), Samples.Now.AddYears(50)];

    private static readonly DateTimeOffset?[] Expiries = [null, null, null, Samples.Now.AddHours(-1), Samples.Now.AddHours(1), Samples.Now.AddHours(2)];

    /// <summary>Rules about one kind, or two.</summary>
    /// <param name="most">Rules in a policy.</param>
    public static Gen<PolicyRule[]> Rules(int kind, int most) => Rule(kind).Array[0, most].Select(rules => rules.Select((rule, number) => rule with { Name = $"r{number}" }).ToArray());

    public static CapabilityPolicy Policy(PolicyRule[] rules) =>
        CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Source = "" }], 1);

    private static Gen<PolicyRule> Rule(int kind) => Gen.Select(
        Gen.Int[0, 9], Gen.Int[0, Subjects.Length - 1].Array[1, 2], Gen.Int[0, Kinds[kind].Capabilities.Length - 1].Array[1, 2], Gen.Int[0, 5], Gen.Int[0, 11], Gen.Int[0, 7],
        (effect, subjects, capabilities, expiry, mode, ceiling) =>
        {
            var permits = effect < 6;
            return new PolicyRule
            {
                Name = "unnamed",
                Effect = permits ? RuleEffect.Permit : RuleEffect.Forbid,
                Mode = mode switch { 0 => RuleMode.Off, 1 => RuleMode.Shadow, 2 => RuleMode.Warn, _ => RuleMode.Enforce },
                Subjects = [.. subjects.Distinct().Select(subject => Subjects[subject])],
                Capabilities = [.. capabilities.Distinct().Select(capability => Kinds[kind].Capabilities[capability])],
                Expires = permits ? Expiries[expiry] : null,
                Ceilings = permits && ceiling < 3 ? new StatedCeilings { Fuel = new[] { 5L, 1_000_000_000, 2_000_000_000 }[ceiling] } : StatedCeilings.None,
            };
        });

    private static IEnumerable<Principal> MakePrincipals()
    {
        var id = SpiffeId.Parse("spiffe://t/a");
        foreach (var path in new[] { "t/a", "t/a/b", "t/a/b/c", "t/ab", "u/a", "t" }) yield return new Principal { Id = SpiffeId.Parse("spiffe://" + path) };
        var all = new Principal
        {
            Id = SpiffeId.Parse("spiffe://t/a/b"),
            Digest = ComponentDigest.Parse(Digests[0]),
            Signers = [SignerName.Parse("ci")],
            Image = ImageReference.Parse("r.io/x:1"),
            Host = SpiffeId.Parse("spiffe://t/h/1"),
            Namespace = "shop",
            Lattice = "east",
        };
        yield return all;
        yield return all with { Digest = ComponentDigest.Parse(Digests[1]), Signers = [SignerName.Parse("qa"), SignerName.Parse("ci")], Host = SpiffeId.Parse("spiffe://t/h/2") };
        yield return all with { Image = ImageReference.Parse("r.io/x/y:1"), Lattice = "west", Signers = [SignerName.Parse("other")] };
        yield return all with { Image = ImageReference.Parse("r.io/x:2"), Namespace = "bank" };
        yield return all with { Id = SpiffeId.Parse("spiffe://u/z"), Image = ImageReference.Parse("r.io/x"), Digest = null };
        yield return all with { Unknown = PrincipalAttributes.Digest };
        yield return all with { Unknown = PrincipalAttributes.Signer | PrincipalAttributes.Image };
        yield return new Principal { Id = id, Unknown = PrincipalAttributes.Host | PrincipalAttributes.Namespace };
        yield return new Principal
        {
            Id = id,
            Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice,
        };
    }

    private static (Capability[], CapabilityRequest[]) Kind(string[] capabilities, string[] requests) =>
        ([.. capabilities.Select(Capability.Parse)], [.. requests.Select(CapabilityRequest.Parse)]);
}
