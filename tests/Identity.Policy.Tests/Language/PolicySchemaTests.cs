using System.Text.Json;
using YamlDotNet.RepresentationModel;

namespace Identity.Policy.Tests.Language;

/// <summary>The published schema and the reader judge alike; where they differ, the reader is the stricter and the row says so.</summary>
public sealed class PolicySchemaTests
{
    private const string Digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    private static readonly JsonElement Schema = JsonDocument.Parse(File.ReadAllText(Samples.RepositoryFile("docs/policy.schema.json"))).RootElement;

    private static readonly string[] GoodSubjects =
    [
            "spiffeId: spiffe://example.org/a", "spiffeIdPrefix: spiffe://example.org", "spiffeIdPrefix: spiffe://example.org/a/b", $"digest: {Digest}", "signer: release@example.org", "image: ghcr.io/acme/shop:1.0",
            $"image: ghcr.io/acme/shop@{Digest}", $"image: localhost:5000/shop:1@{Digest}", "imagePrefix: ghcr.io", "imagePrefix: ghcr.io/acme", "host: spiffe://example.org/hosts/1", "hostPrefix: spiffe://example.org",
            "namespace: shop", "lattice: default", "labels: { team: shop, tier: gold }", "spiffeIdPrefix: spiffe://example.org, namespace: shop, labels: { team: shop }",
    ];

    private static readonly string[] GoodCapabilities =
    [
            "start", "{ import: wasi:io/poll@0.2.0 }", "{ import: wasi:io/*@0.2.0 }", "{ import: a:b/c }", "{ import: \"wasi:keyvalue/store@0.2.0-draft#[method]bucket.get\" }", "{ import: \"a:b/c@1.0.0#[async method]r.m\" }", "{ export: wasi:http/incoming-handler@0.2.0 }", "{ export: \"#run\" }",
            "{ natsPublish: orders.new }", "{ natsPublish: orders.*.paid }", "{ natsSubscribe: orders.> }", "{ natsSubscribe: orders.>, queue: workers }", "{ natsRespond: { max: 1, within: 1m } }",
            "{ stream: ORDERS, access: [info, read, consume, purge, manage] }", "{ consumer: ORDERS/worker, access: [info, consume, manage] }", "{ bucket: settings, access: [manage] }", "{ bucket: settings, keys: app.>, access: [read, write, watch] }", "{ bucket: settings, keys: \"*.b/c=d\", access: [read] }",
            "{ connect: api.example.com:443 }", "{ connect: \"*.example.com:443\" }", "{ connect: \"*:*\" }", "{ connect: 10.0.0.0/8:5432 }", "{ connect: \"[2001:db8::]/32:8000-8100\" }", "{ connect: 10.0.0.1:53, protocol: udp }",
            "{ resolve: api.example.com }", "{ resolve: \"*\" }", "{ config: db/host }", "{ config: db/* }", "{ secret: \"*\" }", "{ audience: https://vault.example.com }", "{ mount: / }", "{ mount: /var/data/* }",
    ];

    private static readonly string[] GoodForbiddenImports =
    [
        "\"wasi:sockets/*@*\"", "\"wasi:sockets/tcp@*#[method]tcp-socket.start-bind\""
    ];

    private static readonly string[] GoodForbids =
    [
        "natsRespond", "{ natsPublish: \">\" }", "{ natsSubscribe: $JS.> }", "{ bucket: settings, keys: app.>, access: [manage] }"
    ];

    private static readonly string[] GoodExtras =
    [
        "mode: enforce", "mode: off", "mode: shadow", "mode: warn", "expires: 2030-01-31T00:00:00Z, reason: until the move", "reason: said freely", "ceilings: { memory: 16MiB, memories: 2, fuel: 1000, time: 5s, instances: 3, tables: 4, tableElements: 5 }"
    ];

