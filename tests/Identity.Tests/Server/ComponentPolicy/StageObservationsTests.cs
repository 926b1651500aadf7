using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class StageObservationsTests
{
    private static readonly Principal Cart = Principal.Process(SpiffeId.Parse("spiffe://example.org/components/shop/cart"));
    private static readonly CapabilityRequest Start = CapabilityRequest.Parse("start");

    [Fact]
    public void Says_once_that_something_was_dropped_and_keeps_the_decision_waiting_for_nothing()
    {
        var observations = new StageObservations { IsOpen = true };
        while (!observations.TakeOverflow()) observations.Decided(Cart, Start, allowed: true);
        Assert.False(observations.TakeOverflow());
        Assert.InRange(observations.Reader.Count, 10_000, 100_000);
        observations.GaveTokens(Cart.Id, ["one", "two"]);
        Assert.True(observations.TakeOverflow());
    }

    [Fact]
    public void Keeps_nothing_while_nothing_is_staged()
    {
        var observations = new StageObservations();
        observations.Decided(Cart, Start, allowed: true);
        observations.LoggedIn(Cart.Id);
        observations.GaveTokens(Cart.Id, ["one"]);
        Assert.Equal(0, observations.Reader.Count);
    }

    [Fact]
    public void Keeps_no_question_that_was_denied_anyway()
    {
        var observations = new StageObservations { IsOpen = true };
        observations.Decided(Cart, Start, allowed: false);
        Assert.Equal(0, observations.Reader.Count);
    }
}
