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

    private static WorkloadNeeds Needs(int interfaces, int components) => new(
        "shop",
        "cart",
        [.. Enumerable.Range(0, components).Select(i => new WorkloadPart($"c{i}", "ghcr.io/acme/cart:1.2"))],
        [new HostInterface("wasi", "keyvalue", "0.2.0", [.. Enumerable.Range(0, interfaces).Select(i => $"i{i}")])],
        []);
}