    private static readonly string[] BadSubjects =
    [
            "spiffeId: spiffe://example.org", "spiffeId: https://example.org/a", "spiffeId: spiffe://example.org/a/", "spiffeId: spiffe://example.org/../a", "spiffeId: spiffe://Example.org/a", "spiffeIdPrefix: spiffe://example.org/", "digest: sha256:abc", $"digest: {Digest.ToUpperInvariant()}", "signer: \"release *\"", "signer: rel*",
            "image: ghcr.io/acme/shop", "image: shop:1.0", "image: ghcr.io/Acme/shop:1", "imagePrefix: ghcr.io/", "imagePrefix: ghcr.io/acme/", "host: spiffe://example.org", "hostPrefix: hosts", "namespace: Shop", "namespace: -shop", "lattice: my lattice", "labels: {}", "labels: [team]", "labels: { my team: shop }", "labels: { team: }",
            "everyone: true", "spiffeid: spiffe://example.org/a", "", "spiffeId: spiffe://ex\u0430mple.org/a",
    ];

    private static readonly string[] BadCapabilities =
    [
            "stat", "{ start: true }", "{}", "{ import: wasi:io/poll@0.2.0, export: a:b/c }", "{ import: wasi:io }", "{ import: \"*\" }", "{ import: wasi:*/poll@0.2.0 }", "{ import: wasi:io/*@0.2.0#poll }", "{ import: \"#run\" }", "{ import: \"wasi:sockets/*@*\" }", "{ import: wasi:io/poll@0.2 }", "{ import: Wasi:io/poll@0.2.0 }", "{ import: [a:b/c] }", "{ import: }",
            "{ export: \"#Run\" }", "{ export: \"a:b/c@*\" }", "{ natsPublish: a..b }", "{ natsPublish: a b }", "{ natsPublish: a.>.b }", "{ natsPublish: \">\" }", "{ natsPublish: $SYS.REQ }", "{ natsPublish: _INBOX.x }", "{ natsPublish: a, queue: q }", "{ natsSubscribe: \"*.a\" }", "{ natsSubscribe: a, queue: q* }", "{ natsSubscribe: a, queue: }",
            "natsRespond", "{ natsRespond: { max: 1 } }", "{ natsRespond: { max: 0, within: 1m } }", "{ natsRespond: { max: 1, within: 60 } }", "{ natsRespond: { max: 1, within: 1m, often: no } }", "{ natsRespond: 1 }",
            "{ stream: ORDERS }", "{ stream: ORDERS, access: [] }", "{ stream: ORDERS, access: [write] }", "{ stream: ORDERS, access: [read, read] }", "{ stream: OR.DERS, access: [read] }", "{ stream: ORDERS, access: read }", "{ stream: ORDERS, keys: a, access: [read] }", "{ consumer: ORDERS, access: [consume] }", "{ consumer: ORDERS/>, access: [consume] }", "{ consumer: ORDERS/a, access: [read] }",
            "{ bucket: set.tings, access: [read] }", "{ bucket: settings, keys: $KV.other.>, access: [read] }", "{ bucket: settings, keys: a..b, access: [read] }", "{ bucket: settings, keys: app.>, access: [manage] }", "{ bucket: settings, access: [info] }",
            "{ connect: api.example.com }", "{ connect: Api.example.com:443 }", "{ connect: api.example.com:0 }", "{ connect: https://api.example.com:443 }", "{ connect: api.*.com:443 }", "{ connect: fe80::1%eth0:443 }", "{ connect: api.example.com:443, protocol: icmp }", "{ connect: ex\u0430mple.org:443 }", "{ resolve: a..b }", "{ resolve: \"a.*\" }", "{ resolve: a, protocol: tcp }",
            "{ config: db//host }", "{ config: /db }", "{ config: db* }", "{ config: \"*/db\" }", "{ secret: a b }", "{ audience: https://*.example.com }", "{ audience: }", "{ mount: var }", "{ mount: /var/ }", "{ mount: /v*r }", "{ imports: a:b/c }", "{ access: [read] }",
    ];

