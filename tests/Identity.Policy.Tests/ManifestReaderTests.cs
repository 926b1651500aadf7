
namespace Identity.Policy.Tests;

public sealed class ManifestReaderTests
{
    private const string Entry = """
        kind: RegistrationEntry
        spiffeId: spiffe://example.org/components/greeter
        parentId: spiffe://example.org/hosts/local
        selectors: [wasm:name:greeter, "unix:path:/usr/bin/x"]
        x509SvidTtl: 1h
        jwtSvidTtl: 5m
        hint: the greeter
        dnsNames: [greeter.example.org]
        federatesWith: [other.example]
        """;

    private static readonly string Policy = Samples.Source(("permit", "spiffeId: spiffe://example.org/a", "start"));

    [Fact]
    public void Reads_every_field_of_an_entry()
    {
        var entry = Assert.Single(Read(Entry).Entries);

        Assert.Equal("spiffe://example.org/components/greeter", entry.SpiffeId.ToString());
        Assert.Equal("spiffe://example.org/hosts/local", entry.ParentId.ToString());
        Assert.Equal(["wasm:name:greeter", "unix:path:/usr/bin/x"], entry.Selectors);
        Assert.Equal((TimeSpan.FromHours(1), TimeSpan.FromMinutes(5), "the greeter"), (entry.X509SvidTtl, entry.JwtSvidTtl, entry.Hint));
        Assert.Equal(["greeter.example.org"], entry.DnsNames);
        Assert.Equal(["other.example"], entry.FederatesWith);
    }

