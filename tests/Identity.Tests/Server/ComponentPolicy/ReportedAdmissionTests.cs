using Identity.Server.ComponentPolicy;
using Identity.Tests.Server.Registration;
using Identity.V1;
using Spire.Api.Types;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class ReportedAdmissionTests
{
    public static TheoryData<string, Action<LiveAdmission>> Malformed => new()
    {
        { "admission id", a => a.AdmissionId = "" },
        { "admission id", a => a.AdmissionId = "a/b" },
        { "admission id", a => a.AdmissionId = new string('a', 129) },
        { "spiffe_id", a => a.SpiffeId = "" },
        { "spiffe_id", a => a.SpiffeId = "spiffe://example.com/components/greeter" },
        { "host_spiffe_id", a => a.HostSpiffeId = "hosts/local" },
        { "digest", a => a.Digest = "sha256:ABC" },
        { "digest", a => a.Digest = "" },
        { "entry id", a => a.EntryId = new string('a', 129) },
    };

    public static TheoryData<string, Action<Entry>> Unfit => new()
    {
        { "another SPIFFE ID", e => e.SpiffeId.Path = "/components/other" },
        { "another host", e => e.ParentId.Path = "/hosts/other" },
        { "another entry", e => e.Id = "e2" },
        { "not a component's entry", e => { e.Selectors.Clear(); e.Selectors.Add(TestEntries.Selector("unix:uid:1000")); } },
        { "another digest", e => { e.Selectors.Clear(); e.Selectors.Add(TestEntries.Selector($"wasm:digest:sha256:{new string('0', 64)}")); } },
    };

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public void Refuses_a_malformed_report_and_names_the_field(string expected, Action<LiveAdmission> spoil)
    {
        var wire = Wire();
        spoil(wire);

        Assert.False(ReportedAdmission.TryParse(wire, TestEntries.TrustDomain, out _, out var problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Unfit), DisableDiscoveryEnumeration = true)]
    public void Is_not_entitled_by_an_entry_for(string what, Action<Entry> change)
    {
        _ = what;
        var entry = Greeter();
        change(entry);

        Assert.True(ReportedAdmission.TryParse(Wire(), TestEntries.TrustDomain, out var admission, out _));
        Assert.False(admission.IsEntitledBy(entry));
    }

    [Fact]
    public void Is_entitled_by_the_entry_of_its_digest_and_by_one_that_only_names_it()
    {
        var byName = Greeter();
        byName.Selectors.Clear();
        byName.Selectors.Add(TestEntries.Selector("wasm:name:greeter"));

        Assert.True(ReportedAdmission.TryParse(Wire(), TestEntries.TrustDomain, out var admission, out _));
        Assert.True(admission.IsEntitledBy(Greeter()));
        Assert.True(admission.IsEntitledBy(byName));
    }

    private static Entry Greeter()
    {
        var entry = TestEntries.Greeter();
        entry.Id = "e1";
        return entry;
    }

    private static LiveAdmission Wire() => new()
    {
        AdmissionId = "a1",
        SpiffeId = "spiffe://example.org/components/greeter",
        HostSpiffeId = "spiffe://example.org/hosts/local",
        Digest = TestEntries.Digest,
        EntryId = "e1",
    };
}
