using Identity.Agent.Admission;
using Spiffe.Net;

namespace Identity.Tests.Agent;

public sealed class UploadPlacesTests
{
    private static readonly SpiffeId One = SpiffeId.Parse("spiffe://example.org/hosts/one");
    private static readonly SpiffeId Other = SpiffeId.Parse("spiffe://example.org/hosts/other");

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keeps_a_host_that_holds_half_of_the_places_waiting_and_lets_another_in()
    {
        using var places = new UploadPlaces();
        var first = await places.TakeAsync(One, _cancellation);
        using var second = await places.TakeAsync(One, _cancellation);
        var third = places.TakeAsync(One, _cancellation);
        Assert.False(third.IsCompleted);
        using var others = await places.TakeAsync(Other, _cancellation);
        using var othersSecond = await places.TakeAsync(Other, _cancellation);
        Assert.False(third.IsCompleted);

        first.Dispose();
        first.Dispose(); // Left once.
        using var place = await third.WaitAsync(TimeSpan.FromSeconds(60), _cancellation);
        Assert.False(places.TakeAsync(One, _cancellation).IsCompleted);
    }

    [Fact]
    public async Task Gives_back_what_a_host_waited_for_and_gave_up()
    {
        using var places = new UploadPlaces();
        using var gaveUp = new CancellationTokenSource();
        using var one = await places.TakeAsync(One, _cancellation);
        var ones = await places.TakeAsync(One, _cancellation);
        var hasNoShare = places.TakeAsync(One, gaveUp.Token);
        using var other = await places.TakeAsync(Other, _cancellation);
        using var others = await places.TakeAsync(Other, _cancellation);
        var third = SpiffeId.Parse("spiffe://example.org/hosts/third");
        var findsNone = places.TakeAsync(third, gaveUp.Token);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => hasNoShare);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => findsNone);

        ones.Dispose();
        using var place = await places.TakeAsync(third, _cancellation).WaitAsync(TimeSpan.FromSeconds(60), _cancellation);
    }
}
