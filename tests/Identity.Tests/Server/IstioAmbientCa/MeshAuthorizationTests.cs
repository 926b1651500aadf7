using Identity.Server.IstioAmbientCa;
using Spiffe.Net;

namespace Identity.Tests.Server.IstioAmbientCa;

public sealed class MeshAuthorizationTests
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");

    private static readonly KubernetesCaller Ztunnel = new("istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-1");

    private static readonly NodePlacement Placement = new()
    {
        Issuer = "https://kubernetes",
        TrustedNodeAccounts = ["istio-system/ztunnel"],
        Pods =
        [
            Pod("istio-system", "ztunnel", "worker-1", "ztunnel-a", "uid-a"),
            Pod("istio-system", "ztunnel", "worker-2", "ztunnel-b", "uid-b"),
            Pod("default", "greeter", "worker-1", "greeter-1", "uid-1"),
            Pod("default", "ledger", "worker-2", "ledger-1", "uid-2"),
            Pod("default", "monitor", "worker-1", "monitor-1", "uid-3") with { HostNetwork = true },
            Pod("default", "done", "worker-1", "done-1", "uid-4") with { Phase = "Succeeded" },
        ],
    };

    [Theory]
    [InlineData("spiffe://example.org/ns/default/sa/greeter", true)]
    [InlineData("spiffe://example.org/ns/istio-system/sa/ztunnel", true)]
    [InlineData("spiffe://example.org/ns/default/sa/ledger", false)] // on the other node
    [InlineData("spiffe://example.org/ns/other/sa/greeter", false)]
    [InlineData("spiffe://example.org/ns/default/sa/monitor", false)] // shares the node's network
    [InlineData("spiffe://example.org/ns/default/sa/done", false)] // is over
    [InlineData("spiffe://example.net/ns/default/sa/greeter", false)]
    public void A_node_obtains_the_identities_of_the_pods_it_runs_and_no_others(string id, bool allowed)
    {
        var decision = MeshAuthorization.Decide(Ztunnel, id, Placement, TrustDomain);
        if (allowed) Assert.Equal(id, Assert.IsType<MeshAuthorization.Allowed>(decision).Id.ToString());
        else Assert.NotEmpty(Assert.IsType<MeshAuthorization.Denied>(decision).Reason);
    }

    [Theory]
    [InlineData("")]
    [InlineData("greeter")]
    [InlineData("spiffe://example.org")]
    [InlineData("spiffe://example.org/ns/default/sa/greeter/component/x")]
    [InlineData("spiffe://example.org/ns/default/serviceaccount/greeter")]
    [InlineData("spiffe://example.org/sa/greeter/ns/default")]
    [InlineData("spiffe://example.org/ns/default/sa/")]
    [InlineData("SPIFFE://example.org/ns/default/sa/greeter")]
    public void Refuses_an_identity_that_is_not_namespace_and_service_account(string id) =>
        Assert.IsType<MeshAuthorization.Malformed>(MeshAuthorization.Decide(Ztunnel, id, Placement, TrustDomain));

    [Fact]
    public void Whoever_names_nobody_gets_its_own_identity()
    {
        var waypoint = new KubernetesCaller("default", "waypoint", "waypoint-1", "uid-w", null);
        Assert.Equal("spiffe://example.org/ns/default/sa/waypoint", Assert.IsType<MeshAuthorization.Allowed>(MeshAuthorization.Decide(waypoint, null, Placement, TrustDomain)).Id.ToString());
    }

    public static TheoryData<string, string, string, string, string?> StrangeCallers => new()
    {
        { "default", "greeter", "greeter-1", "uid-1", "worker-1" }, // not a node proxy
        { "other", "ztunnel", "ztunnel-a", "uid-a", "worker-1" },
        { "istio-system", "ztunnel", "ztunnel-a", "uid-z", "worker-1" }, // same name, another pod
        { "istio-system", "ztunnel", "ztunnel-z", "uid-a", "worker-1" },
        { "istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-2" }, // token and placement disagree
        { "istio-system", "ztunnel", "ztunnel-b", "uid-b", null }, // runs where greeter does not
    };

    [Theory]
    [MemberData(nameof(StrangeCallers))]
    public void Refuses_anyone_but_a_known_node_proxy_on_the_same_node(string space, string account, string pod, string uid, string? node) =>
        Assert.IsType<MeshAuthorization.Denied>(
            MeshAuthorization.Decide(new KubernetesCaller(space, account, pod, uid, node), "spiffe://example.org/ns/default/sa/greeter", Placement, TrustDomain));

    [Theory]
    [InlineData("""{"issuer":"x"}""", true)]
    [InlineData("""{"issuer":"x","trustedNodeAccounts":["a/b"],"pods":[{"namespace":"n","serviceAccount":"s","node":"w","podName":"p","podUid":"u"}]}""", true)]
    [InlineData("", false)]
    [InlineData("null", false)]
    [InlineData("[]", false)]
    [InlineData("{}", false)]
    [InlineData("""{"issuer":""}""", false)]
    [InlineData("""{"issuer":"x","trusted":[]}""", false)]
    [InlineData("""{"issuer":"x","issuer":"y"}""", false)]
    [InlineData("""{"issuer":"x","trustedNodeAccounts":["ztunnel"]}""", false)]
    [InlineData("""{"issuer":"x","pods":[{"namespace":"n"}]}""", false)]
    [InlineData("""{"issuer":"x","pods":[{"namespace":null,"serviceAccount":"s","node":"w","podName":"p","podUid":"u"}]}""", false)]
    public void Reads_a_placement_whole_or_not_at_all(string json, bool readable)
    {
        Assert.Equal(readable, NodePlacement.TryParse(System.Text.Encoding.UTF8.GetBytes(json), out _, out var problem));
        Assert.Equal(readable, problem.Length == 0);
    }

    private static PlacedPod Pod(string space, string account, string node, string name, string uid) =>
        new() { Namespace = space, ServiceAccount = account, Node = node, PodName = name, PodUid = uid };
}