    [Fact]
    public void Splits_a_file_of_policies_and_entries()
    {
        var manifest = Read($"---\n{Entry}\n---\n# a comment about the policy\n{Policy}---\n{Entry.Replace("greeter", "other", StringComparison.Ordinal)}\n---\n");

        Assert.Equal(2, manifest.Entries.Length);
        var policy = Assert.Single(manifest.Policies);
        Assert.Contains("# a comment about the policy", policy.Source, StringComparison.Ordinal);
        Assert.DoesNotContain("RegistrationEntry", policy.Source, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void Gives_each_policy_a_source_that_reads_alone(string lineBreak)
    {
        var file = $"# ü 😀\n{Policy}---\n{Entry}\n---\n{Policy.Replace("sample", "second", StringComparison.Ordinal)}...\n---\n{Policy.Replace("sample", "third", StringComparison.Ordinal)}"
            .Replace("\r", "", StringComparison.Ordinal).Replace("\n", lineBreak, StringComparison.Ordinal);

        var policies = Read(file).Policies;

        Assert.Equal(["sample", "second", "third"], policies.Select(policy => Samples.Document(policy.Source).Name));
    }

    [Theory]
    [InlineData("deploy/samples/platform.yaml")]
    [InlineData("deploy/samples/snooper-grant.yaml")]
    public void Reads_the_committed_samples(string path)
    {
        var manifest = Read(File.ReadAllText(Samples.RepositoryFile(path)));
        Assert.NotEmpty(manifest.Policies);
    }

    [Theory]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: greeter", "does not start with spiffe://")]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: spiffe://example.org", "names the trust domain itself")]
    [InlineData("spiffeId: spiffe://example.org/components/greeter", "spiffeId: spiffe://other.org/a", "different trust domains")]
    [InlineData("parentId: spiffe://example.org/hosts/local", "", "lacks the field 'parentId'")]
    [InlineData("selectors: [wasm:name:greeter, \"unix:path:/usr/bin/x\"]", "", "lacks the field 'selectors'")]
    [InlineData("[wasm:name:greeter, \"unix:path:/usr/bin/x\"]", "[]", "must be a list that is not empty")]
    [InlineData("other.example", "spiffe://other.example", "spiffe://other.example")]
    [InlineData("other.example", "Other.example", "Other.example")]
    [InlineData("other.example", "example.org", "the entry's own trust domain")]
    [InlineData("[other.example]", "[other.example, other.example]", "'other.example' is listed twice, first in line ")]
    [InlineData("wasm:name:greeter", "wasm", "is not a selector")]
    [InlineData("wasm:name:greeter", "\"unix: uid\"", "is not a selector")]
    [InlineData("wasm:name:greeter", "wasm:nam:greeter", "is not a selector of components")]
    [InlineData("wasm:name:greeter", "wasm:digest:sha256:abc", "is not a digest")]
    [InlineData("wasm:name:greeter", "unix:path:/usr/bin/x", "is listed twice")]
    [InlineData("wasm:name:greeter", "{ unix: 1 }", "a selector must be text")]
    [InlineData("x509SvidTtl: 1h", "x509SvidTtl: 3600", "is not a time")]
    [InlineData("wasm:name:greeter", "unix:pth:/usr/bin/x", "did you mean unix:path?")]
    [InlineData("wasm:name:greeter", "systemd:unit:x.service", "expected one of systemd:id, systemd:fragment_path")]
    [InlineData("wasm:name:greeter", "unix:uid:root", "unix:uid takes a number")]
    [InlineData("x509SvidTtl: 1h", "x509SvidTtl: 500ms", "is not a time")]
    [InlineData("x509SvidTtl: 1h", "x509SvidTtl: 5s", "between 10s and 24h")]
    [InlineData("x509SvidTtl: 1h", "x509SvidTtl: 25h", "is not a time")]
    [InlineData("x509SvidTtl: 1h", "x509SvidTTL: 1h", "unknown field 'x509SvidTTL'")]
    [InlineData("hint: the greeter", "hint: \"\\n\"", "printable ASCII")]
    [InlineData("hint: the greeter", "hint: ", "found nothing")]
    [InlineData("greeter.example.org", "\"*.example.org\"", "is not a DNS name")]
    [InlineData("greeter.example.org", "Greeter.example.org", "is not a DNS name")]
    [InlineData("[greeter.example.org]", "[]", "must be a list that is not empty")]
    [InlineData("hint: the greeter", "admin: true", "unknown field 'admin'")]
    public void Refuses_a_faulty_entry_and_with_it_the_file(string right, string wrong, string text)
    {
        var source = Entry.Replace(right, wrong, StringComparison.Ordinal);
        Assert.NotEqual(Entry, source);

        Assert.False(ManifestReader.TryRead($"{Policy}---\n{source}", out var manifest, out var problems));

        Assert.Null(manifest);
        Assert.Contains(problems, problem => problem.Text.Contains(text, StringComparison.Ordinal) && problem.Line > 4);
    }

    [Fact]
    public void Refuses_a_second_policy_of_one_name() => RefusesWith("a second policy is named 'sample', the first in line 1, column 1; give one another name", $"{Policy}---\n{Policy}");

    [Fact]
    public void Refuses_a_second_entry_for_the_same_parent_and_selectors() =>
        RefusesWith("to the same parent and selectors, the first in line 1, column 1; leave one out", $"{Entry}\n---\n{Entry.Replace("1h", "2h", StringComparison.Ordinal)}");

    [Fact]
    public void Refuses_an_unknown_kind_and_names_the_nearest()
    {
        Assert.False(ManifestReader.TryRead("kind: RegistrationEntri\n", out _, out var problems));
        Assert.Equal("line 1, column 7: unknown kind 'RegistrationEntri'; expected CapabilityPolicy or RegistrationEntry or PolicyRole or PolicyTest; did you mean 'RegistrationEntry'?", Assert.Single(problems).ToString());
    }

    [Fact]
    public void Refuses_an_anchor_that_a_later_document_would_use() => RefusesWith("is not allowed", $"{Entry.Replace("hint: the", "hint: &a the", StringComparison.Ordinal)}\n---\n{Policy}");

    private static Manifest Read(string source) =>
        ManifestReader.TryRead(source, out var manifest, out var problems) ? manifest : throw new FormatException(string.Join('\n', problems));

    private static void RefusesWith(string text, string source)
    {
        Assert.False(ManifestReader.TryRead(source, out _, out var problems));
        Assert.Contains(text, Assert.Single(problems).Text, StringComparison.Ordinal);
    }
}
