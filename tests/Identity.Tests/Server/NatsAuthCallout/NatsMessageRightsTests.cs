using Identity.Testing.Nats;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>Rights on subjects, queue groups and responses on real nats-servers: a client does what it was granted, and is refused what lies next to it.</summary>
public sealed class NatsMessageRightsTests : NatsRightsTest
{
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_queue_group_is_joined_by_who_may_and_the_plain_subscription_is_refused(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: orders.>, queue: workers }");
        var joined = await worker.SubscribeAsync("orders.new", "workers");
        await admin.Connection.PublishAsync("orders.new", "work", cancellationToken: Stop);
        Assert.Equal("work", await joined.NextAsync());
        await worker.RefusedToSubscribeAsync("orders.new", "orders.>");
        await worker.RefusedToJoinAsync("orders.new", "others");
        await worker.RefusedToJoinAsync("payroll.new", "workers");
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_star_reaches_one_token_although_nats_server_lets_more_be_subscribed(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: orders.* }");
        var all = await worker.SubscribeAsync("orders.>", null);
        await admin.Connection.PublishAsync("orders.a.b", "deeper", cancellationToken: Stop);
        await admin.Connection.PublishAsync("orders.a", "here", cancellationToken: Stop);
        Assert.Equal("here", await all.NextAsync());
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_respond_once_answers_each_request_once_and_publishes_nothing_else(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: requests.> }, { natsRespond: { max: 1, within: 1m } }");
        var requests = await worker.SubscribeAsync("requests.>", null);
        var answers = await admin.SubscribeAsync("answers.>", null);
        await worker.RefusedToPublishAsync("answers.1");

        await admin.Connection.PublishAsync("requests.a", "what", replyTo: "answers.1", cancellationToken: Stop);
        Assert.Equal("what", await requests.NextAsync());
        await worker.Connection.PublishAsync("answers.1", "that", cancellationToken: Stop);
        Assert.Equal("that", await answers.NextAsync());
        await worker.RefusedToPublishAsync("answers.1", "answers.2", "requests.a");

        await admin.Connection.PublishAsync("requests.a", "again", replyTo: "answers.2", cancellationToken: Stop);
        Assert.Equal("again", await requests.NextAsync());
        await worker.Connection.PublishAsync("answers.2", "more", cancellationToken: Stop);
        Assert.Equal("more", await answers.NextAsync());
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_not_respond_is_refused_the_first_answer(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: requests.> }");
        var requests = await worker.SubscribeAsync("requests.>", null);
        await admin.Connection.PublishAsync("requests.a", "what", replyTo: "answers.1", cancellationToken: Stop);
        Assert.Equal("what", await requests.NextAsync());
        await worker.RefusedToPublishAsync("answers.1");
    }
}
