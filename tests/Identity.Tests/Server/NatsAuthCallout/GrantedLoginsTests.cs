using Identity.Server.NatsAuthCallout;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

public sealed class GrantedLoginsTests : IDisposable
{
    private const string Narrowed = """
        kind: CapabilityPolicy
        name: nats
        rules:
          - name: greetings
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/subscriber
              - spiffeId: spiffe://example.org/components/greeter
            capabilities:
              - natsSubscribe: greetings.>
        """;

    private static readonly SpiffeId Third = SpiffeId.Parse("spiffe://example.org/third");

    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly GrantedLogins _granted;

    public GrantedLoginsTests() => _granted = new GrantedLogins(TimeSpan.FromHours(1), _time);

    public void Dispose() => _world.Dispose();

    [Fact]
    public void Whose_rights_cannot_be_told_loses_them_and_keeps_nobody_elses()
    {
        Remember(CalloutWorld.Subscriber, CalloutWorld.Greeter);
        _world.Policy = TestPolicy.Of(Narrowed);
        _world.Faulty[CalloutWorld.Greeter] = true;
        var faults = new List<Exception>();

        var outdated = _granted.TakeOutdated(_world.Facts, faults.Add).ToHashSet();

        Assert.Equal([CalloutWorld.Subscriber, CalloutWorld.Greeter], outdated);
        Assert.IsType<InvalidOperationException>(Assert.Single(faults));
        Assert.Empty(_granted.Ids());
        Assert.Empty(_granted.TakeOutdated(_world.Facts));
    }

    [Fact]
    public void Each_is_told_as_it_is_found_and_none_is_lost_when_nobody_hears_the_others()
    {
        Remember(CalloutWorld.Subscriber, CalloutWorld.Greeter);
        _world.Policy = TestPolicy.Of(Narrowed);

        var first = _granted.TakeOutdated(_world.Facts).First();

        Assert.DoesNotContain(first, _granted.Ids());
        Assert.Single(_granted.Ids());
        Assert.NotEqual(first, Assert.Single(_granted.TakeOutdated(_world.Facts)));
    }

    [Fact]
    public void A_login_whose_rights_cannot_be_told_again_does_not_rest_on_the_facts()
    {
        var login = Login(CalloutWorld.Subscriber);
        _world.Faulty[CalloutWorld.Subscriber] = true;
        Assert.False(_granted.TryRemember(login, _world.Facts));
    }

    [Fact]
    public void Who_keeps_what_it_was_granted_is_left_alone()
    {
        Remember(CalloutWorld.Subscriber, CalloutWorld.Greeter);
        _world.Faulty[Third] = true;
        Assert.Empty(_granted.TakeOutdated(_world.Facts));
    }

    private void Remember(params SpiffeId[] ids) => Assert.All(ids, id => Assert.True(_granted.TryRemember(Login(id), _world.Facts)));

    private CalloutJudgement.Admitted Login(SpiffeId id)
    {
        var now = _time.GetUtcNow();
        var grant = Assert.IsType<LoginGrant.Allowed>(LoginGrant.For(id, _world.Facts, now));
        return new(null!, id, "APP", SubjectRights.From(grant.Publish), SubjectRights.From(grant.Subscribe), "t", now, now.AddMinutes(30), grant);
    }
}
