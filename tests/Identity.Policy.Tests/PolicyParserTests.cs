using System.Diagnostics;
using System.Text;
using CsCheck;

namespace Identity.Policy.Tests;

public sealed class PolicyParserTests
{
    [Fact]
    public void What_is_in_force_with_a_lone_carriage_return_is_still_read_and_what_is_written_with_one_is_not()
    {
        var old = "kind: CapabilityPolicy\rname: old\rrules:\r  - name: only\r    effect: permit\r    subjects: [{ spiffeId: spiffe://example.org/a }]\r    capabilities: [start]\r";
        Assert.Null(CapabilityPolicy.FromSources([old], 1).Unreadable);
        Assert.False(PolicyParser.TryParse(old, out _, out var problems));
        Assert.Contains("carriage return", problems[0].ToString(), StringComparison.Ordinal);
        Assert.False(ManifestReader.TryRead(old, out _, out _));
    }

    private const string Whole = """
        # The greeter says hello.
        kind: CapabilityPolicy
        name: platform
        rules:
          - name: greeter
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/components/greeter
                hostPrefix: spiffe://example.org/hosts
              - digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            capabilities:
              - start
              - import: wasmcloud:messaging/consumer@0.2.0
              - import: wasi:io/*@0.2.0
              - natsPublish: greetings.hello
            ceilings: { memory: 16MiB, memories: 2, fuel: 1000000, time: 500ms, instances: 3, tables: 4, tableElements: 5 }
            expires: 2026-12-31T23:59:59Z
            reason: the old bus goes away
          - name: no-sockets
            effect: forbid
            subjects: [{ spiffeIdPrefix: spiffe://example.org }]
            capabilities: [{ import: "wasi:sockets/*@*" }, { natsSubscribe: ">" }]
        """;

    private const string Json = """
        {
        	"kind": "CapabilityPolicy",
        	"name": "platform",
        	"rules": [
        		{ "name": "greeter", "effect": "permit",
        		  "subjects": [ { "spiffeId": "spiffe:\/\/example.org\/components\/greeter" } ],
        		  "capabilities": [ "start", { "natsPublish": "greetings.\u0068ello" } ],
        		  "ceilings": { "memory": "16MiB", "fuel": 5 } }
        	]
        }
        """;

    [Fact]
    public void Reads_every_field()
    {
        var document = Samples.Document(Whole);

        Assert.Equal("platform", document.Name);
        Assert.Equal(Whole, document.Source);
        var (permit, forbid) = (document.Rules[0], document.Rules[1]);
        Assert.Equal((RuleEffect.Permit, RuleEffect.Forbid), (permit.Effect, forbid.Effect));
        Assert.Equal("spiffe://example.org/components/greeter", permit.Subjects[0].SpiffeId?.ToString());
        Assert.Equal("spiffe://example.org/hosts", permit.Subjects[0].HostPrefix?.Text);
        Assert.NotNull(permit.Subjects[1].Digest);
        Assert.Equal(
            ["start", "import wasmcloud:messaging/consumer@0.2.0", "import wasi:io/*@0.2.0", "natsPublish greetings.hello"],
            permit.Capabilities.Select(capability => capability.ToString()));
        Assert.Equal(
            new StatedCeilings { MemoryBytes = 16 << 20, Memories = 2, Fuel = 1_000_000, Time = TimeSpan.FromMilliseconds(500), Instances = 3, Tables = 4, TableElements = 5 },
            permit.Ceilings);
        Assert.Equal(new DateTimeOffset(2026, 12, 31, 23, 59, 59, TimeSpan.Zero), permit.Expires);
        Assert.Equal(["import wasi:sockets/*@*", "natsSubscribe >"], forbid.Capabilities.Select(capability => capability.ToString()));
    }

    [Fact]
    public void Reads_json_with_the_same_reader()
    {
        var rule = Assert.Single(Samples.Document(Json).Rules);

        Assert.Equal("spiffe://example.org/components/greeter", Assert.Single(rule.Subjects).SpiffeId?.ToString());
        Assert.Equal(["start", "natsPublish greetings.hello"], rule.Capabilities.Select(capability => capability.ToString()));
        Assert.Equal(5, rule.Ceilings.Fuel);
    }

