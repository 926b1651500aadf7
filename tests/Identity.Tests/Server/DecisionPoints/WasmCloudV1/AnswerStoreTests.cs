using Identity.Server;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using static Identity.Server.DecisionPoints.WasmCloudV1.GivenAnswers;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>What v1 hosts are permitted is on disk before they hear of it, whole or not at all.</summary>
public sealed class AnswerStoreTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _folder = new();
    private readonly TemporaryFolder _copy = new();

    public void Dispose()
    {
        _folder.Dispose();
        _copy.Dispose();
    }

    [Fact]
    public async Task Yeses_and_what_was_told_unasked_are_there_again_as_they_were_and_plain_noes_are_not()
    {
        var at = DateTimeOffset.UnixEpoch.AddYears(60);
        var invocation = Request("r-2") with { Kind = PolicyRequestKind.PerformInvocation, Interface = "wasi:http/incoming-handler@0.2.0", Function = "handle", MaxInstances = 0 };
        var taken = Yes(Request("r-3"), at.AddSeconds(2));
        GivenAnswer[] kept = [Yes(Request("r-1"), at), Yes(invocation, at.AddSeconds(1)), taken with { Permitted = false, News = new PolicyResponse("r-3", false, "over") }];
        await using (var store = Open())
        {
            var given = new GivenAnswers(100, 100, store);
            foreach (var answer in kept[..2]) await AnswerAsync(given, answer);
            await AnswerAsync(given, taken);
            Assert.True(given.Replace(taken, kept[2]));
            Assert.Equal(Claim.Claimed, given.TryClaim(Request("r-4")));
            given.Add(Yes(Request("r-4"), at) with { Permitted = false });
            await given.WrittenAsync();
        }

        await using var again = Open();
        Assert.Equal(kept, again.Read());
        var later = new GivenAnswers(100, 100, again);
        Assert.Equal(3, later.Count);
        Assert.Equal("over", Assert.Single(later.News()).Message);
        Assert.True(later.MayRun(Request("r-1")));
        Assert.Equal(Claim.OfAnother, later.TryClaim(Request("r-1") with { Id = "other" }));
        Assert.Equal(Claim.Claimed, later.TryClaim(Request("r-4")));
    }

    [Fact]
    public async Task What_is_forgotten_here_is_forgotten_there()
    {
        await using (var store = Open())
        {
            var given = new GivenAnswers(10, 10, store);
            var first = Yes(Request("r-0"));
            await AnswerAsync(given, first);
            Assert.True(given.Replace(first, first with { Permitted = false, News = new PolicyResponse("r-0", false, "over") }));
            for (var at = 1; at < 20; at++)
            {
                var request = Request($"r-{at}");
                Assert.Equal(Claim.Claimed, given.TryClaim(request));
                given.Add(Yes(request) with { Permitted = false });
            }

            // Kept, and then not sent.
            var lost = Yes(Request("lost"));
            Assert.Equal(Claim.Claimed, given.TryClaim(lost.Request));
            await given.KeepAsync(lost);
            given.Unkeep(lost.Request);
            await given.WrittenAsync();
        }

        await using var again = Open();
        Assert.Empty(again.Read());
    }

    [Fact]
    public async Task A_yes_that_could_not_be_told_otherwise_stays_a_yes_there_too()
    {
        await using (var store = Open())
        {
            var given = new GivenAnswers(10, 10, store);
            var yes = Yes(Request("r-0"));
            await AnswerAsync(given, yes);
            var no = yes with { Permitted = false, News = new PolicyResponse("r-0", false, "over") };
            Assert.True(given.Replace(yes, no));
            given.PutBack(no, yes);

            // The same question once more, and that time it cannot be kept.
            given.Unkeep(yes.Request);
        }

        await using var again = Open();
        Assert.True(Assert.Single(again.Read()).Permitted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(24)]
    [InlineData(4000)]
    [InlineData(-1)]
    public async Task A_torn_last_record_costs_that_record_and_no_other(int torn)
    {
        await using (var store = Open())
        {
            for (var at = 0; at < 3; at++) await store.Keep(Yes(Request($"r-{at}"), DateTimeOffset.UnixEpoch.AddSeconds(at)));
            var before = new FileInfo(Log(_folder)).Length;
            await store.Keep(Yes(Request("last"), DateTimeOffset.UnixEpoch.AddSeconds(3)));

            // As a power cut would leave it: the process has closed nothing.
            foreach (var path in Directory.EnumerateFiles(_folder.Path, AnswerFile.Name + "*")) File.Copy(path, Path.Combine(_copy.Path, Path.GetFileName(path)));
            using var log = new FileStream(Log(_copy), FileMode.Open, FileAccess.ReadWrite);
            if (torn > 0) log.SetLength(log.Length - torn);
            else
            {
                log.Position = before + 100;
                log.WriteByte(0xff);
            }
        }

        File.Delete(Path.Combine(_copy.Path, AnswerFile.Name + "-shm"));
        await using (var again = Open(_copy))
        {
            Assert.Equal(["r-0", "r-1", "r-2"], again.Read().Select(answer => answer.Request.RequestId));
            await again.Keep(Yes(Request("more"), DateTimeOffset.UnixEpoch.AddSeconds(4)));
        }

        await using var third = Open(_copy);
        Assert.Equal(["r-0", "r-1", "r-2", "more"], third.Read().Select(answer => answer.Request.RequestId));

        static string Log(TemporaryFolder folder) => Path.Combine(folder.Path, AnswerFile.Name + "-wal");
    }

    [Fact]
    public async Task Where_there_is_no_room_nothing_is_kept_until_there_is_some()
    {
        await using var store = Open(maxPages: 12);
        var kept = 0;
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            for (; kept < 1000; kept++) await store.Keep(Yes(Request($"r-{kept}"))).WaitAsync(Deadline, TestContext.Current.CancellationToken);
        });
        Assert.InRange(kept, 5, 999);
        Assert.Contains("no room", store.Problem, StringComparison.Ordinal);

        store.Forget($"r-{kept}");
        for (var at = 0; at < kept; at++) store.Forget($"r-{at}");
        await store.WrittenAsync().WaitAsync(Deadline, TestContext.Current.CancellationToken);
        await UntilAsync(() => store.Problem is null);
        await store.Keep(Yes(Request("again")));
        Assert.Equal("again", Assert.Single(store.Read()).Request.RequestId);
    }

    [Fact]
    public async Task A_disk_that_is_full_costs_what_found_no_room_and_nothing_else()
    {
        using var disk = SmallDisk.Mount();
        await using (var store = AnswerStore.Open(disk.Path, TimeProvider.System, NullLogger<AnswerStore>.Instance))
        {
            var kept = 0;
            await Assert.ThrowsAsync<IOException>(async () =>
            {
                for (; kept < 1000; kept++) await store.Keep(Yes(Request($"r-{kept:0000}"))).WaitAsync(Deadline, TestContext.Current.CancellationToken);
            });
            store.Forget($"r-{kept:0000}");
            Assert.Contains("no room", store.Problem, StringComparison.Ordinal);
            disk.MakeRoom();
            await UntilAsync(() => store.Problem is null);
            await store.Keep(Yes(Request("r-again")));
            Assert.Equal([.. Enumerable.Range(0, kept).Select(at => $"r-{at:0000}"), "r-again"], store.Read().Select(answer => answer.Request.RequestId));
        }
    }

    [Fact]
    public async Task After_a_write_that_failed_for_another_reason_nothing_is_kept_any_more()
    {
        await using var store = Open();
        await store.Keep(Yes(Request("r-0")));
        Execute("CREATE TRIGGER fault BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'no'); END");
        await Assert.ThrowsAsync<IOException>(() => store.Keep(Yes(Request("r-1"))).WaitAsync(Deadline, TestContext.Current.CancellationToken));
        Execute("DROP TRIGGER fault");
        Assert.Contains("restarted", store.Problem, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(() => store.Keep(Yes(Request("r-2"))).WaitAsync(Deadline, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<IOException>(() => store.WrittenAsync().WaitAsync(Deadline, TestContext.Current.CancellationToken));
        Assert.Equal("r-0", Assert.Single(store.Read()).Request.RequestId);
    }

    [Fact]
    public async Task Many_at_once_are_each_on_disk_when_they_are_told_so()
    {
        await using var store = Open();
        await Task.WhenAll(Enumerable.Range(0, 2000).Select(async at =>
        {
            await store.Keep(Yes(Request($"r-{at}"))).WaitAsync(Deadline, TestContext.Current.CancellationToken);
            if (at % 500 == 0) Assert.Equal(1, Count($"r-{at}"));
        }));
        Assert.Equal(2000, store.Read().Count);
    }

    [Theory]
    [InlineData("no database, and longer than the head of one would be: ....................................................................................")]
    [InlineData("")]
    public void A_file_that_cannot_be_used_stops_the_start_and_says_what_to_do(string content)
    {
        var path = Path.Combine(_folder.Path, AnswerFile.Name);
        if (content.Length > 0) File.WriteAllText(path, content);
        else Directory.CreateDirectory(path);
        var refused = Assert.Throws<CannotStartException>(() => { Open(); });
        Assert.Contains("move it away", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_its_owner_may_read_it()
    {
        await using var store = Open();
        await store.Keep(Yes(Request("r-0")));
        Assert.All(
            Directory.EnumerateFiles(_folder.Path, AnswerFile.Name + "*"), path => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path)));
    }

    private static async Task AnswerAsync(GivenAnswers given, GivenAnswer yes)
    {
        Assert.Equal(Claim.Claimed, given.TryClaim(yes.Request));
        await given.KeepAsync(yes);
        given.Add(yes);
    }

    private static GivenAnswer Yes(PolicyRequest request, DateTimeOffset at = default) => new(request, Permitted: true, ValidUntil: null) { At = at };

    private static PolicyRequest Request(string id) => new()
    {
        RequestId = id,
        Kind = PolicyRequestKind.StartComponent,
        Lattice = "default",
        HostKey = "N",
        Id = "cart",
        ImageReference = "ghcr.io/acme/cart:1",
        MaxInstances = 1,
    };

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!isSo()) await Task.Delay(20, deadline.Token);
    }

    private AnswerStore Open(TemporaryFolder? folder = null, int maxPages = AnswerFile.MaxPages) =>
        AnswerStore.Open((folder ?? _folder).Path, TimeProvider.System, NullLogger<AnswerStore>.Instance, maxPages);

    private long Count(string id)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM answers WHERE id = $id";
        command.Parameters.AddWithValue("$id", id);
        return (long)command.ExecuteScalar()!;
    }

    // Only constants of this file come here.
#pragma warning disable CA2100
    private void Execute(string text)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }
#pragma warning restore CA2100

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, AnswerFile.Name)};Pooling=False");
        connection.Open();
        return connection;
    }
}
