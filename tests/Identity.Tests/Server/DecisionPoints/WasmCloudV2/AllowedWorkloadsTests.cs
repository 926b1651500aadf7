using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV2;

public sealed class AllowedWorkloadsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private static readonly AllowedWorkloadsOptions Small = new(DoorName.KubernetesAdmission, IsProven: true, TimeSpan.FromDays(30), HearsEnds: true)
    {
        MaxCount = 100,
        MaxCountOfOne = 10,
        MaxBytes = 1 << 20,
        MaxBytesOfOne = 32 << 10,
    };

    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-11-23T10:00:00Z", null));

    [Fact]
    public async Task Remembers_a_workload_until_it_hears_that_it_is_gone_and_one_that_asks_anew_by_what_it_asks_now()
    {
        var workloads = Create(Small);
        Assert.True(await Allow(workloads, "shop", "cart", "start"));
        Assert.False(await Allow(workloads, "shop", "cart", "config a", "config b"));
        var known = Assert.Single(workloads.Look().Known);
        Assert.Equal((1L, 2), (known.Count, known.Asks.Questions[0].Requests.Count));
        await workloads.ForgetAsync("shop/other", isDeletion: true);
        Assert.Single(workloads.Look().Known);
        await workloads.ForgetAsync("shop/cart", isDeletion: true);
        Assert.Equal((0, 0L), (workloads.Look().Known.Count, workloads.Look().Unknown));
    }

    [Fact]
    public async Task Those_that_ask_for_the_same_are_looked_at_once()
    {
        var workloads = Create(Small);
        for (var at = 0; at < 5; at++) await Allow(workloads, "shop", $"cart-{at}", "start");
        await Allow(workloads, "shop", "other", "config a");
        await Allow(workloads, "bank", "cart", "start");
        Assert.Equal([1, 1, 5], workloads.Look().Known.Select(alike => alike.Count).Order());
    }

    [Fact]
    public async Task A_flood_from_one_namespace_pushes_out_nothing_and_takes_no_room_of_another()
    {
        var workloads = Create(Small);
        await Allow(workloads, "shop", "cart", "start");
        await Allow(workloads, "flood", "first", "start");
        for (var at = 0; at < 10_000; at++) await Allow(workloads, "flood", $"w-{at}", $"config a{at}");
        Assert.Equal(["'bank/cart'", "'flood/first'", "'shop/cart'"], Names(workloads).Where(name => !name.Contains("/w-", StringComparison.Ordinal)).Append("'bank/cart'").Order());
        Assert.True(await Allow(workloads, "bank", "cart", "start"));
        var seen = workloads.Look();
        Assert.Equal(12, seen.Known.Sum(alike => alike.Count));
        // What found no room is told, not forgotten.
        Assert.Equal((10_000L - 9, "of namespace 'flood'"), (seen.Unknown, seen.UnknownExample));
    }

    [Fact]
    public async Task However_many_namespaces_there_are_all_together_take_no_more_than_there_is_and_what_was_there_first_stays()
    {
        var workloads = Create(Small);
        await Allow(workloads, "shop", "cart", "start");
        for (var at = 0; at < 10_000; at++) await Allow(workloads, $"ns-{at}", "w", "start");
        var seen = workloads.Look();
        Assert.Equal((100L, 10_001L - 100), (seen.Known.Sum(alike => alike.Count), seen.Unknown));
        Assert.Contains("'shop/cart'", Names(workloads));
    }

    [Fact]
    public async Task Of_what_asks_for_too_much_only_the_name_is_kept_and_it_can_be_forgotten()
    {
        var workloads = Create(Small);
        await Allow(workloads, "shop", "large", [.. Enumerable.Range(0, 500).Select(at => $"config {new string('x', 100)}{at}")]);
        Assert.Equal((0, 1L, "workload 'shop/large'"), (workloads.Look().Known.Count, workloads.Look().Unknown, workloads.Look().UnknownExample));
        await workloads.ForgetAsync("shop/large", isDeletion: true);
        Assert.Equal(0L, workloads.Look().Unknown);
        // Nothing of it is left behind.
        for (var at = 0; at < 100; at++)
        {
            await Allow(workloads, "shop", "w", [.. Enumerable.Range(0, 50).Select(of => $"config k-{at}-{of}")]);
            Assert.Equal((1, 0L), (workloads.Look().Known.Count, workloads.Look().Unknown));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_silent_is_only_counted_after_a_month_unless_deletions_are_heard_of_at_this_door(bool isDeletion)
    {
        var workloads = Create(Small);
        await Allow(workloads, "shop", "cart", "start");
        await Allow(workloads, "shop", "other", "start");
        await Allow(workloads, "shop", "third", "start");
        _time.Advance(TimeSpan.FromDays(1));
        // As an update says that scales it to nothing.
        await workloads.ForgetAsync("shop/other", isDeletion);
        _time.Advance(TimeSpan.FromDays(28));
        Assert.Equal((2L, 0L), (Known(workloads), workloads.Look().Unknown));
        foreach (var days in new[] { 3, 400 })
        {
            _time.Advance(TimeSpan.FromDays(days));
            Assert.Equal(isDeletion ? (2L, 0L) : (0L, 2L), (Known(workloads), workloads.Look().Unknown));
        }

        if (!isDeletion) Assert.Equal("of what kubernetes-admission let through and has heard nothing of for 30 days, nor of any deletion", workloads.Look().UnknownExample);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_next_process_knows_that_deletions_are_told_and_how_many_were_silent(bool isDeletion)
    {
        using var folder = new TemporaryFolder();
        await using (var file = Open(folder))
        {
            var before = Create(Small, file);
            for (var at = 0; at < 3; at++) await Allow(before, "shop", $"w-{at}", "start");
            if (isDeletion) await before.ForgetAsync("shop/another", isDeletion: true);
        }

        await using (var file = Open(folder))
        {
            var workloads = Create(Small, file);
            _time.Advance(TimeSpan.FromDays(31));
            Assert.Equal(isDeletion ? (3L, 0L) : (0L, 3L), (Known(workloads), workloads.Look().Unknown));
        }

        await using (var file = Open(folder))
        {
            _time.Advance(TimeSpan.FromDays(400));
            var workloads = Create(Small, file);
            Assert.Equal(isDeletion ? (3L, 0L) : (0L, 3L), (Known(workloads), workloads.Look().Unknown));
        }
    }

    [Fact]
    public async Task What_is_asked_after_twice_a_minute_is_taken_for_gone_when_nobody_heard_of_it_for_a_day()
    {
        var workloads = Create(Small with { Silence = TimeSpan.FromDays(1), HearsEnds = false });
        await Allow(workloads, "shop", "cart", "start");
        _time.Advance(TimeSpan.FromHours(20));
        await workloads.HeardAsync("shop/cart", "h1", "w");
        await workloads.ForgetAsync("shop/other", isDeletion: true);
        _time.Advance(TimeSpan.FromHours(20));
        Assert.Single(workloads.Look().Known);
        _time.Advance(TimeSpan.FromHours(5));
        Assert.Empty(workloads.Look().Known);
        // Whoever runs and was never let through by this process is known to run.
        await workloads.HeardAsync("h1/w", "host h1", "workload 'w' on host 'h1'");
        Assert.Equal((1L, "workload 'w' on host 'h1'"), (workloads.Look().Unknown, workloads.Look().UnknownExample));
    }

    [Fact]
    public async Task What_is_kept_is_known_to_the_next_process_with_all_that_it_asked_for_and_what_was_forgotten_is_not()
    {
        using var folder = new TemporaryFolder();
        string[] asks = ["start", "connect *.example.com:443", "connect [::]/0:*/udp", "import wasi:keyvalue/store@0.2.0", "config a/b", "secret s", "mount /var/a", "resolve *"];
        await using (var file = Open(folder))
        {
            var before = Create(Small, file);
            await Allow(before, "shop", "cart", asks);
            await Allow(before, "shop", "gone", "start");
            await Allow(before, "shop", "unlike", "start");
            await before.ForgetAsync("shop/gone", isDeletion: true);
            for (var at = 0; at < 100; at++) await Allow(before, "flood", $"w-{at}", "start");
        }

        _time.Advance(TimeSpan.FromDays(60));
        await using (var file = Open(folder))
        {
            var seen = Create(Small, file, hasEarlier: true).Look();
            Assert.Equal([("flood", 10L), ("shop", 1L), ("shop", 1L)], seen.Known.Select(alike => (alike.First.Share, alike.Count)).Order());
            var cart = seen.Known.Single(alike => alike.First.Id == "shop/cart").Asks.Questions.Single();
            Assert.Equal(asks, cart.Requests.Select(request => request.ToString()));
            Assert.Equal(Who("shop", "cart"), cart.Principal);
        }
    }

    [Fact]
    public async Task The_next_process_knows_that_some_found_no_room()
    {
        using var folder = new TemporaryFolder();
        await using (var file = Open(folder))
        {
            var before = Create(Small with { MaxCountOfOne = 1 }, file);
            for (var at = 0; at < 100; at++) await Allow(before, "flood", $"w-{at}", "start");
        }

        foreach (var days in new[] { 0, 31, 400 })
        {
            _time.Advance(TimeSpan.FromDays(days));
            await using var file = Open(folder);
            var after = Create(Small, file);
            Assert.Equal((1L, "of namespace 'flood'"), (after.Look().Unknown, after.Look().UnknownExample));
            await after.ForgetAsync("another", isDeletion: true);
        }
    }

    [Fact]
    public async Task What_was_let_through_before_anything_was_kept_is_known_to_be_unknown_however_often_the_first_start_fails()
    {
        using var folder = new TemporaryFolder();
        // The file is made, and the process ends.
        await using (Open(folder))
        {
        }

        await using (var file = Open(folder)) Assert.Equal(1L, Create(Small, file, hasEarlier: true).Look().Unknown);

        // Once, and not with each start; and not where nothing can have been let through.
        foreach (var days in new[] { 0, 31 })
        {
            _time.Advance(TimeSpan.FromDays(days));
            await using var file = Open(folder);
            var workloads = Create(Small, file, hasEarlier: true);
            Assert.Equal(1L, workloads.Look().Unknown);
            Assert.Contains("what kubernetes-admission let through before 2026-11-23", workloads.Look().UnknownExample, StringComparison.Ordinal);
            Assert.Equal(0L, Create(Small with { Door = DoorName.WasmCloudInterposer }, file).Look().Unknown);
        }

        // A door that is opened later has a note of its own.
        await using (var file = Open(folder)) Assert.Equal(1L, Create(Small with { Door = DoorName.AuthZen }, file, hasEarlier: true).Look().Unknown);
    }

    [Fact]
    public async Task Many_that_ask_for_the_same_hold_it_once_in_memory_and_once_on_disk_until_the_last_is_gone()
    {
        using var folder = new TemporaryFolder();
        string[] asks = [.. Enumerable.Range(0, 200).Select(at => $"config {new string('x', 100)}{at}")];
        var options = Small with { MaxCount = 1000, MaxCountOfOne = 1000, MaxBytesOfOne = 1 << 20 };
        await using (var file = Open(folder))
        {
            var workloads = Create(options, file);
            await Task.WhenAll(Enumerable.Range(0, 500).Select(at => Allow(workloads, "shop", $"w-{at}", asks)));
            Assert.Equal(500L, Assert.Single(workloads.Look().Known).Count);
        }

        Assert.Equal((500L, 1L), (Number(folder, "SELECT count(*) FROM workloads"), Number(folder, "SELECT count(*) FROM asks")));
        Assert.InRange(new FileInfo(folder.At(WorkloadFile.Name)).Length, 20_000, 250_000);
        await using (var file = Open(folder))
        {
            var workloads = Create(options, file);
            // Those that are one object are looked at as one.
            Assert.Equal(500L, Assert.Single(workloads.Look().Known).Count);
            for (var at = 1; at < 500; at++) await workloads.ForgetAsync($"shop/w-{at}", isDeletion: true);
            await file.WrittenAsync();
            Assert.Equal(1L, Number(folder, "SELECT count(*) FROM asks"));
            await Allow(workloads, "shop", "w-0", "start");
            await file.WrittenAsync();
            Assert.Equal("start", Assert.Single(Assert.Single(workloads.Look().Known).Asks.Questions.Single().Requests).ToString());
            Assert.Equal(1L, Number(folder, "SELECT count(*) FROM asks WHERE length(text) < 200"));
            Assert.Equal(1L, Number(folder, "SELECT count(*) FROM asks"));
            await workloads.ForgetAsync("shop/w-0", isDeletion: true);
            await file.WrittenAsync();
            Assert.Equal((0L, 0L), (Number(folder, "SELECT count(*) FROM workloads"), Number(folder, "SELECT count(*) FROM asks")));
        }
    }

    [Fact]
    public async Task A_file_of_the_version_before_is_read_and_written_anew_and_what_it_may_have_missed_is_noted()
    {
        using var folder = new TemporaryFolder();
        var asks = new WorkloadAsks([new Question(Who("shop", "cart"), [CapabilityRequest.Parse("config a")])]).Text;
        using (var connection = Connect(folder, SqliteOpenMode.ReadWriteCreate))
        {
            Execute(connection, """
                CREATE TABLE workloads (
                  door TEXT NOT NULL, id TEXT NOT NULL, share TEXT NOT NULL, name TEXT NOT NULL, asks TEXT, at INTEGER NOT NULL, proven INTEGER NOT NULL, PRIMARY KEY (door, id)) STRICT, WITHOUT ROWID;
                PRAGMA application_id = 0x69647777;
                PRAGMA user_version = 1;
                """);
            for (var at = 0; at < 500; at++) Insert("kubernetes-admission", $"shop/w-{at}", asks, 1);
            Insert("kubernetes-admission", "shop/large", null, 1);
            Insert("kubernetes-admission", "shop/stranger", asks, 0);
            Insert("kubernetes-admission", "?/shop", null, 1);
            Insert("wasmcloud-interposer", "h1/w", asks, 0);

            void Insert(string door, string id, string? asked, long proven) => Execute(
                connection, "INSERT INTO workloads VALUES ($door, $id, 'shop', 'workload', $asks, 1, $proven)", ("$door", door), ("$id", id), ("$asks", asked ?? (object)DBNull.Value), ("$proven", proven));
        }

        foreach (var _ in new[] { 1, 2 })
        {
            await using var file = Open(folder);
            var seen = Create(Small, file, hasEarlier: true).Look();
            Assert.Equal((500L, asks), (Assert.Single(seen.Known).Count, seen.Known[0].Asks.Text));
            // The large one, the stranger's, those without room, and the note.
            Assert.Equal(4L, seen.Unknown);
            Assert.Single(Create(Small with { Door = DoorName.WasmCloudInterposer, IsProven = false, HearsEnds = false }, file, hasEarlier: true).Look().Known);
            await file.WrittenAsync();
            Assert.Equal((2L, 2L), (Number(folder, "SELECT count(*) FROM asks"), Number(folder, "PRAGMA user_version")));
        }
    }

    [Fact]
    public async Task Many_at_once_are_on_disk_with_few_writes_and_nobody_knows_of_one_that_is_not()
    {
        using var folder = new TemporaryFolder();
        await using var file = Open(folder);
        var workloads = Create(Small with { MaxCount = 1000, MaxCountOfOne = 1000, MaxBytesOfOne = 1 << 20 }, file);
        await Allow(workloads, "shop", "w-0", "start");
        var commits = file.Commits;
        Task<bool>[] all;
        using (var other = Connect(folder))
        {
            Execute(other, "BEGIN IMMEDIATE");
            // None of these blocks whoever asks.
            all = [.. Enumerable.Range(0, 300).Select(at => Allow(workloads, "shop", $"w-{at}", "config a"))];
            Assert.All(all, one => Assert.False(one.IsCompleted));
            Assert.Equal(("start", 1L), (Assert.Single(workloads.Look().Known).Asks.Questions.Single().Requests.Single().ToString(), Known(workloads)));
            Execute(other, "ROLLBACK");
        }

        var isNew = await Task.WhenAll(all).WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(299, isNew.Count(one => one));
        Assert.Equal((300L, 300L), (Known(workloads), Number(folder, "SELECT count(*) FROM workloads WHERE asks = (SELECT max(number) FROM asks)")));
        Assert.InRange(file.Commits - commits, 1, 4);
    }

    [Fact]
    public async Task Of_one_workload_what_is_said_last_counts_however_long_the_disk_takes()
    {
        using var folder = new TemporaryFolder();
        await using (var file = Open(folder))
        {
            var workloads = Create(Small, file);
            List<Task> all = [];
            using (var other = Connect(folder))
            {
                Execute(other, "BEGIN IMMEDIATE");
                all.Add(Allow(workloads, "shop", "cart", "start"));
                all.Add(workloads.ForgetAsync("shop/cart", isDeletion: true));
                all.Add(Allow(workloads, "shop", "basket", "start"));
                all.Add(workloads.HeardAsync("shop/basket", "shop", "heard"));
                Assert.All(all, one => Assert.False(one.IsCompleted));
                Execute(other, "ROLLBACK");
            }

            await Task.WhenAll(all).WaitAsync(Deadline, TestContext.Current.CancellationToken);
            Assert.Equal((1L, 0L, "shop/basket"), (Known(workloads), workloads.Look().Unknown, workloads.Look().Known[0].First.Id));
        }

        Assert.Equal((1L, 1L), (Number(folder, "SELECT count(*) FROM workloads"), Number(folder, "SELECT count(*) FROM asks")));
    }

    [Fact]
    public async Task What_changes_nothing_is_not_written_and_let_through_where_nothing_can_be_and_what_cannot_be_kept_leaves_what_was()
    {
        using var folder = new TemporaryFolder();
        string[] large = [.. Enumerable.Range(0, 100).Select(at => $"config {new string('x', 100)}{at}")];
        var options = Small with { MaxCount = 1000, MaxCountOfOne = 1000, MaxBytes = 16 << 20, MaxBytesOfOne = 16 << 20 };
        var kept = 0;
        await using (var file = Open(folder, maxPages: 30))
        {
            var workloads = Create(options, file);
            await Allow(workloads, "shop", "cart", "start");
            var commits = file.Commits;
            for (var at = 0; at < 100; at++) Assert.False(await Allow(workloads, "shop", "cart", "start"));
            Assert.Equal(commits, file.Commits);

            await Assert.ThrowsAsync<IOException>(async () =>
            {
                for (; kept < 100; kept++) await Allow(workloads, "shop", $"w-{kept}", [.. large, $"config {kept}"]).WaitAsync(Deadline, TestContext.Current.CancellationToken);
            });
            Assert.InRange(kept, 1, 99);
            foreach (var again in new[] { 1, 2 })
            {
                Assert.False(await Allow(workloads, "shop", "cart", "start"));
                await workloads.HeardAsync("shop/cart", "shop", "heard");
                await Assert.ThrowsAsync<IOException>(() => Allow(workloads, "shop", "cart", [.. large, $"config {again}", "config changed"]).WaitAsync(Deadline, TestContext.Current.CancellationToken));
                Assert.Equal((kept + 1L, 0L), (Known(workloads), workloads.Look().Unknown));
            }

            // There is room again once something is gone.
            await workloads.ForgetAsync("shop/w-0", isDeletion: true);
            while (file.Problem is not null) await Task.Delay(20, TestContext.Current.CancellationToken);
            Assert.True(await Allow(workloads, "shop", "more", "start"));
            Assert.Equal(kept + 1L, Known(workloads));
        }

        await using (var file = Open(folder))
        {
            var after = Create(options, file);
            Assert.Equal((kept + 1L, 0L), (Known(after), after.Look().Unknown));
            Assert.Equal(["shop/cart", "shop/more"], after.Look().Known.Where(alike => alike.Asks.Questions.Single().Requests is [CapabilityRequest.Start]).Select(alike => alike.First.Id).Order());
        }
    }

    [Fact]
    public async Task What_was_not_told_anew_is_forgotten_when_an_operator_says_so_and_so_are_the_notes()
    {
        using var folder = new TemporaryFolder();
        await using (var file = Open(folder))
        {
            var workloads = Create(Small with { MaxCountOfOne = 2 }, file, hasEarlier: true);
            await Allow(workloads, "shop", "cart", "start");
            for (var at = 0; at < 5; at++) await Allow(workloads, "flood", $"ghost-{at}", "start");
            Assert.Equal((3L, 4L), (Known(workloads), workloads.Look().Unknown));
            _time.Advance(TimeSpan.FromMinutes(10));
            // As an update tells that changes nothing.
            await Allow(workloads, "shop", "cart", "start");
            var since = _time.GetUtcNow() - TimeSpan.FromMinutes(5);
            Assert.Equal(new UnheardWorkloads(6, 1, WorkloadText.Of("flood", "ghost-0")), await workloads.ForgetUnheardAsync(since));
            Assert.Equal(new UnheardWorkloads(0, 1, ""), await workloads.ForgetUnheardAsync(since));
            Assert.Equal((1L, 0L), (Known(workloads), workloads.Look().Unknown));
        }

        await using (var file = Open(folder))
        {
            var after = Create(Small, file, hasEarlier: true);
            Assert.Equal((1L, 0L), (Known(after), after.Look().Unknown));
        }
    }

    [Fact]
    public async Task What_strangers_said_is_nothing_that_is_known_once_the_door_asks_for_proof()
    {
        using var folder = new TemporaryFolder();
        await using (var file = Open(folder)) await Allow(Create(Small with { IsProven = false }, file), "shop", "cart", "start");
        await using (var file = Open(folder))
        {
            var workloads = Create(Small, file);
            Assert.Equal((0, 1L, "workload 'shop/cart'"), (workloads.Look().Known.Count, workloads.Look().Unknown, workloads.Look().UnknownExample));
            await Allow(workloads, "shop", "cart", "start");
            Assert.Equal((1, 0L), (workloads.Look().Known.Count, workloads.Look().Unknown));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData(" start\n")]
    [InlineData("spiffe://example.org/a  0\n frobnicate a\n")]
    [InlineData("spiffe://example.org/a ::: 0\n start\n")]
    [InlineData("spiffe://example.org/a  what\n start\n")]
    public void Nobody_knows_what_was_asked_in_words_that_are_none(string text) => Assert.True(WorkloadAsks.Read(text, "shop") is null or { Questions.Count: 0 });

    [Fact]
    public void A_name_of_a_strangers_is_shown_quoted_and_cut() =>
        Assert.Equal($"workload 'a\\u000ab/{new string('x', 92)}…'", WorkloadText.Of("a\nb", new string('x', 300)));

    private static IEnumerable<string> Names(AllowedWorkloads workloads) => workloads.Look().Known.Select(alike => alike.First.Text["workload ".Length..]);

    private AllowedWorkloads Create(AllowedWorkloadsOptions options, WorkloadStore? file = null, bool hasEarlier = false) => new(options, new StageObservations(), _time, file, hasEarlier);

    private static WorkloadStore Open(TemporaryFolder folder, int maxPages = WorkloadFile.MaxPages) =>
        WorkloadStore.Open(folder.Path, TimeProvider.System, NullLogger<WorkloadStore>.Instance, maxPages);

    private static long Known(AllowedWorkloads workloads) => workloads.Look().Known.Sum(alike => alike.Count);

    private static SqliteConnection Connect(TemporaryFolder folder, SqliteOpenMode mode = SqliteOpenMode.ReadWrite)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = folder.At(WorkloadFile.Name), Mode = mode, Pooling = false }.ToString());
        connection.Open();
        return connection;
    }

    // Only constants of this file come here.
#pragma warning disable CA2100
    private static void Execute(SqliteConnection connection, string text, params (string Name, object Value)[] values)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in values) command.Parameters.AddWithValue(name, value);
        command.ExecuteNonQuery();
    }

    private static long Number(TemporaryFolder folder, string text)
    {
        using var connection = Connect(folder);
        using var command = connection.CreateCommand();
        command.CommandText = text;
        return (long)command.ExecuteScalar()!;
    }
#pragma warning restore CA2100

    private static Principal Who(string ns, string name) => new()
    {
        Id = SpiffeId.Parse($"spiffe://example.org/ns/{ns}/component/{name.Split('-')[0]}"),
        Namespace = ns,
        Image = ImageReference.TryParse("ghcr.io/acme/cart:1.2", out var image, out _) ? image : null,
        Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Signer,
    };

    private static Task<bool> Allow(AllowedWorkloads workloads, string ns, string name, params string[] asks)
    {
        return workloads.AllowAsync($"{ns}/{name}", ns, WorkloadText.Of(ns, name), [new Question(Who(ns, name), [.. asks.Select(ask => CapabilityRequest.Parse(ask))])]);
    }
}