    [Theory]
    [InlineData("effect: permit", "effect: Permit", 6, "'effect' must be permit or forbid", "permit")]
    [InlineData("effect: permit", "effect: allow", 6, "'effect' must be permit or forbid", "permit")]
    [InlineData("effect: permit", "effect: yes", 6, "'effect' must be permit or forbid", null)]
    [InlineData("effect: permit", "effect: ", 6, "found nothing", null)]
    [InlineData("    effect: permit\n", "", 5, "lacks the field 'effect'", null)]
    [InlineData("subjects:\n", "subjcts:\n", 7, "unknown field 'subjcts' in a rule; expected one of name, effect", "subjects")]
    [InlineData("name: platform", "name: platform\nversion: 1", 4, "unknown field 'version'", null)]
    [InlineData("name: platform", "name: plat form", 3, "is not a name", null)]
    [InlineData("name: platform", "name: ", 3, "found nothing", null)]
    [InlineData("name: platform", "name: ~", 3, "found nothing", null)]
    [InlineData("name: platform", "name: platform\nname: other", 4, "'name' is given twice, first in line 3, column 1; leave one out", null)]
    [InlineData("kind: CapabilityPolicy", "kind: CapabilityPolicies", 2, "unknown kind", "CapabilityPolicy")]
    [InlineData("kind: CapabilityPolicy", "kid: CapabilityPolicy", 2, "lacks the field 'kind'", null)]
    [InlineData("name: no-sockets", "name: greeter", 19, "a second rule is named 'greeter', the first in line 5, column 5; names of rules are unique in a policy: give one another", null)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: https://example.org", 8, "does not start with spiffe://", null)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: spiffe://example.org", 8, "names a trust domain", null)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: spiffe://example.org/components/*", 8, "all below it are meant by spiffeIdPrefix, and all hosts by hostPrefix: spiffe://example.org/components", null)]
    [InlineData("import: wasi:io/*@0.2.0", "export: run", 14, "a function outside interfaces, which is exported only, is written as '#run'", null)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeid: spiffe://example.org/c", 8, "unknown field 'spiffeid'", "spiffeId")]
    [InlineData("hostPrefix: spiffe://example.org/hosts", "hostPrefix: spiffe://example.org/hosts/", 9, "leave out the '/' at the end", null)]
    [InlineData("hostPrefix: spiffe://example.org/hosts", "hostPrefix: [spiffe://example.org/hosts]", 9, "must be a SPIFFE ID such as spiffe://example.org/hosts, found a list", null)]
    [InlineData("digest: sha256:aa", "digest: sha256:AA", 10, "is not a digest", null)]
    [InlineData("digest: sha256:aa", "digest: sha512:aa", 10, "is not a digest", null)]
    [InlineData("[{ spiffeIdPrefix: spiffe://example.org }]", "[]", 21, "must be a list that is not empty; expected a list of whom it means, such as [{ spiffeId: spiffe://example.org/shop }], found an empty list", null)]
    [InlineData("[{ spiffeIdPrefix: spiffe://example.org }]", "[{}]", 21, "an empty subject would mean everyone; name one of spiffeId, spiffeIdPrefix, digest, signer, image, imagePrefix, host, hostPrefix, namespace, lattice, labels, such as { spiffeIdPrefix: spiffe://example.org }", null)]
    [InlineData("[{ spiffeIdPrefix: spiffe://example.org }]", "everyone", 21, "must be a list", null)]
    [InlineData("[{ spiffeIdPrefix: spiffe://example.org }]", "[everyone]", 21, "expected a subject with the fields", null)]
    [InlineData("- start", "- stat", 12, "unknown capability 'stat'", "start")]
    [InlineData("- start", "- {}", 12, "found none; write one such as import: wasi:io/poll@0.2.0", null)]
    [InlineData("- start", "- { start: true }", 12, "'start' has no value; write it as a word of its own: - start", null)]
    [InlineData("- start", "- { import: wasi:io/poll@0.2.0, natsPublish: a }", 12, "a capability is one field, found import and natsPublish; write each as an item of its own", null)]
    [InlineData("- start", "- imports: wasi:io/poll@0.2.0", 12, "unknown field 'imports'", "import")]
    [InlineData("import: wasi:io/*@0.2.0", "import: wasi:io/*@*", 14, "would grant versions that do not exist yet", null)]
    [InlineData("import: wasi:io/*@0.2.0", "import: wasi:*/poll@0.2.0", 14, "is not an import", null)]
    [InlineData("import: wasi:io/*@0.2.0", "import: wasi:io/*@0.2", 14, "is not an import", null)]
    [InlineData("import: wasi:io/*@0.2.0", "import: wasi:io", 14, "is not an import", null)]
    [InlineData("import: wasi:io/*@0.2.0", "import: \"*\"", 14, "is not an import", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: greetings..hello", 15, "has an empty token", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: greetings hello", 15, "contains ' '", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: \">\"", 15, "begins with a wildcard", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: \"*.hello\"", 15, "begins with a wildcard", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: $SYS.REQ.USER.INFO", 15, "belongs to the server", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: $JS.API.INFO", 15, "is how JetStream is asked", null)]
    [InlineData("natsPublish: greetings.hello", "natsSubscribe: _INBOX.>", 15, "where replies to others arrive", null)]
    [InlineData("natsPublish: greetings.hello", "natsPublish: *all", 15, "the alias '*all' is not allowed", null)]
    [InlineData("memory: 16MiB", "memory: 16MB", 16, "is not a size", null)]
    [InlineData("memory: 16MiB", "memory: -1MiB", 16, "is not a size", null)]
    [InlineData("memory: 16MiB", "memory: 1KiB", 16, "is not a size", null)]
    [InlineData("memory: 16MiB", "memory: 999999999GiB", 16, "is not a size", null)]
    [InlineData("memory: 16MiB", "memory: 9999999999999GiB", 16, "is not a size", null)]
    [InlineData("memory: 16MiB", "memory: ", 16, "found nothing", null)]
    [InlineData("memory: 16MiB", "memory: [16MiB]", 16, "expected one value such as 16MiB, found a list", null)]
    [InlineData("memory: 16MiB", "memroy: 16MiB", 16, "unknown field 'memroy'", "memory")]
    [InlineData("fuel: 1000000", "fuel: 1e9", 16, "is not a count", null)]
    [InlineData("fuel: 1000000", "fuel: 0", 16, "is not a count", null)]
    [InlineData("time: 500ms", "time: 5", 16, "is not a time", null)]
    [InlineData("time: 500ms", "time: 0s", 16, "is not a time", null)]
    [InlineData("time: 500ms", "time: 25h", 16, "is not a time", null)]
    [InlineData("instances: 3", "instances: 10001", 16, "is not a count", null)]
    [InlineData("expires: 2026-12-31T23:59:59Z", "expires: 2026-12-31", 17, "must be a moment in UTC", null)]
    [InlineData("expires: 2026-12-31T23:59:59Z", "expires: 2026-12-31T23:59:59+01:00", 17, "must be a moment in UTC", null)]
    [InlineData("expires: 2026-12-31T23:59:59Z", "expires: ", 17, "must be a moment in UTC", null)]
    [InlineData("effect: forbid", "effect: forbid\n    expires: 2026-12-31T23:59:59Z", 21, "a forbid that ends by itself", null)]
    [InlineData("effect: forbid", "effect: forbid\n    ceilings: { fuel: 1 }", 21, "a forbid states no ceilings", null)]
    [InlineData("name: platform", "name: &anchor platform", 3, "the anchor '&anchor' is not allowed", null)]
    [InlineData("name: platform", "name: !!str platform", 3, "tags ('!…') are not allowed", null)]
    [InlineData("name: platform", "name: ! platform", 3, "tags ('!…') are not allowed", null)]
    [InlineData("name: platform", "name: platform\n<<: { name: other }", 4, "merge keys", null)]
    [InlineData("name: platform", "name: platform\n? [a]\n: b", 4, "a field's name must be plain text, found a list; write fields as name: value", null)]
    [InlineData("name: platform", "name: }", 3, "neither YAML nor JSON", null)]
    [InlineData("# The greeter says hello.", "%YAML 1.2\n---", 1, "directives", null)]
    [InlineData("# The greeter says hello.", "%TAG !e! tag:example.org,2000:\n---", 1, "directives", null)]
    [InlineData("# The greeter says hello.", "%TAG ! tag:example.org,2000:\n---", 1, "directives", null)]
    [InlineData("# The greeter says hello.", "# hello\0", 1, "U+0000", null)]
    [InlineData("# The greeter says hello.", "# hel\u001b[2Klo", 1, "U+001B", null)]
    [InlineData("# The greeter says hello.", "# \u202e tibrof", 1, "U+202E", null)]
    [InlineData("name: platform", "name: platform # \u2066", 3, "U+2066", null)]
    [InlineData("name: platform", "name: platform # \u2028effect: forbid", 3, "U+2028", null)]
    [InlineData("name: platform", "name: platform \u0085", 3, "U+0085", null)]
    [InlineData("    effect: forbid", "\teffect: forbid", 20, "a tab indents this line", null)]
    [InlineData("name: platform", "name: platform # \u2029effect: forbid", 3, "U+2029", null)]
    [InlineData("name: platform", "name: platform # hidden\rrules: []", 3, "U+000D", null)]
    [InlineData("name: platform", "name: platform\r\r\n", 3, "U+000D", null)]
    [InlineData("# The greeter says hello.", "# hello\rkind: x", 1, "carriage return", null)]
    public void Refuses_with_the_place_and_what_was_expected(string right, string wrong, int line, string text, string? suggestion)
    {
        var source = Whole.Replace(right, wrong, StringComparison.Ordinal);
        Assert.NotEqual(Whole, source);

        Assert.False(PolicyParser.TryParse(source, out var document, out var problems));

        Assert.Null(document);
        var problem = Assert.Single(problems, problem => problem.Text.Contains(text, StringComparison.Ordinal));
        Assert.Equal((line, suggestion), (problem.Line, problem.Suggestion));
    }

    // What is listed, and where the second of two stands; the first is in line 7, column 14 or 18.
    [Theory]
    [InlineData("subjects", "{ lattice: l }, { lattice: l }", 30, "'anyone in lattice l' is listed twice, first in line 7, column 14; leave one out")]
    [InlineData("subjects", "{ image: index.docker.io/nginx:1 }, { namespace: n }, { image: docker.io/library/nginx:1 }", 68, "'anyone from image docker.io/library/nginx:1' is listed twice, first in line 7, column 14")]
    [InlineData("subjects", "{ labels: { a: b, c: d } }, { labels: { c: d, a: b } }", 42, "'anyone with labels a=b and c=d' is listed twice, first in line 7, column 14")]
    [InlineData("capabilities", "start, start", 25, "'start' is listed twice, first in line 7, column 18; leave one out")]
    [InlineData("capabilities", "{ connect: \"a.example:53\" }, start, { connect: \"a.example:53\", protocol: tcp }", 54, "'connect a.example:53' is listed twice, first in line 7, column 18")]
    [InlineData("capabilities", "{ natsRespond: { max: 1, within: 60s } }, { natsRespond: { max: 1, within: 1m } }", 60, "'natsRespond 1 1m' is listed twice, first in line 7, column 18")]
    [InlineData("capabilities", "{ stream: S, access: [read, info] }, { stream: S, access: [info, read] }", 55, "'stream S info,read' is listed twice, first in line 7, column 18")]
    public void Refuses_what_a_list_has_already_and_says_where_but_reads_what_is_in_force(string field, string items, int column, string text)
    {
        var other = field == "subjects" ? "capabilities: [start]" : "subjects: [{ lattice: l }]";
        var source = $"kind: CapabilityPolicy\nname: old\nrules:\n- name: r\n  effect: permit\n  {other}\n  {field}: [{items}]\n";

        Assert.False(PolicyParser.TryParse(source, out _, out var problems));
        var problem = Assert.Single(problems);
        Assert.Equal((7, column), (problem.Line, problem.Column));
        Assert.StartsWith(text, problem.Text, StringComparison.Ordinal);

        Assert.Null(CapabilityPolicy.FromSources([source], 1).Unreadable);
    }

    [Fact]
    public void Reads_what_is_alike_and_not_the_same()
    {
        var rule = Assert.Single(Samples.Document("""
            kind: CapabilityPolicy
            name: p
            rules:
            - name: r
              effect: permit
              subjects: [{ lattice: l }, { lattice: l, namespace: n }, { labels: { a: b } }, { labels: { a: c } }]
              capabilities: [start, { natsSubscribe: a }, { natsSubscribe: a, queue: q }, { import: a:b/c@0.2.0 }, { import: a:b/c@0.2.1 }, { connect: "a:1" }, { connect: "a:1", protocol: udp }]
            """).Rules);
        Assert.Equal((4, 7), (rule.Subjects.Length, rule.Capabilities.Length));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   \n# only a comment\n")]
    [InlineData("---\n")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("text")]
    [InlineData("{")]
    [InlineData("\"")]
    [InlineData("\0")]
    [InlineData("kind: CapabilityPolicy")]
    [InlineData("kind: CapabilityPolicy\nname: a\nrules: []")]
    [InlineData("kind: CapabilityPolicy\nname: a\nrules: {}")]
    [InlineData("kind: CapabilityPolicy\nname: a\nrules: [1]")]
    [InlineData("a: 1\na: 1")]
    public void Refuses_what_is_no_policy(string source)
    {
        Assert.False(PolicyParser.TryParse(source, out _, out var problems));
        Assert.NotEmpty(problems);
        Assert.All(problems, problem => Assert.True(problem is { Line: >= 1, Column: >= 1 }));
    }

    [Fact]
    public void Refuses_two_documents_where_one_is_expected()
    {
        Assert.False(PolicyParser.TryParse(Whole + "\n---\n" + Whole.Replace("platform", "second", StringComparison.Ordinal), out _, out var problems));
        Assert.Contains("found 2", Assert.Single(problems).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Reports_every_mistake_at_once_in_the_order_of_the_text()
    {
        var source = Whole.Replace("effect: permit", "effect: allow", StringComparison.Ordinal)
            .Replace("16MiB", "16MB", StringComparison.Ordinal).Replace("forbid", "deny", StringComparison.Ordinal);

        Assert.False(PolicyParser.TryParse(source, out _, out var problems));

        Assert.Equal([6, 16, 20], problems.Select(problem => problem.Line));
    }

    [Fact]
    public void Keeps_a_page_of_problems_of_a_document_that_is_wrong_throughout()
    {
        var source = new StringBuilder("kind: CapabilityPolicy\nname: wrong\nrules:\n");
        for (var i = 0; i < 9_000; i++) source.Append("- { nme: a, efect: permit }\n");

        Assert.False(PolicyParser.TryParse(source.ToString(), out _, out var problems));
        Assert.Equal(50, problems.Count);
    }

    [Fact]
    public void Refuses_more_than_1_MiB() => RefusesWith("larger than 1024 KiB", "# " + new string('x', 1 << 20));

    [Fact]
    public void Refuses_more_than_1_MiB_of_UTF8_in_fewer_characters() => RefusesWith("larger than 1024 KiB", "# " + new string('ü', 600_000));

    [Fact]
    public void Refuses_nesting_deeper_than_32()
    {
        RefusesWith("nested more than 32 deep", new string('[', 40));
        RefusesWith("nested more than 32 deep", string.Concat(Enumerable.Range(0, 40).Select(depth => new string(' ', depth) + "a:\n")));
        RefusesWith("nested more than 32 deep", string.Concat(Enumerable.Repeat("- ", 40)));
    }

    [Fact]
    public void Refuses_more_than_10_000_rules()
    {
        var source = new StringBuilder("kind: CapabilityPolicy\nname: many\nrules:\n");
        for (var i = 0; i <= 10_000; i++) source.Append("- {}\n");
        RefusesWith("'rules' has more than 10000 items", source.ToString());
    }

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    [InlineData('-')]
    [InlineData('"')]
    [InlineData('\'')]
    [InlineData('&')]
    [InlineData('?')]
    [InlineData(':')]
    [InlineData('\t')]
    [InlineData('%')]
    [InlineData('|')]
    public void Says_no_to_a_megabyte_of_one_character_within_seconds(char character)
    {
        var watch = Stopwatch.StartNew();
        Assert.False(PolicyParser.TryParse(new string(character, (1 << 20) - 1), out _, out _));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"took {watch.Elapsed}");
    }

    [Fact]
    public void Never_throws_and_never_accepts_without_cause_when_a_document_is_mutated()
    {
        Gen.Select(Gen.Int[0, Whole.Length - 1], Gen.Int[0, 12], Gen.String[Gen.Char["{}[]:&*!|>-\"'\n \t#%@,?~<x0"], 0, 6])
            .Array[1, 4]
            .Sample(
                edits =>
                {
                    var text = new StringBuilder(Whole);
                    foreach (var (at, length, inserted) in edits)
                    {
                        var start = Math.Min(at, text.Length);
                        text.Remove(start, Math.Min(length, text.Length - start)).Insert(start, inserted);
                    }

                    var read = PolicyParser.TryParse(text.ToString(), out var document, out var problems);
                    Assert.Equal(read, problems.Count == 0);
                    Assert.Equal(read, document is not null);
                },
                iter: 3_000);
    }

    private static void RefusesWith(string text, string source)
    {
        Assert.False(PolicyParser.TryParse(source, out _, out var problems));
        Assert.Contains(text, Assert.Single(problems).Text, StringComparison.Ordinal);
    }
}
