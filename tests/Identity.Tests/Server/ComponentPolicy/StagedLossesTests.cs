// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.StagingServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Of everything a running component was granted, nothing is taken away unseen by a staged change.</summary>
public sealed class StagedLossesTests : IAsyncLifetime
{
    private const string Clocks = "{ import: wasi:clocks/wall-clock@0.2.0 }";
    private const string Run = "{ export: wasi:cli/run@0.2.0#run }, { export: wasi:cli/run@0.2.0#stop }";
    private const string Vault = "{ audience: https://vault.example.com }";
    private const string Mail = "{ connect: mail.example.com:25 }";
    private const string Orders = "{ natsPublish: orders.new }, { natsRespond: { max: 3, within: 1m } }";

    private StagingServer _staging = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Policy(Clocks, Run, Vault, Mail, Orders));
        Admit("a");
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    public static TheoryData<string, string[], string> Losses => new()
    {
        { "an export", [Clocks, Vault, Mail, Orders], "export wasi:cli/run@0.2.0" },
        { "a function of an export", [Clocks, "{ export: wasi:cli/run@0.2.0#run }", Vault, Mail, Orders], "wasi:cli/run@0.2.0#stop" },
        { "an audience", [Clocks, Run, Mail, Orders], "audience https://vault.example.com" },
        { "answers", [Clocks, Run, Vault, Mail, "{ natsPublish: orders.new }"], "could answer no requests" },
        { "fewer answers", [Clocks, Run, Vault, Mail, "{ natsPublish: orders.new }, { natsRespond: { max: 2, within: 1m } }"], "max: 2" },
        { "a subject", [Clocks, Run, Vault, Mail, "{ natsRespond: { max: 3, within: 1m } }, { natsPublish: orders.old }"], "orders.new" },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task Stops_before_something_that_runs_loses(string what, string[] kept, string why)
    {
        var end = await _staging.EndOfAsync(await StageAsync([Policy(kept)], "shadow"));
        Assert.True(end.State == "halted", $"{what}: {end.State}");
        Assert.Contains(why, end.Explanation, StringComparison.Ordinal);
        Assert.Contains(Cart.ToString(), end.Explanation, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ memory: 64MiB }", "{ memory: 63MiB }", "memory")]
    [InlineData("{ fuel: 5000000 }", "{ fuel: 4999999 }", "fuel")]
    [InlineData("{ time: 9s }", "{ time: 8s }", "time")]
    [InlineData("{ memory: 64MiB }", "{ memory: 64MiB, instances: 2 }", "instances")]
    [InlineData("{ memory: 64MiB }", "{ memory: 65MiB }", null)]
    public async Task Stops_before_a_ceiling_falls_below_what_something_that_runs_has(string before, string after, string? why)
    {
        await _staging.Admin.ApplyAsync(Capped(before));
        var end = await _staging.EndOfAsync(await StageAsync([Capped(after)], "shadow"));
        Assert.Equal(why is null ? "passed" : "halted", end.State);
        Assert.Contains(why is null ? "" : $"ceiling of {why}", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Counts_in_step_shadow_what_something_that_runs_may_ask_for_says_what_and_stops_on_it_in_step_warn()
    {
        var kept = Policy(Clocks, Run, Vault, Orders);
        var shadow = await _staging.EndOfAsync(await StageAsync([kept], "shadow"));
        Assert.Equal(("passed", 1UL), (shadow.State, shadow.WouldDeny));
        Assert.Contains("connect mail.example.com:25", shadow.WouldDenyExample, StringComparison.Ordinal);

        var warn = await _staging.EndOfAsync(await StageAsync([kept], "shadow", "warn"));
        Assert.Equal(("halted", "warn"), (warn.State, warn.Step));
        Assert.Contains("connect mail.example.com:25", warn.Explanation, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("everything", null, "would be denied")]
    [InlineData("a right on NATS", Orders, "would lose all it may say on NATS")]
    [InlineData("an export", Run, "export wasi:cli/run@0.2.0")]
    [InlineData("a question", Mail, "connect mail.example.com:25")]
    [InlineData("an audience", Vault, "audience https://vault.example.com")]
    public async Task Counts_in_step_shadow_what_something_that_runs_would_lose_later_and_stops_on_it_in_step_warn(string what, string? ending, string why)
    {
        string[] all = [Clocks, Run, Vault, Mail, Orders];
        var end = DateTimeOffset.UtcNow.AddMinutes(1);
        var kept = Policy([.. all.Where(granted => ending is not null && granted != ending)]);
        if (ending is null) kept = Ending(Policy(all), end);
        string[] documents = ending is null ? [kept] : [kept, Ending(Permit("soon", capability: ending), end)];
        var shadow = await _staging.EndOfAsync(await StageAsync(documents, "shadow"));
        Assert.True(shadow.State == "passed", $"{what}: {shadow.Explanation}");
        Assert.True(shadow.WouldDeny > 0, what);

        var warn = await _staging.EndOfAsync(await StageAsync(documents, "shadow", "warn"));
        Assert.Equal(("halted", "warn"), (warn.State, warn.Step));
        Assert.Contains(why, warn.Explanation, StringComparison.Ordinal);
        Assert.Contains($"from {new DateTimeOffset(end.UtcTicks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero):u} on", warn.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Goes_on_where_another_rule_gives_the_same_when_one_ends_and_where_it_ends_already()
    {
        var end = DateTimeOffset.UtcNow.AddMinutes(1);
        await _staging.Admin.ApplyAsync(Ending(Permit("soon", capability: "{ import: wasi:io/poll@0.2.0 }, { natsPublish: orders.soon }"), end));
        Admit("b", null, "wasi:clocks/wall-clock@0.2.0", "wasi:io/poll@0.2.0");
        string[] all = [Clocks, Run, Vault, Mail, Orders];
        Assert.Equal("passed", (await _staging.EndOfAsync(await StageAsync([Policy(all), Ending(Permit("double", capability: Clocks), end), Forbid("guard", "{ spiffeId: spiffe://example.org/somebody }")], "warn"))).State);
    }

    [Fact]
    public async Task Goes_on_where_what_is_taken_was_never_anything_of_what_runs()
    {
        await _staging.Admin.ApplyAsync(Permit("bank", "{ spiffeId: spiffe://example.org/components/bank }", $"{Vault}, {Mail}"));
        Assert.Equal("passed", (await _staging.EndOfAsync(await StageAsync([Forbid("bank", "{ spiffeId: spiffe://example.org/components/bank }")], "warn"))).State);
    }

    [Fact]
    public async Task Stops_when_what_begins_meanwhile_would_lose_what_it_may_ask_for()
    {
        await _staging.Admin.ApplyAsync(Permit("second", $"{{ spiffeId: {Shop}/new }}", $"start, {Vault}"));
        var staged = await StageAsync([Permit("second", $"{{ spiffeId: {Shop}/new }}")], 3600, "shadow");
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 0);
        Admit("b", SpiffeId.Parse($"{Shop}/new"));
        // It may ask for the same by the policy of the shop.
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 1);
        Assert.Equal("soaking", (await _staging.FindAsync(staged.Id)).State);
        await _staging.Admin.ApplyAsync(Policy(Clocks, Run, Mail, Orders));
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Stops_when_a_process_is_given_a_token_that_it_would_be_forbidden()
    {
        var clerk = SpiffeId.Parse($"{Shop}/clerk");
        var staged = await StageAsync([Forbid("guard", $"{{ spiffeId: {clerk} }}", "{ audience: bank }")], 3600, "shadow");
        var observations = _staging.Server.Service<StageObservations>();
        await UntilAsync(() => Task.FromResult(observations.IsOpen));
        observations.GaveTokens(clerk, ["other"]);
        observations.GaveTokens(clerk, ["bank"]);
        Assert.Contains("audience bank", (await _staging.EndOfAsync(staged)).Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Soaks_anew_and_says_so_when_more_happens_than_can_be_tried()
    {
        var staged = await StageAsync([Forbid("guard", capability: "{ import: wasi:sockets/tcp@0.2.0 }")], 3600, "shadow");
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 0);
        var before = await _staging.FindAsync(staged.Id);
        Assert.Equal(0UL, before.Restarts);

        var observations = _staging.Server.Service<StageObservations>();
        observations.Lost();
        observations.LoggedIn(Cart);

        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Restarts == 1);
        var after = await _staging.FindAsync(staged.Id);
        Assert.Equal("soaking", after.State);
        Assert.True(after.StepEndsAt > before.StepEndsAt);
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > before.Checked + 1);
    }

    [Fact]
    public async Task Waits_for_no_session_after_a_restart_for_whose_they_are_is_known()
    {
        await _staging.Server.RestartAsync();
        Assert.Equal("in force", (await _staging.EndOfAsync(await StageAsync([Policy(Clocks)], "enforce"))).State);
    }

    [Fact]
    public async Task Tries_again_what_an_agent_tells_otherwise_than_before()
    {
        var staged = await StageAsync([Forbid("guard", capability: "{ import: wasi:sockets/tcp@0.2.0 }"), Policy(Clocks, Run, Vault, Mail, Orders, "{ import: wasi:sockets/tcp@0.2.0 }")], 3600, "shadow");
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 0);
        Admit("a", null, "wasi:clocks/wall-clock@0.2.0", "wasi:sockets/tcp@0.2.0");
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 1);
        Assert.Equal("soaking", (await _staging.FindAsync(staged.Id)).State);
    }

    private static string Policy(params string[] granted) => Permit("shop", capability: string.Join(", ", granted.Prepend("start")));

    private static string Ending(string policy, DateTimeOffset at) => policy.Replace("capabilities:", $"expires: {at:yyyy-MM-ddTHH:mm:ssZ}, reason: a test, capabilities:", StringComparison.Ordinal);

    private static string Capped(string ceilings) => Policy(Clocks).Replace("capabilities:", $"ceilings: {ceilings}, capabilities:", StringComparison.Ordinal);

    private void Admit(string id, SpiffeId? who = null, params string[] imports) => _staging.Run(
        id,
        imports.Length > 0 ? imports : ["wasi:clocks/wall-clock@0.2.0"],
        who,
        new ComponentExport("wasi:cli/run@0.2.0", ImportKind.Instance, ["run", "stop"]),
        new ComponentExport("memory", ImportKind.Function, []));

    private Task<StagedChange> StageAsync(string[] documents, params string[] through) => StageAsync(documents, 1, through);

    private Task<StagedChange> StageAsync(string[] documents, uint soak, params string[] through) => _staging.StageAsync(documents, soak, through);
}
