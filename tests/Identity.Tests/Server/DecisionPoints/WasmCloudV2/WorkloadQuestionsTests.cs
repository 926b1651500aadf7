using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV2;

public sealed class WorkloadQuestionsTests
{
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");

    [Fact]
    public void Asks_each_component_for_what_the_workload_shares()
    {
        Assert.True(WorkloadQuestions.TryMap(Needs(interfaces: 2, components: 3), Domain, out var questions, out var problem), problem);
        Assert.Equal([3, 3, 3], questions.Select(question => question.Requests.Count));
    }

    [Theory]
    [InlineData(1_000_000, 1)]
    [InlineData(1_000, 1_024)]
    [InlineData(4_096, 1)]
    public void Refuses_more_than_can_be_asked_at_once_before_it_takes_the_memory(int interfaces, int components)
    {
        var needs = Needs(interfaces, components);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.False(WorkloadQuestions.TryMap(needs, Domain, out var questions, out var problem));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64L << 20);
        Assert.Null(questions);
        Assert.Contains($"{DecisionPoint.MaxQuestions}", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wasi", "keyvalue", "store", "0.2.0#get")]
    [InlineData("wasi", "keyvalue", "store#get", "0.2.0")]
    [InlineData("wasi", "keyvalue", "store#get", "")]
    [InlineData("wasi", "keyvalue", "store@0.2.0", "")]
    [InlineData("wasi", "keyvalue", "*", "")]
    [InlineData("wasi", "keyvalue/store@0.2.0#get", "x", "")]
    [InlineData("wasi", "http", "incoming-handler", "0.2.0#handle")]
    [InlineData("wasi", "http", "incoming-handler", "0.2")]
    [InlineData("wasi", "keyvalue", "store", "*")]
    public void An_entry_that_is_not_of_whole_interfaces_is_refused(string ns, string package, string name, string version) => Assert.False(
        WorkloadQuestions.TryMap(Needs(interfaces: 0, components: 1) with { Interfaces = [new HostInterface(ns, package, version, [name])] }, Domain, out _, out _));

    [Theory]
    [InlineData("10.0.0.1", true)]
    [InlineData("2001:db8::1", true)]
    [InlineData("10", false)]
    [InlineData("127.1", false)]
    [InlineData("0x7f000001", false)]
    [InlineData("010.0.0.1", false)]
    public void Only_an_address_that_everybody_reads_as_one_needs_no_permit_to_be_looked_up(string name, bool isAddress)
    {
        var needs = Needs(interfaces: 0, components: 1);
        needs = needs with { Parts = [needs.Parts[0] with { AllowedIpNameLookups = [name] }] };
        Assert.Equal(isAddress, WorkloadQuestions.TryMap(needs, Domain, out _, out _));
    }

    [Theory]
    [InlineData("https://a.example:443", "connect a.example:*")]
    [InlineData("HTTPS://a.example:443/", "connect a.example:*")]
    [InlineData("http://a.example:80", "connect a.example:*")]
    [InlineData("ws://a.example:80", "connect a.example:*")]
    [InlineData("wss://a.example:443", "connect a.example:*")]
    [InlineData("ftp://a.example:21", "connect a.example:*")]
    [InlineData("https://10.0.0.1:443", "connect 10.0.0.1:*", "connect 10.0.0.1:*/udp")]
    [InlineData("https://[2001:db8::1]:443", "connect [2001:db8::1]:*", "connect [2001:db8::1]:*/udp")]
    [InlineData("https://a.example", "connect a.example:*")]
    [InlineData("https://a.example:80", "connect a.example:80")]
    [InlineData("http://a.example:443", "connect a.example:443")]
    [InlineData("https://a.example:8443", "connect a.example:8443")]
    [InlineData("postgres://a.example:443", "connect a.example:443")]
    [InlineData("https://*.a.example:443", "connect *.a.example:443")]
    [InlineData("a.example:443", "connect a.example:443")]
    [InlineData("10.0.0.1:443", "connect 10.0.0.1:443", "connect 10.0.0.1:443/udp")]
    public void A_port_that_the_hosts_URL_parser_drops_is_every_port(string entry, params string[] asked)
    {
        Assert.True(WorkloadQuestions.TryMap(Allowing([entry]), Domain, out var questions, out var problem), problem);
        Assert.Equal(["start", .. asked], Assert.Single(questions).Requests.Select(request => request.ToString()));
    }

    [Theory]
    [InlineData("https://a.example:0443")]
    [InlineData("https://a.example:")]
    [InlineData("https://a.example:443/x")]
    [InlineData("://a.example:443")]
    public void A_port_in_another_spelling_is_refused(string entry) => Assert.False(WorkloadQuestions.TryMap(Allowing([entry]), Domain, out _, out _));

    [Theory]
    [InlineData("https://user:hunter2@db.example:443")]
    [InlineData("hunter2@db.example")]
    [InlineData("postgres://user:hunter2@db.example/*")]
    public void What_stands_before_an_at_sign_is_told_to_nobody(string entry)
    {
        var needs = Allowing([]);
        foreach (var (field, part) in new[]
        {
            ("allowedHosts", needs.Parts[0] with { AllowedHosts = ["a.example:1", entry] }),
            ("allowedIpNameLookups", needs.Parts[0] with { AllowedIpNameLookups = ["a.example", entry] }),
            ("allowedHostLoopbackPorts", needs.Parts[0] with { AllowedHostLoopbackPorts = ["5432", entry] }),
        })
        {
            Assert.False(WorkloadQuestions.TryMap(needs with { Parts = [part] }, Domain, out _, out var problem));
            Assert.Contains($"{field}[1] has an '@'", problem, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", problem, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(WorkloadQuestions.MaxWide, true)]
    [InlineData(WorkloadQuestions.MaxWide + 1, false)]
    [InlineData(DecisionPoint.MaxQuestions - 1, false)]
    public void Asks_few_questions_that_each_are_compared_with_every_forbid(int wide, bool asked)
    {
        foreach (var part in new[]
        {
            Allowing([.. Enumerable.Range(1, wide).Select(port => $"*:{port}")]).Parts[0],
            Allowing([.. Enumerable.Range(1, wide).Select(n => $"*.h{n}.example:443")]).Parts[0],
            Allowing([]).Parts[0] with { AllowedIpNameLookups = [.. Enumerable.Range(1, wide).Select(n => $"*.h{n}.example")] },
            Allowing([]).Parts[0] with { Keys = [.. Enumerable.Range(1, wide).Select(n => new NamedNeed("config", $"k{n}/*"))] },
            Allowing([]).Parts[0] with { HostPaths = [.. Enumerable.Range(1, wide).Select(n => $"/k{n}/*")] },
        })
        {
            Assert.Equal(asked, WorkloadQuestions.TryMap(Allowing([]) with { Parts = [part] }, Domain, out _, out var problem));
            if (!asked) Assert.Contains("with a wildcard", problem, StringComparison.Ordinal);
        }

        var many = Enumerable.Range(0, 2).Select(n => new WorkloadPart($"c{n}", "ghcr.io/acme/cart:1.2") { AllowedHosts = [.. Enumerable.Range(1, (wide / 2) + (n * (wide % 2))).Select(port => $"*:{port}")] });
        Assert.Equal(asked, WorkloadQuestions.TryMap(Allowing([]) with { Parts = [.. many] }, Domain, out _, out _));
    }

    private static WorkloadNeeds Allowing(IReadOnlyList<string> hosts) =>
        new("shop", "cart", [new WorkloadPart("c0", "ghcr.io/acme/cart:1.2") { AllowedHosts = hosts }], [], []);

    private static WorkloadNeeds Needs(int interfaces, int components) => new(
        "shop",
        "cart",
        [.. Enumerable.Range(0, components).Select(i => new WorkloadPart($"c{i}", "ghcr.io/acme/cart:1.2"))],
        [new HostInterface("wasi", "keyvalue", "0.2.0", [.. Enumerable.Range(0, interfaces).Select(i => $"i{i}")])],
        []);
}
