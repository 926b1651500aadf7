// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Globalization;
using Grpc.Core;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What a change of policy may cost while others wait for their turn, and what they are shown who have to agree.</summary>
public sealed class PolicyTurnTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private RegistryServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Refuses_whoever_may_not_change_a_policy_before_it_is_put_together_with_the_others()
    {
        const string Dan = "spiffe://example.org/people/dan";
        await new PolicyWriter(_server.Admin).ApplyAsync(Role("others", Dan, "[other]"));
        // Both labels together mean nobody, and a million pairs have to be looked at to see that.
        var label = (string name) => $"  - {{ name: {name}, value: x, subjects: [{string.Join(", ", Enumerable.Range(0, 3_000).Select(number => $"{{ spiffeIdPrefix: spiffe://{name}/{number.ToString(CultureInfo.InvariantCulture)} }}"))}] }}\n";
        var costly = $"kind: CapabilityPolicy\nname: shop\nlabels:\n{label("one")}{label("two")}rules:\n  - {{ name: r, effect: forbid, subjects: [{{ labels: {{ one: x, two: x }} }}], capabilities: [start] }}\n";
        var dan = new PolicyWriter(await _server.AsAsync(Dan));

        var refused = await Assert.ThrowsAsync<RpcException>(() => dan.ApplyAsync(costly));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Contains("is not about policies of this name", refused.Status.Detail, StringComparison.Ordinal);

        // Who may is told what is wrong with it.
        refused = await Assert.ThrowsAsync<RpcException>(() => new PolicyWriter(_server.Admin).ApplyAsync(costly));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains("more than 4000000 combinations", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("grants nothing\u202e gnihtyreve stnarg")]
    [InlineData("zero\u200bwidth")]
    [InlineData("a\u2066b\u2069")]
    [InlineData("line\u2028break")]
    [InlineData("line\nbreak")]
    [InlineData("filler\u3164")]
    [InlineData("tag\U000e0041")]
    [InlineData("private\ue000")]
    public async Task Refuses_a_reason_that_does_not_show_what_it_holds(string reason)
    {
        var admin = new PolicyAdmin.PolicyAdminClient(_server.Admin);
        var source = new PolicySource { Text = Permit("shop") };
        Func<Task>[] calls =
        [
            async () => await admin.ApplyPoliciesAsync(new() { Documents = { source }, Reason = reason }),
            async () => await admin.DeletePoliciesAsync(new() { Names = { "shop" }, Reason = reason }),
            async () => await admin.RollbackAsync(new() { ToRevision = 1, ExpectedRevision = 1, Reason = reason }),
            async () => await admin.ProposeAsync(new() { Documents = { source }, Reason = reason }),
            async () => await admin.StageAsync(new() { Documents = { source }, SoakSeconds = 60, Reason = reason }),
        ];
        foreach (var call in calls)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(call);
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.Contains("characters that cannot be seen", refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_difference_that_was_not_decided_whole_means_the_same_only_between_the_very_same_policies()
    {
        var (one, other) = (Policies(elsewhere: "a"), Policies(elsewhere: "b"));
        // What differs between the two bases has nothing to do with the change.
        Assert.Equal(Fingerprint(one, PolicyDiff()), Fingerprint(other, PolicyDiff()));
        // Where not all was looked at, nobody knows that.
        Assert.NotEqual(Fingerprint(one, 200), Fingerprint(other, 200));
        Assert.Equal(Fingerprint(one, 200), Fingerprint(Policies(elsewhere: "a"), 200));
        Assert.True(AuthorityDifference.Between(one.Before, one.After, Now, 200).Widens);

        static long PolicyDiff() => global::Identity.Policy.Analysis.PolicyDiff.DefaultWork;

        static string Fingerprint((CapabilityPolicy Before, CapabilityPolicy After) policies, long work) =>
            Convert.ToHexString(AuthorityDifference.Between(policies.Before, policies.After, Now, work).Fingerprint());
    }

    [Fact]
    public void What_a_login_loses_is_part_of_what_a_change_means()
    {
        const string Below = "{ natsSubscribe: orders.new.items }";
        var alone = AuthorityDifference.Between(Of("{ natsPublish: orders.new }"), Of("{ natsPublish: orders.new }", Below), Now);
        Assert.False(alone.Narrows);
        var beside = AuthorityDifference.Between(Of("{ natsSubscribe: orders.* }"), Of("{ natsSubscribe: orders.* }", Below), Now);
        Assert.True(beside.Narrows);
        Assert.NotEqual(alone.Fingerprint(), beside.Fingerprint());
        Assert.Contains("NATS login: subscribe orders.* [p/r1]", Assert.Single(beside.Lost), StringComparison.Ordinal);

        CapabilityPolicy Of(params string[] capabilities) => CapabilityPolicy.FromSources(
            ["kind: CapabilityPolicy\nname: p\nrules:\n" + string.Concat(capabilities.Select((capability, number) => $"  - {{ name: r{number}, effect: permit, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{capability}] }}\n"))], 1);
    }

    private static (CapabilityPolicy Before, CapabilityPolicy After) Policies(string elsewhere)
    {
        var kept = $"  - {{ name: elsewhere, effect: permit, subjects: [{{ spiffeId: spiffe://elsewhere.org/{elsewhere} }}], capabilities: [{{ audience: x }}] }}\n";
        var added = string.Concat(Enumerable.Range(0, 150).Select(number => $"  - {{ name: r{number}, effect: permit, subjects: [{{ spiffeIdPrefix: {Shop} }}], capabilities: [{{ natsPublish: 'a.{number}.>' }}] }}\n"));
        const string Head = "kind: CapabilityPolicy\nname: p\nrules:\n";
        return (CapabilityPolicy.FromSources([Head + kept], 1), CapabilityPolicy.FromSources([Head + kept + added], 1));
    }
}