    private static readonly string[] BadExtras =
    [
        "mode: of", "mode: Shadow", "mode: [warn]", "expires: 2030-01-31T00:00:00Z", "expires: 2030-01-31, reason: r", "reason: ", "reason: \" \"", "ceilings: {}", "ceilings: { memory: 16MB }", "ceilings: { fuel: 0 }", "ceilings: { time: 5 }", "ceilings: { disk: 5 }", "priority: 5"
    ];

    private static readonly string[] GoodRoles =
    [
        "", "approvals: 0", "approvals: 16", "approvals: \"2\"", "labels: [tier, team]", "subjects: any", "policies: [\"*\"]", "policies: [shop, \"shop.*\", a-b_c.d]", "members: [unix:0, unix:65534, spiffe://example.org/people/ann]",
    ];

    private static readonly string[] NeededByRoles = ["name", "members", "policies", "subjects"];

    private static readonly string[] Guides = ["docs/policy.md", "docs/policy-administration.md", "docs/policy-enforcement.md", "docs/policy-verification.md"];

    private static readonly string[] GoodCases =
    [
        "", "expect: deny", "by: shop/orders", "at: 2030-01-31T00:00:00Z", "request: start", "request: { natsPublish: orders.new }", "request: { natsSubscribe: orders.> }", "request: { import: wasi:io/poll@0.2.0 }", "request: { connect: api.example.com:443 }",
        "principal: { spiffeId: spiffe://example.org }", $"principal: {{ spiffeId: spiffe://example.org/a, digest: {Digest}, signers: [release@example.org], image: ghcr.io/a/b:1, host: spiffe://example.org/h, namespace: shop, lattice: default }}",
        "principal: { spiffeId: spiffe://example.org/a, unknown: [digest, signers, image, host, namespace, lattice] }",
    ];

    private static readonly string[] BadCases =
    [
        "name: \"\"", "name: \" \"", "expect: allowed", "expect: Allow", "expect:", "by: shop", "by: shop/orders/x", "by: a b/c", "at: 2030-01-31", "at: now", "request: stat", "request: {}", "request: { natsPublish: a..b }", "request: [start]", "mode: warn",
        "principal: {}", "principal: { digest: x }", "principal: spiffe://example.org/a", "principal: { spiffeId: a }", "principal: { spiffeId: spiffe://example.org/a, signer: s }", "principal: { spiffeId: spiffe://example.org/a, signers: [] }",
        "principal: { spiffeId: spiffe://example.org/a, signers: s }", "principal: { spiffeId: spiffe://example.org/a, image: shop }", "principal: { spiffeId: spiffe://example.org/a, unknown: [] }", "principal: { spiffeId: spiffe://example.org/a, unknown: [signer] }",
        "principal: { spiffeId: spiffe://example.org/a, spiffeIdPrefix: spiffe://example.org }", "principal: { spiffeId: spiffe://example.org/a, namespace: my shop }",
    ];

    private static readonly string[] NeededByCases = ["name", "principal", "request", "expect"];

    private static readonly string[] BadRoles =
    [
        "members: []", "members: [unix:01]", "members: [uid:1]", "members: [spiffe://example.org]", "members: [unix:1, unix:1]", "members: unix:1", "members:", "policies: []", "policies: [\"sh*p\"]", "policies: [shop., bank]",
        "policies: [\"shop..*\"]", "policies: [\"*\", \"*\"]", "subjects: []", "subjects: all", "subjects: [any]", "subjects: [{}]", "subjects: [{ spiffeid: spiffe://example.org/a }]", "labels: []", "labels: [a b]", "labels: [tier, tier]",
        "approvals: 17", "approvals: -1", "approvals: one", "approvals: 1.5", "approval: 1", "name: my role", "capabilities: [start]",
    ];

