using Grpc.Core;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Microsoft.Extensions.Logging.Abstractions;
using Spire.Api.Types;

namespace Identity.Tests.Server.Registration;

public sealed class EntryRegistryTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private ControlPlaneLedger _ledger = null!;
    private EntryRegistry _registry = null!;

    public async ValueTask InitializeAsync()
    {
        _ledger = await ControlPlaneLedger.OpenAsync(_folder.Path, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance);
        _registry = new EntryRegistry(_ledger, TestEntries.TrustDomain, new SelectorTypes([]), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await _ledger.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Writes_a_batch_as_one_transaction_and_leaves_the_refused_items_out()
    {
        var bad = TestEntries.Entry("/spire/server", "/nodes/local", "unix:uid:1");

        var answers = await CreateAsync(TestEntries.Host(), bad, TestEntries.Greeter());

        Assert.Equal([StatusCode.OK, StatusCode.InvalidArgument, StatusCode.OK], answers.Select(a => a.Code));
        Assert.Equal(1ul, _ledger.State.Revision);
        Assert.Equal(2, _ledger.State.Entries.Count);
        Assert.Equal("admin:uid=1", _ledger.ListTransactions(1)[0].Transaction.Author);
    }

    [Fact]
    public async Task Refuses_a_type_of_selectors_that_nobody_gives_unless_it_is_allowed()
    {
        var misspelt = TestEntries.Entry("/x", "/nodes/local", "unix:uid:1", "unx:gid:1");

        var refused = (await CreateAsync(misspelt))[0];

        Assert.Equal(StatusCode.InvalidArgument, refused.Code);
        Assert.Contains("did you mean unix?", refused.Status.Message, StringComparison.Ordinal);
        Assert.Equal(0ul, _ledger.State.Revision);
        var told = new EntryRegistry(_ledger, TestEntries.TrustDomain, new SelectorTypes(["unx"]), TimeProvider.System);
        Assert.Equal(StatusCode.OK, (await told.CreateAsync([misspelt], "admin:uid=1", TestContext.Current.CancellationToken))[0].Code);
    }

    [Fact]
    public async Task An_entry_keeps_selectors_of_a_type_that_is_not_allowed_any_more_and_is_given_no_others()
    {
        var told = new EntryRegistry(_ledger, TestEntries.TrustDomain, new SelectorTypes(["tpm"]), TimeProvider.System);
        var entry = (await told.CreateAsync([TestEntries.Entry("/x", "/nodes/local", "tpm:a")], "admin:uid=1", TestContext.Current.CancellationToken))[0].Entry!.Clone();

        entry.Hint = "kept";
        Assert.Equal(StatusCode.OK, (await _registry.UpdateAsync([entry], null, "admin:uid=1", TestContext.Current.CancellationToken))[0].Code);
        entry.Selectors[0].Value = "b";
        Assert.Equal(StatusCode.InvalidArgument, (await _registry.UpdateAsync([entry], null, "admin:uid=1", TestContext.Current.CancellationToken))[0].Code);
    }

    [Fact]
    public async Task Writes_nothing_when_every_item_is_refused()
    {
        await CreateAsync(TestEntries.Entry("/x", "/x", "unix:uid:1"));

        Assert.Equal(0ul, _ledger.State.Revision);
    }

    [Fact]
    public async Task Answers_AlreadyExists_with_the_entry_that_stands_in_the_way()
    {
        var first = (await CreateAsync(TestEntries.Entry("/x", "/y", "unix:uid:1", "unix:gid:1")))[0];

        var again = (await CreateAsync(TestEntries.Entry("/x", "/y", "unix:gid:1", "unix:uid:1")))[0];

        Assert.Equal((StatusCode.AlreadyExists, first.Entry!.Id), (again.Code, again.Entry!.Id));
        Assert.Equal(1ul, _ledger.State.Revision);
    }

    [Fact]
    public async Task Refuses_the_second_of_two_like_items_in_one_batch()
    {
        var answers = await CreateAsync(TestEntries.Host(), TestEntries.Host());

        Assert.Equal([StatusCode.OK, StatusCode.AlreadyExists], answers.Select(a => a.Code));
        Assert.Single(_ledger.State.Entries);
    }

    [Fact]
    public async Task Refuses_an_id_that_is_taken()
    {
        await CreateAsync(With(TestEntries.Host(), e => e.Id = "mine"));

        var answers = await CreateAsync(With(TestEntries.Greeter(), e => e.Id = "mine"));

        Assert.Equal(StatusCode.AlreadyExists, answers[0].Code);
    }

    [Fact]
    public async Task Lets_one_of_many_concurrent_creations_of_the_same_entry_win()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CreateAsync(TestEntries.Host())));

        Assert.Single(answers, a => a[0].Code == StatusCode.OK);
        Assert.Single(_ledger.State.Entries);
    }

    [Fact]
    public async Task Changes_only_the_masked_fields_and_counts_the_revision_up()
    {
        var created = (await CreateAsync(With(TestEntries.Host(), e => e.Hint = "old")))[0].Entry!;

        var answer = (await _registry.UpdateAsync(
            [new Entry { Id = created.Id, Hint = "new" }], new EntryMask { Hint = true }, "admin:uid=1", CancellationToken.None))[0];

        Assert.Equal(StatusCode.OK, answer.Code);
        Assert.Equal(("new", 1L, created.SpiffeId), (answer.Entry!.Hint, answer.Entry.RevisionNumber, answer.Entry.SpiffeId));
    }

    [Fact]
    public async Task Refuses_an_update_that_would_make_an_entry_invalid_and_keeps_the_old()
    {
        var created = (await CreateAsync(TestEntries.Host()))[0].Entry!;

        var answer = (await _registry.UpdateAsync(
            [new Entry { Id = created.Id, SpiffeId = TestEntries.Id("/spire/server") }], new EntryMask { SpiffeId = true }, "a", CancellationToken.None))[0];

        Assert.Equal(StatusCode.InvalidArgument, answer.Code);
        Assert.Equal("/hosts/local", _ledger.State.Entries[created.Id].SpiffeId.Path);
    }

    [Fact]
    public async Task Refuses_an_update_into_the_likeness_of_another_entry()
    {
        await CreateAsync(TestEntries.Host());
        var other = (await CreateAsync(TestEntries.Entry("/hosts/local", "/nodes/local", "unix:uid:2")))[0].Entry!;

        var update = TestEntries.Host();
        update.Id = other.Id;
        var answer = (await _registry.UpdateAsync([update], null, "a", CancellationToken.None))[0];

        Assert.Equal(StatusCode.AlreadyExists, answer.Code);
    }

    [Fact]
    public async Task Writes_nothing_for_an_update_that_changes_nothing()
    {
        var created = (await CreateAsync(TestEntries.Host()))[0].Entry!;

        var answer = (await _registry.UpdateAsync([created], null, "a", CancellationToken.None))[0];

        Assert.Equal((StatusCode.OK, 1ul), (answer.Code, _ledger.State.Revision));
    }

    [Fact]
    public async Task Answers_NotFound_for_unknown_ids_and_for_the_second_deletion_in_a_batch()
    {
        var created = (await CreateAsync(TestEntries.Host()))[0].Entry!;

        var deleted = await _registry.DeleteAsync([created.Id, "unknown", created.Id], "a", CancellationToken.None);
        var updated = await _registry.UpdateAsync([new Entry { Id = "unknown" }], null, "a", CancellationToken.None);

        Assert.Equal([StatusCode.OK, StatusCode.NotFound, StatusCode.NotFound], deleted.Select(a => a.Code));
        Assert.Equal(StatusCode.NotFound, updated[0].Code);
        Assert.Empty(_ledger.State.Entries);
    }

    private Task<IReadOnlyList<EntryAnswer>> CreateAsync(params Entry[] entries) =>
        _registry.CreateAsync(entries, "admin:uid=1", CancellationToken.None);

    private static Entry With(Entry entry, Action<Entry> change)
    {
        change(entry);
        return entry;
    }
}
