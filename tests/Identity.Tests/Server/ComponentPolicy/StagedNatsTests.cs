// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Types;
using static Identity.Tests.Server.ComponentPolicy.StagingServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What nats-server is told follows from all rules about somebody together, and nobody loses any of it by a staged change unseen.</summary>
public sealed class StagedNatsTests : IAsyncLifetime
{
    private static readonly SpiffeId Clerk = SpiffeId.Parse("spiffe://example.org/components/shop/clerk");

    private StagingServer _staging = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Permit("shop", capability: "start, { natsSubscribe: orders.* }, { stream: KV_settings, access: [read] }"));
        await _staging.Server.AttestAsync();
        await _staging.RegisterAsync("clerk", Clerk, SpiffeId.Parse("spiffe://example.org/nodes/local"), "unix:uid:1000");
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    public static TheoryData<string, string, string> Losses => new()
    {
        { "a bucket that is the stream", Forbid("guard", capability: "{ bucket: settings, access: [read] }"), "publish $JS.API.DIRECT.GET.KV_settings on NATS" },
        { "a star beside a subject below it", Permit("more", capability: "{ natsSubscribe: orders.new.items }"), "subscribe orders.* on NATS" },
        { "more than fits into one login", Permit("more", capability: string.Join(", ", Enumerable.Range(0, 512).Select(at => $"{{ natsPublish: parcels.p{at} }}"))), "512 subjects" },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task Stops_before_a_running_component_is_told_less(string what, string document, string why)
    {
        _staging.Run("a", []);
        await StopsAsync(what, document, why, Cart);
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task Stops_before_a_process_that_is_logged_in_is_told_less(string what, string document, string why)
    {
        var staged = await _staging.StageAsync([document], 3600, ["shadow"]);
        var observations = _staging.Server.Service<StageObservations>();
        await UntilAsync(() => Task.FromResult(observations.IsOpen));
        observations.LoggedIn(Clerk);
        await StopsAsync(what, staged, why, Clerk);
    }

    [Fact]
    public async Task Goes_on_with_any_number_of_forbids_of_what_nobody_has_and_logins_still_fit()
    {
        _staging.Run("a", []);
        var forbids = string.Join(", ", Enumerable.Range(0, 40).Select(at => $"{{ stream: S{at}, access: [info, read, consume, purge, manage] }}"));
        Assert.Equal("in force", (await _staging.EndOfAsync(await _staging.StageAsync([Forbid("guard", capability: forbids)]))).State);
        var answer = await DecideAsync("natsSubscribe orders.*");
        Assert.True(answer.Allowed);
        Assert.Single(answer.Notes);
    }

    [Theory]
    [InlineData("natsPublish parcels.p0")]
    [InlineData("stream KV_settings read")]
    public async Task Whoever_asks_what_is_permitted_is_told_when_no_login_would_hold_it(string request)
    {
        await _staging.Admin.ApplyAsync(Permit("more", capability: string.Join(", ", Enumerable.Range(0, 513).Select(at => $"{{ natsPublish: parcels.p{at} }}"))));
        var answer = await DecideAsync(request);
        Assert.True(answer.Allowed);
        Assert.Contains("nats-server refuses it all the same: its rules name more than 512 subjects", answer.Notes[1], StringComparison.Ordinal);
    }

    private async Task<DecideAtResponse> DecideAsync(string request) =>
        await _staging.Admin.Client.DecideAtAsync(new() { SpiffeId = Clerk.ToString(), Request = request, KnownAbsent = { "digest", "signer", "image", "host", "namespace", "lattice" } });

    private async Task StopsAsync(string what, string document, string why, SpiffeId who) => await StopsAsync(what, await _staging.StageAsync([document], 3600, ["shadow"]), why, who);

    private async Task StopsAsync(string what, StagedChange staged, string why, SpiffeId who)
    {
        var end = await _staging.EndOfAsync(staged);
        Assert.True(end.State == "halted", what);
        Assert.Contains(why, end.Explanation, StringComparison.Ordinal);
        Assert.Contains(who.ToString(), end.Explanation, StringComparison.Ordinal);
    }
}