    public static TheoryData<string> Accepted => new(Enumerable.Distinct<string>(
    [
        .. GoodRoles.Select(Role),
        .. GoodCases.Select(line => Test(Case(line))),
        Test($"{Case("")}\n{Case("name: another")}"),
        .. GoodSubjects.Select(subject => Role($"subjects: [{{ {subject} }}]")),
        .. GoodSubjects.Select(subject => Rule(subject: subject)),
        .. GoodCapabilities.Select(capability => Rule(capability: capability)),
        .. GoodForbiddenImports.Select(import => Rule(effect: "forbid", capability: $"{{ import: {import} }}")),
        .. GoodForbids.Select(capability => Rule(effect: "forbid", capability: capability)),
        .. GoodExtras.Select(more => Rule(more: more)),
        "kind: CapabilityPolicy\nname: p\nlabels:\n- { name: team, value: shop, subjects: [{ spiffeIdPrefix: spiffe://example.org/shop }, { imagePrefix: ghcr.io/shop }] }\nrules:\n- { name: r, effect: forbid, subjects: [{ labels: { team: shop } }], capabilities: [start] }",
        "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nparentId: spiffe://example.org/hosts/1\nselectors: [unix:uid:1000]\nx509SvidTtl: 1h\njwtSvidTtl: 5m\nhint: main\ndnsNames: [a.example.org]\nfederatesWith: [other.org]",
    ]));

    public static TheoryData<string> Refused => new(Enumerable.Distinct<string>(
    [
        .. BadCases.Select(line => Test(Case(line))), .. NeededByCases.Select(left => Test(Case("", left))),
        "kind: PolicyTest\nname: t", "kind: PolicyTest\nname: t\ncases: []", "kind: PolicyTest\nname: my test\ncases:\n" + Case(""), "kind: PolicyTest\ncases:\n" + Case(""), Test(Case("")) + "\nrules: []\n", Test(Case("")).Replace("PolicyTest", "PolicyTests", StringComparison.Ordinal),
        .. BadRoles.Select(Role), .. BadSubjects.Select(subject => Role($"subjects: [{{ {subject} }}]")),
        .. NeededByRoles.Select(left => string.Join('\n', Role("").Split('\n').Where(line => !line.StartsWith(left + ":", StringComparison.Ordinal)))),
        .. BadSubjects.Select(subject => Rule(subject: subject)),
        .. BadCapabilities.Select(capability => Rule(capability: capability)),
        .. BadExtras.Select(more => Rule(more: more)),
        Rule(capability: "start, start"), Rule(capability: "{ natsPublish: a }, start, { natsPublish: a }"), Rule(subject: "lattice: l }, { lattice: l"), Role("subjects: [{ lattice: l }, { lattice: l }]"),
        Test(Case("principal: { spiffeId: spiffe://example.org/a, signers: [s, s] }")), Test(Case("principal: { spiffeId: spiffe://example.org/a, unknown: [host, host] }")), Labels("{ name: team, value: shop, subjects: [{ lattice: l }, { lattice: l }] }"),
        Rule(effect: "allow"), Rule(effect: "forbid", more: "expires: 2030-01-31T00:00:00Z, reason: r"), Rule(effect: "forbid", more: "ceilings: { fuel: 5 }"),
        Rule().Replace("name: p", "name: \"my policy\"", StringComparison.Ordinal), Rule().Replace("name: p\n", "", StringComparison.Ordinal), Rule().Replace("name: r,", "", StringComparison.Ordinal),
        Rule().Replace("name: p", "name: \u0440", StringComparison.Ordinal), Rule() + "version: 1\n", Rule().Replace("kind: CapabilityPolicy", "kind: Policy", StringComparison.Ordinal),
        "kind: CapabilityPolicy\nname: p\nrules: []", "kind: CapabilityPolicy\nname: p", "kind: CapabilityPolicy\nname: p\nrules: {}", "[]", "text",
        Labels("{ name: team, value: shop }"), Labels("{ name: team, value: shop, subjects: [] }"), Labels("{ name: team, value: shop, subjects: [{ labels: { a: b } }] }"), Labels("{ name: team, value: shop, subjects: [{ signer: s }] }"),
        Labels("{ name: team, value: a b, subjects: [{ lattice: l }] }"), Labels("{ team: shop, subjects: [{ lattice: l }] }"), Labels(""),
        "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nparentId: spiffe://example.org/h", "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nselectors: [unix:uid:1]",
        "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nparentId: spiffe://example.org/h\nselectors: [uid]", "kind: RegistrationEntry\nspiffeId: spiffe://example.org/a\nparentId: spiffe://example.org/h\nselectors: [unix:uid:1]\nadmin: true",
    ]));

