using Grpc.Core;
using Identity.Cli;
using Identity.Cli.Commands;
using Identity.Tests.Server;
using Spire.Api.Types;
using EntryApi = Spire.Api.Server.Entry.V1;

namespace Identity.Tests.Cli;

public sealed class EntryPlanTests
{
    [Fact]
    public void An_entry_that_is_there_is_left_alone()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:1")]);
        Assert.Equal((1, 0, 0), (plan.Unchanged.Count, plan.Create.Count, plan.Update.Count));
    }

    [Fact]
    public void A_second_entry_of_the_same_identity_takes_nothing_from_the_first()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:2"), Wanted("a", "unix:uid:1")]);
        Assert.Equal("2", Assert.Single(Assert.Single(plan.Create).Selectors).Value[^1..]);
        Assert.Single(plan.Unchanged);
        Assert.Empty(plan.Update);
    }

    [Fact]
    public void Of_several_with_the_same_identity_the_one_with_these_selectors_is_updated()
    {
        var longer = Wanted("a", "unix:uid:2");
        longer.X509SvidTtl = 60;
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1"), Known("2", "a", "unix:uid:2")], [Wanted("a", "unix:uid:1"), longer]);
        Assert.Equal("2", Assert.Single(plan.Update).Id);
        Assert.Empty(plan.Create);
    }

    [Fact]
    public void An_entry_that_federates_otherwise_is_updated()
    {
        var federating = Wanted("a", "unix:uid:1");
        federating.FederatesWith.Add("other.example");
        Assert.Single(EntryPlan.Of([Known("1", "a", "unix:uid:1")], [federating]).Update);
    }

    [Fact]
    public void New_selectors_are_a_new_entry_when_that_is_asked_for_and_what_stands_beside_it_is_said()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:9")], OtherEntries.Beside);
        Assert.Single(plan.Create);
        Assert.Empty(plan.Update);
        Assert.Contains("unix:uid:9 is an entry beside 1, which stays for unix:uid:1", Assert.Single(plan.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void New_selectors_replace_those_of_the_only_entry_of_an_identity_when_that_is_asked_for()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:9")], OtherEntries.Replace);
        Assert.Equal("1", Assert.Single(plan.Update).Id);
        Assert.Contains("entry 1 is no longer for unix:uid:1 but for unix:uid:9", Assert.Single(plan.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void More_selectors_narrow_the_entry_that_had_fewer_and_leave_no_wide_one()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1"), Known("2", "b", "unix:uid:1")], [Wanted("a", "unix:uid:1", "unix:path:/bin/a")]);
        Assert.Equal("1", Assert.Single(plan.Update).Id);
        Assert.Empty(plan.Create);
        Assert.Contains("entry 1 is no longer for unix:uid:1 but for unix:uid:1, unix:path:/bin/a", Assert.Single(plan.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_another_document_names_is_narrowed_by_none()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:1"), Wanted("a", "unix:uid:1", "unix:path:/bin/a")]);
        Assert.Equal((1, 1, 0), (plan.Unchanged.Count, plan.Create.Count, plan.Update.Count));
    }

    [Fact]
    public void Each_of_several_narrows_its_own()
    {
        var plan = EntryPlan.Of(
            [Known("1", "a", "unix:uid:1"), Known("2", "a", "unix:uid:2")], [Wanted("a", "unix:uid:2", "unix:path:/bin/two"), Wanted("a", "unix:uid:1", "unix:path:/bin/one")]);
        Assert.Equal(["1", "2"], plan.Update.Select(entry => entry.Id).Order());
        Assert.Empty(plan.Create);
    }

    [Fact]
    public void More_selectors_are_a_new_entry_beside_the_wide_one_only_when_that_is_asked_for()
    {
        var plan = EntryPlan.Of([Known("1", "a", "unix:uid:1")], [Wanted("a", "unix:uid:1", "unix:path:/bin/a")], OtherEntries.Beside);
        Assert.Single(plan.Create);
        Assert.Empty(plan.Update);
    }

    public static TheoryData<string, string[], string[], string> Unclear => new()
    {
        { "other selectors", ["unix:uid:1"], ["unix:uid:9"], "--replace gives its place to the new one, --beside keeps both, `identity entry delete 1` ends it" },
        { "fewer selectors", ["unix:uid:1 unix:gid:1"], ["unix:uid:1"], "entry 1 for unix:uid:1, unix:gid:1, which no document names" },
        { "narrower than two", ["unix:uid:1", "unix:gid:1"], ["unix:uid:1 unix:gid:1"], "entry 1 for unix:uid:1 and entry 2 for unix:gid:1" },
        { "two that are narrower than one", ["unix:uid:1"], ["unix:uid:1 unix:gid:1", "unix:uid:1 unix:gid:2"], "would be for unix:uid:1, unix:gid:1 and for unix:uid:1, unix:gid:2" },
        { "one narrower, another left over", ["unix:uid:1", "unix:uid:5"], ["unix:uid:1 unix:gid:1", "unix:uid:9"], "would be for unix:uid:9, but there is entry 2 for unix:uid:5" },
    };

    [Theory]
    [MemberData(nameof(Unclear))]
    public void What_is_meant_with_an_entry_that_no_document_names_is_asked(string what, string[] present, string[] wanted, string expected)
    {
        var refused = Assert.Throws<RefusedException>(() => EntryPlan.Of(
            [.. present.Select((selectors, place) => Known($"{place + 1}", "a", selectors.Split(' ')))], [.. wanted.Select(selectors => Wanted("a", selectors.Split(' ')))]));
        Assert.True(refused.Message.Contains(expected, StringComparison.Ordinal), $"{what}: {refused.Message}");
        Assert.StartsWith("nothing was sent", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Which_of_several_is_replaced_is_never_guessed()
    {
        var refused = Assert.Throws<RefusedException>(
            () => EntryPlan.Of([Known("1", "a", "unix:uid:1"), Known("2", "a", "unix:uid:2")], [Wanted("a", "unix:uid:9")], OtherEntries.Replace));
        Assert.Contains("which one takes the place of which cannot be told", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_of_another_parent_is_left_alone()
    {
        var elsewhere = Known("1", "a", "unix:uid:1");
        elsewhere.ParentId.Path = "/nodes/other";
        Assert.Single(EntryPlan.Of([elsewhere], [Wanted("a", "unix:uid:9")]).Create);
    }

    [Fact]
    public async Task More_entries_than_one_call_takes_are_applied_found_unchanged_and_deleted()
    {
        await using var server = await RegistryServer.StartAsync();
        var client = new EntryApi.Entry.EntryClient(server.Admin);
        List<Entry> Many() => [.. Enumerable.Range(0, 1001).Select(i => Wanted($"w{i}", $"unix:uid:{i}"))];

        var made = await EntryPlan.Of([], Many()).CarryOutAsync(client, TestContext.Current.CancellationToken);
        Assert.Equal(1001, made.Count(outcome => outcome.Outcome == "created"));
        var present = await EntryCommand.AllAsync(client, TestContext.Current.CancellationToken);
        Assert.Equal(1001, EntryPlan.Of(present, Many()).Unchanged.Count);
        Assert.Equal(1001, (await EntryPlan.DeleteAsync(client, present, TestContext.Current.CancellationToken)).Count);
        Assert.Empty(await EntryCommand.AllAsync(client, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_refusal_names_the_entry_and_says_how_many_were_made()
    {
        await using var server = await RegistryServer.StartAsync();
        var elsewhere = Wanted("b", "unix:uid:2");
        elsewhere.SpiffeId.TrustDomain = "elsewhere.example";
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => EntryPlan.Of([], [Wanted("a", "unix:uid:1"), elsewhere]).CarryOutAsync(new(server.Admin), TestContext.Current.CancellationToken));
        Assert.Contains("spiffe://elsewhere.example/b: ", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("(1 of 2 entries were created)", refused.Status.Detail, StringComparison.Ordinal);
    }

    private static Entry Known(string id, string path, params string[] selectors)
    {
        var entry = Wanted(path, selectors);
        entry.Id = id;
        return entry;
    }

    private static Entry Wanted(string path, params string[] selectors)
    {
        var entry = new Entry { SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = $"/{path}" }, ParentId = new SPIFFEID { TrustDomain = "example.org", Path = "/nodes/local" } };
        entry.Selectors.AddRange(selectors.Select(selector => selector.Split(':', 2)).Select(parts => new Selector { Type = parts[0], Value = parts[1] }));
        return entry;
    }
}
