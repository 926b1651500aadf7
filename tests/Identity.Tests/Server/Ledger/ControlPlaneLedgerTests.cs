using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Ledger.V1;
using Identity.Server;
using Identity.Server.Ledger;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Spire.Api.Types;
using Xunit;

namespace Identity.Tests.Server.Ledger;

public sealed class ControlPlaneLedgerTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Reads_back_after_reopening_what_was_appended()
    {
        await using (var ledger = await OpenAsync())
        {
            await AppendAsync(ledger, SetEntry("a", "/parent"));
            await ledger.RecordIssuanceAsync(new Identity.Ledger.V1.Issuance { SpiffeId = "spiffe://example.org/a", SerialOrJti = "01" }, Cancellation);
        }
        await using var again = await OpenAsync();
        Assert.Equal(1ul, again.State.Revision);
        Assert.Equal("a", Assert.Single(again.State.EntriesFor("spiffe://example.org/parent")).Id);
        Assert.Equal("01", Assert.Single(again.ListIssuances(10)).SerialOrJti);
        Assert.Equal(new LedgerVerification.Intact(1, 1), again.Verify(Cancellation));
    }

    [Fact]
    public async Task A_full_disk_refuses_writes_until_there_is_room_and_loses_none_that_was_acknowledged()
    {
        using var disk = SmallDisk.Mount();
        var issuance = new Identity.Ledger.V1.Issuance { SpiffeId = "spiffe://example.org/a" };
        var written = 0ul;
        await using (var ledger = await ControlPlaneLedger.OpenAsync(disk.Path, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation))
        {
            await Assert.ThrowsAsync<IOException>(async () =>
            {
                for (; written < 1000; written++) await ledger.RecordIssuanceAsync(issuance, Cancellation);
            });
            Assert.Null(ledger.Fault);
            disk.MakeRoom();
            await ledger.RecordIssuanceAsync(issuance, Cancellation);
        }

        await using var again = await ControlPlaneLedger.OpenAsync(disk.Path, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        Assert.Equal(new LedgerVerification.Intact(0, written + 1), again.Verify(Cancellation));
    }

    [Fact]
    public async Task Refuses_a_transaction_that_expects_a_revision_long_past()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, SetEntry("a", "/parent"));
        var answer = await ledger.AppendAsync(Transaction(SetEntry("b", "/parent")), expectedRevision: 0, Cancellation);
        Assert.Equal(1ul, Assert.IsType<Append.Conflict>(answer).CurrentRevision);
        Assert.False(ledger.State.Entries.ContainsKey("b"));
        Assert.Single(ledger.ListTransactions(10));
    }

    [Fact]
    public async Task Lets_one_of_many_transactions_made_at_one_revision_win()
    {
        await using var ledger = await OpenAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i =>
            ledger.AppendAsync(Transaction(SetEntry($"e{i}", "/parent")), expectedRevision: 0, Cancellation)));
        Assert.Single(answers.OfType<Append.Committed>());
        Assert.Single(ledger.State.Entries);
    }

    [Fact]
    public async Task Keeps_every_concurrent_write_and_both_chains_whole()
    {
        await using var ledger = await OpenAsync();
        var appends = Enumerable.Range(0, 500).Select(i => AppendAsync(ledger, SetEntry($"e{i}", "/parent")));
        var issuances = Enumerable.Range(0, 500).Select(i =>
            ledger.RecordIssuanceAsync(new Identity.Ledger.V1.Issuance { SerialOrJti = $"{i}" }, Cancellation));
        await Task.WhenAll(appends.Concat(issuances));
        Assert.Equal(500ul, ledger.State.Revision);
        Assert.Equal(500, ledger.State.EntriesFor("spiffe://example.org/parent").Count());
        Assert.Equal(new LedgerVerification.Intact(500, 500), ledger.Verify(Cancellation));
    }

    [Theory]
    [InlineData("UPDATE transactions SET payload = x'00' WHERE number = 2", "Record 2 of the ledger's transactions does not match its hash")]
    [InlineData("UPDATE transactions SET hash = zeroblob(32) WHERE number = 3", "Record 3 of the ledger's transactions does not match its hash")]
    [InlineData("DELETE FROM transactions WHERE number = 2", "Record 2 of the ledger's transactions is missing")]
    [InlineData("DELETE FROM transactions WHERE number = 1", "Record 1 of the ledger's transactions is missing")]
    [InlineData("UPDATE issuances SET payload = x'00' WHERE number = 1", "Record 1 of the ledger's issuances does not match its hash")]
    [InlineData("DELETE FROM issuances WHERE number = 1", "Record 1 of the ledger's issuances is missing")]
    [InlineData("INSERT INTO transactions SELECT 4, payload, hash FROM transactions WHERE number = 3", "Record 4 of the ledger's transactions does not match")]
    public async Task Refuses_to_open_a_ledger_somebody_changed_and_says_where(string change, string where)
    {
        await using (var ledger = await OpenAsync())
        {
            foreach (var id in (string[])["a", "b", "c"])
            {
                await AppendAsync(ledger, SetEntry(id, "/parent"));
                await ledger.RecordIssuanceAsync(new Identity.Ledger.V1.Issuance { SerialOrJti = id }, Cancellation);
            }
        }
        Tamper(change);
        var refusal = await Assert.ThrowsAsync<CannotStartException>(OpenAsync);
        Assert.Contains(where, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("restore ledger.db from a backup", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Notices_on_request_what_was_changed_while_it_was_open()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, SetEntry("a", "/parent"));
        Tamper("UPDATE transactions SET payload = x'00'");
        Assert.Contains("Record 1", Assert.IsType<LedgerVerification.Broken>(ledger.Verify(Cancellation)).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_file_that_is_no_database()
    {
        Directory.CreateDirectory(_folder.At("data"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await File.WriteAllBytesAsync(_folder.At("data/ledger.db"), RandomNumberGenerator.GetBytes(8192), Cancellation);
        Assert.Contains("cannot be opened as a ledger", (await Assert.ThrowsAsync<CannotStartException>(OpenAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_folder_that_is_in_use()
    {
        await using var first = await OpenAsync();
        var refusal = await Assert.ThrowsAsync<CannotStartException>(OpenAsync);
        Assert.StartsWith("Another identityd is using the data folder", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_folder_that_others_may_write_to()
    {
        Directory.CreateDirectory(_folder.At("data"));
        File.SetUnixFileMode(_folder.At("data"), (UnixFileMode)0b111_111_111);
        Assert.Contains("chmod 700", (await Assert.ThrowsAsync<CannotStartException>(OpenAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keeps_its_files_from_other_users()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, SetEntry("a", "/parent"));
        Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(_folder.At("data")));
        Assert.All(Directory.GetFiles(_folder.At("data")), file => Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(file)));
    }

    [Fact]
    public async Task Gives_a_slow_watcher_the_newest_state_and_skips_what_it_missed()
    {
        await using var ledger = await OpenAsync();
        await using var watch = ledger.WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(Deadline, Cancellation));
        Assert.Equal(0ul, watch.Current.Revision);
        for (var i = 0; i < 20; i++)
        {
            await AppendAsync(ledger, SetEntry($"e{i}", "/parent"));
        }
        Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(Deadline, Cancellation));
        Assert.Equal(20ul, watch.Current.Revision);
        ledger.EndWatches();
        Assert.False(await watch.MoveNextAsync().AsTask().WaitAsync(Deadline, Cancellation));
    }

    [Fact]
    public async Task Refuses_transactions_that_say_nothing_or_come_from_nobody()
    {
        await using var ledger = await OpenAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => ledger.AppendAsync(new Transaction { Author = "server" }, null, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => ledger.AppendAsync(Transaction(new Change()), null, Cancellation));
        var anonymous = Transaction(SetEntry("a", "/parent"));
        anonymous.Author = "";
        await Assert.ThrowsAsync<ArgumentException>(() => ledger.AppendAsync(anonymous, null, Cancellation));
        Assert.Equal(0ul, ledger.State.Revision);
    }

    [Fact]
    public async Task Does_not_see_what_a_caller_does_to_its_messages_afterwards()
    {
        await using var ledger = await OpenAsync();
        var change = SetEntry("a", "/parent");
        await AppendAsync(ledger, change);
        change.EntrySet.SpiffeId.Path = "/other";
        Assert.Equal("/workload", ledger.State.Entries["a"].SpiffeId.Path);
    }

    [Fact]
    public async Task Finds_an_entry_below_its_new_parent_only()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, SetEntry("a", "/old"));
        await AppendAsync(ledger, SetEntry("a", "/new"));
        Assert.Empty(ledger.State.EntriesFor("spiffe://example.org/old"));
        Assert.Single(ledger.State.EntriesFor("spiffe://example.org/new"));
        await AppendAsync(ledger, new Change { EntryDeleted = "a" });
        Assert.Empty(ledger.State.EntriesFor("spiffe://example.org/new"));
    }

    [Fact]
    public async Task Finds_entries_by_the_identity_they_give_as_long_as_they_give_it()
    {
        await using var ledger = await OpenAsync();
        var workload = new Spire.Api.Types.SPIFFEID { TrustDomain = "example.org", Path = "/workload" };
        await AppendAsync(ledger, SetEntry("a", "/one"));
        await AppendAsync(ledger, SetEntry("b", "/two"));
        Assert.Equal(["a", "b"], ledger.State.EntriesOf(workload).Select(entry => entry.Id));

        var other = SetEntry("a", "/one");
        other.EntrySet.SpiffeId.Path = "/other";
        await AppendAsync(ledger, other);
        await AppendAsync(ledger, SetEntry("b", "/two"));
        Assert.Equal(["b"], ledger.State.EntriesOf(workload).Select(entry => entry.Id));
        await AppendAsync(ledger, new Change { EntryDeleted = "b" });
        Assert.Empty(ledger.State.EntriesOf(workload));
        Assert.Single(ledger.State.EntriesOf(other.EntrySet.SpiffeId));
        Assert.Empty(ledger.State.EntriesOf(null));
    }

    [Fact]
    public async Task Moves_the_entitlement_revision_with_entries_policies_and_lost_agents_and_nothing_else()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, SetEntry("a", "/parent"));
        Assert.Equal(1ul, ledger.State.EntitlementRevision);
        await AppendAsync(ledger, Agent(banned: false));
        await AppendAsync(ledger, Token(1, DateTimeOffset.MaxValue.AddDays(-1)));
        await AppendAsync(ledger, new Change { FederatedBundleSet = new Spire.Api.Types.Bundle { TrustDomain = "other.test" } });
        Assert.Equal(1ul, ledger.State.EntitlementRevision);
        await AppendAsync(ledger, Agent(banned: true));
        Assert.Equal(5ul, ledger.State.EntitlementRevision);
        await AppendAsync(ledger, new Change { AgentDeleted = "spiffe://example.org/spire/agent/a" });
        Assert.Equal(6ul, ledger.State.EntitlementRevision);
        await AppendAsync(ledger, new Change { PolicySet = new Identity.Ledger.V1.Policy { Name = "p", Text = "not a policy" } });
        await AppendAsync(ledger, new Change { PolicyDeleted = "p" });
        Assert.Equal(8ul, ledger.State.EntitlementRevision);
        await AppendAsync(ledger, new Change { EntryDeleted = "a" });
        Assert.Equal(9ul, ledger.State.EntitlementRevision);

        static Change Agent(bool banned) =>
            new() { AgentSet = new Identity.Ledger.V1.Agent { SpiffeId = "spiffe://example.org/spire/agent/a", Serial = "01", Banned = banned } };
    }

    [Fact]
    public async Task Moves_the_policy_revision_only_when_a_policy_changes()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, new Change { PolicySet = new Identity.Ledger.V1.Policy { Name = "p", Text = "not a policy" } });
        await AppendAsync(ledger, SetEntry("a", "/parent"));
        Assert.Equal((2ul, 1ul), (ledger.State.Revision, ledger.State.PolicyRevision));
        Assert.Equal(1ul, ledger.State.Policies["p"].Revision);
    }

    [Fact]
    public async Task Forgets_join_tokens_that_expired_when_another_is_made()
    {
        await using var ledger = await OpenAsync();
        await AppendAsync(ledger, Token(1, DateTimeOffset.UnixEpoch.AddHours(1)));
        await AppendAsync(ledger, Token(2, DateTimeOffset.MaxValue.AddDays(-1)));
        Assert.Equal("02", Assert.Single(ledger.State.JoinTokens).Key);
        await AppendAsync(ledger, new Change { JoinTokenConsumed = ByteString.CopyFrom(2) });
        Assert.Empty(ledger.State.JoinTokens);
    }

    [Fact]
    public async Task Remembers_decisions_oldest_first_but_those_that_are_forgotten()
    {
        await using (var ledger = await OpenAsync())
        {
            Assert.True(ledger.TryRecordDecision("d-1", [1], []));
            Assert.True(ledger.TryRecordDecision("d-2", [2], []));
            Assert.True(ledger.TryRecordDecision("d-3", [3], ["d-1"]));
            Assert.True(ledger.TryRecordDecision("d-4", [4], []));
            Assert.True(ledger.TryForgetDecisions(["d-3", "d-unknown"]));
        }
        await using var again = await OpenAsync();
        Assert.Equal([2, 4], again.ReadDecisions().Select(d => d[0]));
    }

    private static Change Token(byte hash, DateTimeOffset expires) => new()
    {
        JoinTokenCreated = new Identity.Ledger.V1.JoinToken { TokenHash = ByteString.CopyFrom(hash), ExpiresAt = Timestamp.FromDateTimeOffset(expires) },
    };

    private static Change SetEntry(string id, string parent) => new()
    {
        EntrySet = new Entry
        {
            Id = id,
            SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = "/workload" },
            ParentId = new SPIFFEID { TrustDomain = "example.org", Path = parent },
        },
    };

    private static Transaction Transaction(Change change) => new() { Author = "server", Reason = "a test", Changes = { change } };

    private static async Task AppendAsync(ControlPlaneLedger ledger, Change change) =>
        Assert.IsType<Append.Committed>(await ledger.AppendAsync(Transaction(change), null, Cancellation));

    private Task<ControlPlaneLedger> OpenAsync() =>
        ControlPlaneLedger.OpenAsync(_folder.At("data"), TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private void Tamper(string change)
    {
        using var connection = new SqliteConnection($"Data Source={_folder.At("data/ledger.db")};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are this test's own.
        command.CommandText = change;
#pragma warning restore CA2100
        Assert.True(command.ExecuteNonQuery() > 0);
    }
}
