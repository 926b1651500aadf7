using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV2;

public sealed class AllowedWorkloadsTests
{
    private static readonly AllowedWorkloadsOptions Small = new(DoorName.KubernetesAdmission, IsProven: true, TimeSpan.FromDays(30), HearsEnds: true)
    {
        MaxCount = 100,
        MaxCountOfOne = 10,
        MaxBytes = 1 << 20,
        MaxBytesOfOne = 32 << 10,
    };

    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-11-23T10:00:00Z", null));

    [Fact]
    public void Remembers_a_workload_until_it_hears_that_it_is_gone_and_one_that_asks_anew_by_what_it_asks_now()
    {
        var workloads = Create(Small);
        Assert.True(Allow(workloads, "shop", "cart", "start"));
        Assert.False(Allow(workloads, "shop", "cart", "config a", "config b"));
        var known = Assert.Single(workloads.Look().Known);
        Assert.Equal((1L, 2), (known.Count, known.Asks.Questions[0].Requests.Count));
        workloads.Forget("shop/other");
        Assert.Single(workloads.Look().Known);
        workloads.Forget("shop/cart");
        Assert.Equal((0, 0L), (workloads.Look().Known.Count, workloads.Look().Unknown));
    }

    [Fact]
    public void Those_that_ask_for_the_same_are_looked_at_once()
    {
        var workloads = Create(Small);
        for (var at = 0; at < 5; at++) Allow(workloads, "shop", $"cart-{at}", "start");
        Allow(workloads, "shop", "other", "config a");
        Allow(workloads, "bank", "cart", "start");
        Assert.Equal([1, 1, 5], workloads.Look().Known.Select(alike => alike.Count).Order());
    }

    [Fact]
    public void A_flood_from_one_namespace_pushes_out_nothing_and_takes_no_room_of_another()
    {
        var workloads = Create(Small);
        Allow(workloads, "shop", "cart", "start");
        Allow(workloads, "flood", "first", "start");
        for (var at = 0; at < 10_000; at++) Allow(workloads, "flood", $"w-{at}", $"config a{at}");
        Assert.Equal(["'bank/cart'", "'flood/first'", "'shop/cart'"], Names(workloads).Where(name => !name.Contains("/w-", StringComparison.Ordinal)).Append("'bank/cart'").Order());
        Assert.True(Allow(workloads, "bank", "cart", "start"));
        var seen = workloads.Look();
        Assert.Equal(12, seen.Known.Sum(alike => alike.Count));
        // What found no room is told, not forgotten.
        Assert.Equal((10_000L - 9, "of namespace 'flood'"), (seen.Unknown, seen.UnknownExample));
    }

    [Fact]
    public void However_many_namespaces_there_are_all_together_take_no_more_than_there_is_and_what_was_there_first_stays()
    {
        var workloads = Create(Small);
        Allow(workloads, "shop", "cart", "start");
        for (var at = 0; at < 10_000; at++) Allow(workloads, $"ns-{at}", "w", "start");
        var seen = workloads.Look();
        Assert.Equal((100L, 10_001L - 100), (seen.Known.Sum(alike => alike.Count), seen.Unknown));
        Assert.Contains("'shop/cart'", Names(workloads));
    }

    [Fact]
    public void Of_what_asks_for_too_much_only_the_name_is_kept_and_it_can_be_forgotten()
    {
        var workloads = Create(Small);
        Allow(workloads, "shop", "large", [.. Enumerable.Range(0, 500).Select(at => $"config {new string('x', 100)}{at}")]);
        Assert.Equal((0, 1L, "workload 'shop/large'"), (workloads.Look().Known.Count, workloads.Look().Unknown, workloads.Look().UnknownExample));
        workloads.Forget("shop/large");
        Assert.Equal(0L, workloads.Look().Unknown);
        // Nothing of it is left behind.
        for (var at = 0; at < 100; at++)
        {
            Allow(workloads, "shop", "w", [.. Enumerable.Range(0, 50).Select(of => $"config k-{at}-{of}")]);
            Assert.Equal((1, 0L), (workloads.Look().Known.Count, workloads.Look().Unknown));
        }
    }

    [Fact]
    public void What_is_silent_is_taken_for_gone_after_a_month_unless_ends_are_heard_of_at_this_door()
    {
        var workloads = Create(Small);
        Allow(workloads, "shop", "cart", "start");
        _time.Advance(TimeSpan.FromDays(29));
        Assert.Single(workloads.Look().Known);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Empty(workloads.Look().Known);

        Allow(workloads, "shop", "cart", "start");
        _time.Advance(TimeSpan.FromDays(1));
        workloads.Forget("shop/other");
        _time.Advance(TimeSpan.FromDays(400));
        Assert.Single(workloads.Look().Known);
    }

