using Identity.Server.Registration;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Tests.Server.Registration;

public sealed class AuthorizedEntriesTests
{
    private const string AgentPath = "/spire/agent/join_token/0123456789abcdef0123456789abcdef";
    private static readonly SpiffeId Agent = SpiffeId.Parse($"spiffe://example.org{AgentPath}");
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_000_000);

    [Fact]
    public void Gives_an_agent_everything_below_its_alias_down_to_the_components_of_its_hosts() =>
        Assert.Equal(
            ["/components/greeter", "/hosts/local", "/nodes/local"],
            Paths([TestEntries.Entry("/nodes/local", AgentPath, $"spiffe_id:{Agent}"), TestEntries.Host(), TestEntries.Greeter()]));

    [Fact]
    public void Follows_an_alias_below_the_server_without_giving_the_agent_the_aliass_own_identity() =>
        Assert.Equal(
            ["/hosts/local"],
            Paths([TestEntries.Entry("/nodes/local", "/spire/server", $"spiffe_id:{Agent}"), TestEntries.Host()]));

    [Fact]
    public void Gives_nothing_below_an_alias_of_another_agent() =>
        Assert.Empty(Paths([TestEntries.Entry("/nodes/local", "/spire/server", "spiffe_id:spiffe://example.org/spire/agent/join_token/other"), TestEntries.Host()]));

    [Fact]
    public void Gives_nothing_below_an_alias_whose_other_selectors_the_node_lacks() =>
        Assert.Empty(Paths([TestEntries.Entry("/nodes/local", "/spire/server", $"spiffe_id:{Agent}", "tpm:pub:1"), TestEntries.Host()]));

    [Fact]
    public void Follows_an_alias_by_what_attestation_established_about_the_node() =>
        Assert.Equal(
            ["/hosts/local"],
            Paths([TestEntries.Entry("/nodes/local", "/spire/server", "tpm:pub:1"), TestEntries.Host()], "tpm:pub:1", "tpm:pub:2"));

    [Fact]
    public void Gives_nothing_that_no_parent_connects_to_the_agent() =>
        Assert.Empty(Paths([TestEntries.Host(), TestEntries.Greeter()]));

    [Fact]
    public void Ends_on_a_circle_of_parents() =>
        Assert.Equal(
            ["/a", "/a", "/b"],
            Paths([
                TestEntries.Entry("/a", AgentPath, "unix:uid:1"),
                TestEntries.Entry("/b", "/a", "unix:uid:1"),
                TestEntries.Entry("/a", "/b", "unix:uid:1"),
            ]));

    [Fact]
    public void Leaves_out_an_expired_entry_and_everything_below_it()
    {
        var host = TestEntries.Entry("/hosts/local", AgentPath, "unix:uid:1");
        host.ExpiresAt = Now.ToUnixTimeSeconds();

        Assert.Empty(Paths([host, TestEntries.Greeter()]));
    }

    [Fact]
    public void Leaves_out_what_is_below_an_expired_alias()
    {
        var alias = TestEntries.Entry("/nodes/local", "/spire/server", $"spiffe_id:{Agent}");
        alias.ExpiresAt = Now.ToUnixTimeSeconds() - 1;

        Assert.Empty(Paths([alias, TestEntries.Host()]));
    }

    private static List<string> Paths(IReadOnlyList<Entry> all, params string[] nodeSelectors)
    {
        for (var i = 0; i < all.Count; i++) all[i].Id = $"e{i}";
        var byParent = all.ToLookup(e => e.ParentId.ToText());
        return [.. AuthorizedEntries.Below(Agent, nodeSelectors, parent => byParent[parent], Now, out _).Select(e => e.SpiffeId.Path).Order(StringComparer.Ordinal)];
    }
}
