using Identity.Testing.Nats;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>Subscriptions on real nats-servers that are told by their version what policy says.</summary>
public sealed class NatsSubscriptionTests : NatsRightsTest
{
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task No_shape_of_a_subscription_goes_around_a_forbid_whatever_the_version(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: orders.> }, { natsSubscribe: orders.eu.new }", "{ natsSubscribe: orders.secret.> }");
        if (release == NatsRelease.Floor)
        {
            await worker.RefusedToSubscribeAsync("orders.>", "orders.*.*", "orders.*.x");
            await worker.RefusedToJoinAsync("orders.*.*", "workers");
            var warning = Assert.Single(Decisions.SelectMany(decision => decision.Warnings));
            Assert.Equal("natsSubscribe orders.>", warning.Capability);
            Assert.Contains("nats-server before 2.11.16", warning.Explanation, StringComparison.Ordinal);
        }

        var subscription = await worker.SubscribeAsync(release == NatsRelease.Floor ? "orders.eu.new" : "orders.*.*", null);
        await admin.Connection.PublishAsync("orders.secret.x", "secret", cancellationToken: Stop);
        await admin.Connection.PublishAsync("orders.eu.new", "new", cancellationToken: Stop);
        Assert.Equal("new", await subscription.NextAsync());
        if (release == NatsRelease.Newest) Assert.Empty(Decisions.SelectMany(decision => decision.Warnings));
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_permit_of_a_group_takes_no_other_group_from_a_subject_that_is_permitted_to_all(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: orders.new }, { natsSubscribe: orders.>, queue: workers }");
        var subscription = await worker.SubscribeAsync("orders.new", "billing");
        await admin.Connection.PublishAsync("orders.new", "new", cancellationToken: Stop);
        Assert.Equal("new", await subscription.NextAsync());
        await worker.RefusedToJoinAsync("orders.old", "billing");
        await worker.RefusedToSubscribeAsync("orders.old", "orders.>");
    }
}