    /// <summary>What takes arithmetic or another place of the document, or other documents, is the reader's to refuse.</summary>
    public static TheoryData<string> RefusedByTheReaderAlone =>
    [
        Test(Case("at: 2030-02-31T00:00:00Z")), Test($"{Case("")}\n{Case("")}"), Test(Case("principal: { spiffeId: spiffe://example.org/a, host: spiffe://example.org/h, unknown: [host] }")), Test(Case("request: { connect: api.example.com:99999 }")),
        Test(Case("request: { import: wasi:io/*@0.2.0 }")),
        Role("members: [unix:4294967295]"), Role("members: [unix:4294967296]"),
        Rule(subject: "spiffeId: spiffe://example.org/a, spiffeIdPrefix: spiffe://example.org/b"), Rule(subject: "image: ghcr.io/a/b:1, imagePrefix: ghcr.io/b"), Rule(subject: "host: spiffe://example.org/h/1, hostPrefix: spiffe://example.org/x"),
        Rule(subject: "image: docker.io/nginx:1 }, { image: docker.io/library/nginx:1"), Rule(capability: "{ connect: api.example.com:443 }, { connect: api.example.com:443, protocol: tcp }"),
        Rule(capability: "{ connect: api.example.com:8100-8000 }"), Rule(capability: "{ connect: api.example.com:99999 }"), Rule(capability: "{ connect: 10.0.0.1/8:443 }"), Rule(capability: "{ connect: 127.1:443 }"), Rule(capability: "{ mount: /var/../etc }"),
        Rule(more: "expires: 2030-02-31T00:00:00Z, reason: r"), Rule(more: "ceilings: { memory: 1KiB }"), Rule(more: "ceilings: { time: 25h }"),
        "kind: CapabilityPolicy\nname: p\nrules:\n- { name: r, effect: forbid, subjects: [{ lattice: l }], capabilities: [start] }\n- { name: r, effect: permit, subjects: [{ lattice: l }], capabilities: [start] }",
        Labels("{ name: team, value: shop, subjects: [{ lattice: l }] }, { name: team, value: shop, subjects: [{ lattice: m }] }"),
    ];

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Both_accept(string source)
    {
        Assert.True(ManifestReader.TryRead(source, out _, out var problems), string.Join('\n', problems));
        Assert.True(AcceptedBySchema(source));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Both_refuse(string source)
    {
        Assert.False(ManifestReader.TryRead(source, out _, out _));
        Assert.False(AcceptedBySchema(source));
    }

    /// <summary>A guard, not a proof: who is refused is told what to write instead, however little that is.</summary>
    [Theory]
    [MemberData(nameof(Refused))]
    [MemberData(nameof(RefusedByTheReaderAlone))]
    public void Every_refusal_says_how_to_mend_it(string source)
    {
        Assert.False(ManifestReader.TryRead(source, out _, out var problems));
        Assert.All(problems, problem => Assert.Contains(["expected", "must be", "; "], word => problem.Text.Contains(word, StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(RefusedByTheReaderAlone))]
    public void The_reader_refuses_what_a_schema_cannot_say(string source)
    {
        Assert.False(ManifestReader.TryRead(source, out _, out _));
        Assert.True(AcceptedBySchema(source), "once the schema refuses it too, move the row");
    }

    [Fact]
    public void The_schema_has_every_word_of_the_language_and_no_other()
    {
        Assert.Equal(
            PlainMeaning.Patterns.Select(pattern => pattern.Split(' ')[0]).Distinct().Order(),
            Schema.GetProperty("$defs").GetProperty("capability").GetProperty("oneOf").EnumerateArray()
                .SelectMany(one => one.TryGetProperty("required", out var required) ? [required[0].GetString()!] : one.GetProperty("enum").EnumerateArray().Select(word => word.GetString()!))
                .Distinct().Order());
        // What a subject may state is what the model has.
        Assert.Equal(
            typeof(PolicySubject).GetProperties().Where(property => property.Name != nameof(PolicySubject.IsEmpty)).Select(property => char.ToLowerInvariant(property.Name[0]) + property.Name[1..]).Order(),
            Schema.GetProperty("$defs").GetProperty("subject").GetProperty("properties").EnumerateObject().Select(property => property.Name).Order());
    }

    [Fact]
    public void The_samples_and_the_guide_are_as_the_schema_says()
    {
        foreach (var file in Directory.GetFiles(Samples.RepositoryFile("deploy/samples"), "*.yaml"))
        {
            var text = File.ReadAllText(file);
            if (!text.Contains("kind: CapabilityPolicy", StringComparison.Ordinal) && !text.Contains("kind: RegistrationEntry", StringComparison.Ordinal) && !text.Contains("kind: PolicyRole", StringComparison.Ordinal)) continue;
            Assert.True(AcceptedBySchema(text), file);
        }

        foreach (var guide in Guides)
        {
            var blocks = System.Text.RegularExpressions.Regex.Matches(File.ReadAllText(Samples.RepositoryFile(guide)), "```yaml\n(.*?)```", System.Text.RegularExpressions.RegexOptions.Singleline);
            Assert.NotEmpty(blocks);
            Assert.All(blocks, block => Assert.True(AcceptedBySchema(block.Groups[1].Value), block.Value));
        }
    }

    private static bool AcceptedBySchema(string source)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(source));
        }
        catch (YamlDotNet.Core.YamlException)
        {
            return false;
        }

        var schema = new SmallSchema(Schema);
        return stream.Documents.Count > 0 && stream.Documents.All(document => schema.Accepts(document.RootNode));
    }

