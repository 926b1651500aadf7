using Identity.Server.Registration;
using Spire.Api.Types;

namespace Identity.Tests.Server.Registration;

public sealed class RegistrationEntryTests
{
    public static TheoryData<string, Action<Entry>> Refused => new()
    {
        { "spiffe_id is missing", e => e.SpiffeId = null },
        { "parent_id is missing", e => e.ParentId = null },
        { "not in this trust domain", e => e.SpiffeId.TrustDomain = "example.com" },
        { "not in this trust domain", e => e.ParentId.TrustDomain = "example.com" },
        { "contains a slash", e => e.SpiffeId = new SPIFFEID { TrustDomain = "example.org/spire", Path = "/server" } },
        { "has no path", e => e.SpiffeId.Path = "" },
        { "ends in '/'", e => e.SpiffeId.Path = "/hosts/" },
        { "relative paths", e => e.SpiffeId.Path = "/hosts/../spire/server" },
        { "reserved", e => e.SpiffeId.Path = "/spire/server" },
        { "reserved", e => e.SpiffeId.Path = "/spire/agent/join_token/abc" },
        { "reserved", e => e.SpiffeId.Path = "/spire" },
        { "neither an agent", e => e.ParentId.Path = "/spire/other" },
        { "neither an agent", e => e.ParentId.Path = "/spire/agent" },
        { "vouch for itself", e => e.ParentId.Path = e.SpiffeId.Path },
        { "0 selectors", e => e.Selectors.Clear() },
        { "65 selectors", e => e.Selectors.AddRange(Enumerable.Range(0, 64).Select(n => TestEntries.Selector($"unix:gid:{n}"))) },
        { "selector type", e => e.Selectors.Add(new Selector { Type = "", Value = "x" }) },
        { "selector type", e => e.Selectors.Add(new Selector { Type = "unix:uid", Value = "0" }) },
        { "selector type", e => e.Selectors.Add(new Selector { Type = new string('a', 65), Value = "x" }) },
        { "expected 1 to 1024", e => e.Selectors.Add(new Selector { Type = "unix", Value = "" }) },
        { "expected 1 to 1024", e => e.Selectors.Add(new Selector { Type = "unix", Value = new string('x', 1025) }) },
        { "control character", e => e.Selectors.Add(new Selector { Type = "unix", Value = "path:/bin/\nsh" }) },
        { "can never match", e => e.Selectors.Add(TestEntries.Selector("wasm:digest:sha256:ABCD")) },
        { "can never match", e => e.Selectors.Add(TestEntries.Selector("wasm:nmae:greeter")) },
        { "did you mean unix:path?", e => e.Selectors.Add(TestEntries.Selector("unix:pth:/bin/x")) },
        { "unix:uid takes a number", e => e.Selectors.Add(TestEntries.Selector("unix:uid:root")) },
        { "x509_svid_ttl", e => e.X509SvidTtl = -1 },
        { "x509_svid_ttl", e => e.X509SvidTtl = 9 },
        { "x509_svid_ttl", e => e.X509SvidTtl = (7 * 86400) + 1 },
        { "jwt_svid_ttl", e => e.JwtSvidTtl = 86401 },
        { "expires_at", e => e.ExpiresAt = -1 },
        { "expires_at", e => e.ExpiresAt = long.MaxValue },
        { "hint", e => e.Hint = new string('x', 1025) },
        { "hint", e => e.Hint = "a\u0000b" },
        { "DNS name", e => e.DnsNames.Add("*.example.org") },
        { "DNS name", e => e.DnsNames.Add("Example.org") },
        { "DNS name", e => e.DnsNames.Add("a..b") },
        { "DNS name", e => e.DnsNames.Add("-a.example.org") },
        { "DNS name", e => e.DnsNames.Add("") },
        { "DNS name '10.0.0.1'", e => e.DnsNames.Add("10.0.0.1") },
        { "DNS name '1'", e => e.DnsNames.Add("1") },
        { "DNS name '127.1'", e => e.DnsNames.Add("127.1") },
        { "DNS name '0x1'", e => e.DnsNames.Add("0x1") },
        { "given twice", e => e.DnsNames.AddRange(["a.example.org", "a.example.org"]) },
        { "33 DNS names", e => e.DnsNames.AddRange(Enumerable.Range(0, 33).Select(n => $"n{n}.example.org")) },
        { "entry id", e => e.Id = "../../etc" },
        { "entry id", e => e.Id = new string('a', 129) },
        { "admin entries", e => e.Admin = true },
        { "downstream entries", e => e.Downstream = true },
        { "store_svid", e => e.StoreSvid = true },
        { "own trust domain", e => e.FederatesWith.Add("example.org") },
        { "own trust domain", e => e.FederatesWith.Add("spiffe://example.org") },
        { "federatesWith", e => e.FederatesWith.Add("Example.com") },
        { "federatesWith", e => e.FederatesWith.Add("spiffe://example.com/path") },
        { "65 trust domains", e => e.FederatesWith.AddRange(Enumerable.Range(0, 65).Select(n => $"td{n}.test")) },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void Refuses_an_entry_and_names_what_is_wrong(string expected, Action<Entry> spoil)
    {
        var wire = TestEntries.Host();
        spoil(wire);

        Assert.False(RegistrationEntry.TryParse(wire, TestEntries.TrustDomain, out _, out var problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Reads_an_entry_and_writes_the_same_with_its_selectors_as_a_set()
    {
        var wire = TestEntries.Entry("/hosts/local", "/nodes/local", "unix:uid:1000", "unix:gid:1", "unix:uid:1000");
        wire.X509SvidTtl = 3600;
        wire.DnsNames.Add("host.example.org");
        wire.Hint = "main";

        Assert.True(RegistrationEntry.TryParse(wire, TestEntries.TrustDomain, out var entry, out _));
        var written = entry.ToWire("e1", 3, DateTimeOffset.FromUnixTimeSeconds(7));

        Assert.Equal(["gid:1", "uid:1000"], written.Selectors.Select(s => s.Value));
        Assert.Equal(("e1", 3L, 7L, 3600, "main"), (written.Id, written.RevisionNumber, written.CreatedAt, written.X509SvidTtl, written.Hint));
        Assert.Equal(wire.SpiffeId, written.SpiffeId);
        Assert.Equal(wire.DnsNames, written.DnsNames);
    }

    [Theory]
    [InlineData("/spire/server")]
    [InlineData("/spire/agent/join_token/0123456789abcdef0123456789abcdef")]
    [InlineData("/nodes/local")]
    public void Accepts_the_server_an_agent_and_any_other_identity_as_parent(string parent) =>
        Assert.True(RegistrationEntry.TryParse(TestEntries.Entry("/x", parent, "unix:uid:1"), TestEntries.TrustDomain, out _, out _));

    [Fact]
    public void Knows_likeness_by_the_set_of_selectors_and_nothing_but_the_three_parts()
    {
        RegistrationEntry.TryParse(TestEntries.Entry("/x", "/y", "unix:uid:1", "unix:gid:2"), TestEntries.TrustDomain, out var entry, out _);
        var stored = TestEntries.Entry("/x", "/y", "unix:gid:2", "unix:uid:1");
        stored.Hint = "other";

        Assert.Equal(entry!.Likeness, RegistrationEntry.LikenessOf(stored));
        Assert.NotEqual(entry.Likeness, RegistrationEntry.LikenessOf(TestEntries.Entry("/x", "/z", "unix:gid:2", "unix:uid:1")));
    }
}
