// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using static Spire.Api.Types.SelectorMatch.Types;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;

namespace Identity.Tests.Server.Registration;

public sealed class EntryServiceTests : IAsyncLifetime
{
    private RegistryServer _server = null!;
    private EntryClient _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new EntryClient(_server.Admin);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Gives_pages_that_together_are_everything_once()
    {
        await CreateAsync([.. Enumerable.Range(0, 25).Select(n => TestEntries.Entry($"/e{n}", "/p", "unix:uid:1"))]);

        var seen = new List<string>();
        var token = "";
        do
        {
            var page = await _admin.ListEntriesAsync(new ListEntriesRequest { PageSize = 10, PageToken = token });
            Assert.InRange(page.Entries.Count, 1, 10);
            seen.AddRange(page.Entries.Select(e => e.SpiffeId.Path));
            token = page.NextPageToken;
        }
        while (token.Length > 0);

        Assert.Equal(25, seen.Count);
        Assert.Equal(25, seen.Distinct().Count());
    }

    [Fact]
    public async Task Gives_no_page_larger_than_a_thousand_whatever_is_asked_for()
    {
        for (var batch = 0; batch < 3; batch++)
        {
            await CreateAsync([.. Enumerable.Range(0, 400).Select(n => TestEntries.Entry($"/e{batch}/{n}", "/p", "unix:uid:1"))]);
        }

        Assert.Equal(1000, (await _admin.ListEntriesAsync(new ListEntriesRequest { PageSize = int.MaxValue })).Entries.Count);
        Assert.Equal(1000, (await _admin.ListEntriesAsync(new ListEntriesRequest())).Entries.Count);
        Assert.Equal(1200, (await _admin.CountEntriesAsync(new CountEntriesRequest())).Count);
    }

    [Fact]
    public async Task Refuses_a_negative_page_a_batch_that_is_too_large_and_an_unknown_id()
    {
        var large = new BatchCreateEntryRequest();
        large.Entries.AddRange(Enumerable.Range(0, 501).Select(n => TestEntries.Entry($"/e{n}", "/p", "unix:uid:1")));

        Assert.Equal(StatusCode.InvalidArgument, await CodeAsync(() => _admin.ListEntriesAsync(new ListEntriesRequest { PageSize = -1 }).ResponseAsync));
        Assert.Equal(StatusCode.InvalidArgument, await CodeAsync(() => _admin.BatchCreateEntryAsync(large).ResponseAsync));
        Assert.Equal(StatusCode.NotFound, await CodeAsync(() => _admin.GetEntryAsync(new GetEntryRequest { Id = "unknown" }).ResponseAsync));
        Assert.Empty(_server.Ledger.State.Entries);
    }

    [Theory]
    [InlineData(MatchBehavior.MatchExact, new[] { "unix:uid:1", "unix:gid:1" }, new[] { "/both" })]
    [InlineData(MatchBehavior.MatchSubset, new[] { "unix:uid:1", "unix:gid:1" }, new[] { "/both", "/uid" })]
    [InlineData(MatchBehavior.MatchSuperset, new[] { "unix:uid:1" }, new[] { "/both", "/uid" })]
    [InlineData(MatchBehavior.MatchAny, new[] { "unix:gid:1", "unix:uid:9" }, new[] { "/both" })]
    [InlineData(MatchBehavior.MatchExact, new[] { "unix:gid:1" }, new string[0])]
    public async Task Filters_by_selectors_as_SPIRE_does(MatchBehavior match, string[] selectors, string[] expected)
    {
        await CreateAsync(TestEntries.Entry("/uid", "/p", "unix:uid:1"), TestEntries.Entry("/both", "/p", "unix:uid:1", "unix:gid:1"));
        var bySelectors = new SelectorMatch { Match = match };
        bySelectors.Selectors.AddRange(selectors.Select(TestEntries.Selector));

        var listed = await _admin.ListEntriesAsync(new ListEntriesRequest { Filter = new() { BySelectors = bySelectors } });

        Assert.Equal(expected, listed.Entries.Select(e => e.SpiffeId.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Filters_by_parent_and_by_spiffe_id_and_shows_only_masked_fields()
    {
        await CreateAsync(TestEntries.Host(), TestEntries.Greeter());

        var byParent = await _admin.ListEntriesAsync(new ListEntriesRequest
        {
            Filter = new() { ByParentId = TestEntries.Id("/hosts/local") },
            OutputMask = new EntryMask { SpiffeId = true },
        });
        var byNobody = await _admin.CountEntriesAsync(new CountEntriesRequest { Filter = new() { BySpiffeId = TestEntries.Id("/nobody") } });

        var entry = Assert.Single(byParent.Entries);
        Assert.Equal(("/components/greeter", null, 0), (entry.SpiffeId.Path, entry.ParentId, entry.Selectors.Count));
        Assert.Equal(0, byNobody.Count);
    }

    private async Task CreateAsync(params Spire.Api.Types.Entry[] entries)
    {
        var request = new BatchCreateEntryRequest();
        request.Entries.AddRange(entries);
        Assert.All((await _admin.BatchCreateEntryAsync(request)).Results, r => Assert.Equal(0, r.Status.Code));
    }

    private static async Task<StatusCode> CodeAsync(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(call)).StatusCode;
}