    private static string Rule(string effect = "permit", string subject = "spiffeId: spiffe://example.org/a", string capability = "start", string more = "mode: enforce") =>
        $"kind: CapabilityPolicy\nname: p\nrules:\n- {{ name: r, effect: {effect}, subjects: [{{ {subject} }}], capabilities: [{capability}], {more} }}\n";

    private static string Role(string field) =>
        string.Join('\n', With(field, "kind: PolicyRole", "name: r", "members: [unix:1000]", "policies: [shop]", "subjects: [{ spiffeIdPrefix: spiffe://example.org/shop }]")) + '\n';

    private static string Test(string cases) => $"kind: PolicyTest\nname: t\ncases:\n{cases}";

    private static string Case(string field, string? left = null) => "- " + string.Join(
        "\n  ",
        With(field, "name: a case", "principal: { spiffeId: spiffe://example.org/a }", "request: start", "expect: allow").Where(line => left is null || line.Split(':')[0] != left));

    // A field given takes the place of the one that stands there.
    private static IEnumerable<string> With(string field, params string[] lines)
    {
        var kept = lines.Where(line => field.Length == 0 || line.Split(':')[0] != field.Split(':')[0]);
        return field.Length > 0 ? kept.Append(field) : kept;
    }

    private static string Labels(string labels) =>
        $"kind: CapabilityPolicy\nname: p\nlabels: [{labels}]\nrules:\n- {{ name: r, effect: permit, subjects: [{{ lattice: l }}], capabilities: [start] }}\n";
}
