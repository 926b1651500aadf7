using System.Text;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>Links of a wasmCloud v1 lattice are capabilities of their source and their target.</summary>
public sealed class LatticeLinksTests
{
    private const string Link = """
        {"source_id":"cart","target":"kvredis","name":"default","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store","atomics"],
         "source_config":["cart-bucket"],"target_config":["redis-url"]}
        """;

    [Fact]
    public void A_source_imports_a_target_exports_and_each_is_given_its_configuration() => Assert.Equal(
        [
            "spiffe://example.org/wasmcloud/default/cart import wasi:keyvalue/store",
            "spiffe://example.org/wasmcloud/default/provider/kvredis export wasi:keyvalue/store",
            "spiffe://example.org/wasmcloud/default/cart import wasi:keyvalue/atomics",
            "spiffe://example.org/wasmcloud/default/provider/kvredis export wasi:keyvalue/atomics",
            "spiffe://example.org/wasmcloud/default/cart config cart-bucket",
            "spiffe://example.org/wasmcloud/default/provider/kvredis config redis-url",
        ],
        Read(Link));

    [Theory]
    [InlineData("[LINK,LINK]")]
    [InlineData("""{"success":true,"message":"","response":[LINK]}""")]
    public void A_list_and_the_reply_of_a_host_are_read_and_what_is_said_twice_is_said_once(string json) =>
        Assert.Equal(Read(Link), Read(json.Replace("LINK", Link, StringComparison.Ordinal)));

    [Fact]
    public void No_link_asks_for_nothing() => Assert.Empty(Read("[]"));

    [Fact]
    public void What_a_link_asks_for_is_decided_like_everything_else()
    {
        var policy = Samples.Policy("""
            kind: CapabilityPolicy
            name: lattice
            rules:
              - { name: cart, effect: permit, subjects: [{ spiffeId: spiffe://example.org/wasmcloud/default/cart }], capabilities: [{ import: wasi:keyvalue/store }, { config: cart-bucket }] }
            """);
        Assert.True(LatticeLinks.TryRead(Encoding.UTF8.GetBytes(Link), TrustDomain.Parse("example.org"), "default", id => id == "kvredis", out var requests, out _));
        var allowed = requests.Where(one => PolicyDecision.Decide(policy, new Principal { Id = one.Who }, one.What, Samples.Now).Allowed);
        Assert.Equal(["import wasi:keyvalue/store", "config cart-bucket"], allowed.Select(one => one.What.ToString()));
    }

    [Theory]
    [InlineData("", "no JSON")]
    [InlineData("{", "no JSON")]
    [InlineData("1", "link 1: expected an object")]
    [InlineData("""[LINK,{}]""", "link 2: it lacks 'source_id'")]
    [InlineData("""{"source_id":"cart"}""", "it lacks 'target'")]
    [InlineData("""{"source_id":"a","source_id":"b"}""", "no JSON")]
    [InlineData("""{"source_id":1}""", "'source_id' is not known, or not what it should be")]
    [InlineData("""{"source_secrets":["x"]}""", "'source_secrets' is not known")]
    [InlineData("""{"source_id":"a/b","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store"]}""", "'a/b' cannot be part of a SPIFFE ID")]
    [InlineData("""{"source_id":"..","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store"]}""", "link 1: ")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":[]}""", "it lacks 'interfaces'")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store#get"]}""", "is not an interface name")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["*"]}""", "is not an interface name")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store@0.2.0 x"]}""", "link 1: ")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["*"]}""", "link 1: ")]
    [InlineData("""{"source_id":"a","target":"c","wit_namespace":"wasi","wit_package":"key value","interfaces":["store"]}""", "link 1: ")]
    public void What_policy_has_no_words_for_is_told_with_its_place(string json, string expected)
    {
        Assert.False(LatticeLinks.TryRead(Encoding.UTF8.GetBytes(json.Replace("LINK", Link, StringComparison.Ordinal)), TrustDomain.Parse("example.org"), "default", _ => false, out var requests, out var problem));
        Assert.Empty(requests);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("")]
    public void A_lattice_that_is_no_segment_is_refused(string lattice) =>
        Assert.False(LatticeLinks.TryRead(Encoding.UTF8.GetBytes(Link), TrustDomain.Parse("example.org"), lattice, _ => false, out _, out _));

    [Fact]
    public void Too_much_is_not_read() =>
        Assert.False(LatticeLinks.TryRead(new byte[LatticeLinks.MaxBytes + 1], TrustDomain.Parse("example.org"), "default", _ => false, out _, out _));

    private static string[] Read(string json)
    {
        Assert.True(LatticeLinks.TryRead(Encoding.UTF8.GetBytes(json), TrustDomain.Parse("example.org"), "default", id => id == "kvredis", out var requests, out var problem), problem);
        return [.. requests.Select(one => $"{one.Who} {one.What}")];
    }
}