    [Fact]
    public void What_is_asked_after_twice_a_minute_is_taken_for_gone_when_nobody_heard_of_it_for_a_day()
    {
        var workloads = Create(Small with { Silence = TimeSpan.FromDays(1), HearsEnds = false });
        Allow(workloads, "shop", "cart", "start");
        _time.Advance(TimeSpan.FromHours(20));
        workloads.Heard("shop/cart", "h1", "w");
        workloads.Forget("shop/other");
        _time.Advance(TimeSpan.FromHours(20));
        Assert.Single(workloads.Look().Known);
        _time.Advance(TimeSpan.FromHours(5));
        Assert.Empty(workloads.Look().Known);
        // Whoever runs and was never let through by this process is known to run.
        workloads.Heard("h1/w", "host h1", "workload 'w' on host 'h1'");
        Assert.Equal((1L, "workload 'w' on host 'h1'"), (workloads.Look().Unknown, workloads.Look().UnknownExample));
    }

    [Fact]
    public void What_is_kept_is_known_to_the_next_process_with_all_that_it_asked_for_and_what_was_forgotten_is_not()
    {
        using var folder = new TemporaryFolder();
        string[] asks = ["start", "connect *.example.com:443", "connect [::]/0:*/udp", "import wasi:keyvalue/store@0.2.0", "config a/b", "secret s", "mount /var/a", "resolve *"];
        using (var file = WorkloadFile.Open(folder.Path))
        {
            Assert.True(file.IsNew);
            var before = Create(Small, file);
            Allow(before, "shop", "cart", asks);
            Allow(before, "shop", "gone", "start");
            Allow(before, "shop", "unlike", "start");
            before.Forget("shop/gone");
            for (var at = 0; at < 100; at++) Allow(before, "flood", $"w-{at}", "start");
        }

        _time.Advance(TimeSpan.FromDays(60));
        using (var file = WorkloadFile.Open(folder.Path))
        {
            Assert.False(file.IsNew);
            var seen = Create(Small, file, hasEarlier: true).Look();
            Assert.Equal([("flood", 10L), ("shop", 1L), ("shop", 1L)], seen.Known.Select(alike => (alike.First.Share, alike.Count)).Order());
            var cart = seen.Known.Single(alike => alike.First.Id == "shop/cart").Asks.Questions.Single();
            Assert.Equal(asks, cart.Requests.Select(request => request.ToString()));
            Assert.Equal(Who("shop", "cart"), cart.Principal);
        }
    }

    [Fact]
    public void The_next_process_knows_that_some_found_no_room_for_as_long_as_they_may_run()
    {
        using var folder = new TemporaryFolder();
        using (var file = WorkloadFile.Open(folder.Path))
        {
            var before = Create(Small with { MaxCountOfOne = 1 }, file);
            for (var at = 0; at < 100; at++) Allow(before, "flood", $"w-{at}", "start");
        }

        using (var file = WorkloadFile.Open(folder.Path))
        {
            var after = Create(Small, file);
            Assert.Equal((1L, "of namespace 'flood'"), (after.Look().Unknown, after.Look().UnknownExample));
            after.Forget("another");
            _time.Advance(TimeSpan.FromDays(31));
            Assert.Equal(0L, after.Look().Unknown);
        }

        using (var file = WorkloadFile.Open(folder.Path)) Assert.Equal(0L, Create(Small, file).Look().Unknown);
    }

    [Fact]
    public void What_was_let_through_before_anything_was_kept_is_known_to_be_unknown()
    {
        using var folder = new TemporaryFolder();
        using (var file = WorkloadFile.Open(folder.Path))
        {
            var workloads = Create(Small, file, hasEarlier: true);
            Assert.Equal(1L, workloads.Look().Unknown);
            Assert.Contains("what kubernetes-admission let through before 2026-11-23", workloads.Look().UnknownExample, StringComparison.Ordinal);
            workloads.Forget("another");
            _time.Advance(TimeSpan.FromDays(31));
            Assert.Equal(0L, workloads.Look().Unknown);
        }
    }

    [Fact]
    public void What_strangers_said_is_nothing_that_is_known_once_the_door_asks_for_proof()
    {
        using var folder = new TemporaryFolder();
        using (var file = WorkloadFile.Open(folder.Path)) Allow(Create(Small with { IsProven = false }, file), "shop", "cart", "start");
        using (var file = WorkloadFile.Open(folder.Path))
        {
            var workloads = Create(Small, file);
            Assert.Equal((0, 1L, "workload 'shop/cart'"), (workloads.Look().Known.Count, workloads.Look().Unknown, workloads.Look().UnknownExample));
            Allow(workloads, "shop", "cart", "start");
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

    private AllowedWorkloads Create(AllowedWorkloadsOptions options, WorkloadFile? file = null, bool hasEarlier = false) => new(options, new StageObservations(), _time, file, hasEarlier);

    private static Principal Who(string ns, string name) => new()
    {
        Id = SpiffeId.Parse($"spiffe://example.org/ns/{ns}/component/{name.Split('-')[0]}"),
        Namespace = ns,
        Image = ImageReference.TryParse("ghcr.io/acme/cart:1.2", out var image, out _) ? image : null,
        Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Signer,
    };

    private static bool Allow(AllowedWorkloads workloads, string ns, string name, params string[] asks)
    {
        return workloads.Allow($"{ns}/{name}", ns, WorkloadText.Of(ns, name), [new Question(Who(ns, name), [.. asks.Select(ask => CapabilityRequest.Parse(ask))])]);
    }
}
