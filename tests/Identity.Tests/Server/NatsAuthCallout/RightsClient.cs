using System.Threading.Channels;
using NATS.Client.Core;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>A connection, and what nats-server said against it.</summary>
internal sealed class RightsClient : IAsyncDisposable
{
    private readonly Channel<string> _errors = Channel.CreateUnbounded<string>();
    private readonly CancellationToken _stop;
    private readonly List<RightsSubscription> _subscriptions = [];

    public RightsClient(NatsConnection connection, CancellationToken stop)
    {
        Connection = connection;
        _stop = stop;
        connection.ServerError += (_, e) => _errors.Writer.WriteAsync(e.Error);
    }

    public NatsConnection Connection { get; }

    public string Inbox => Connection.Opts.InboxPrefix;

    public async Task<NatsMsg<string>> AskAsync(string subject, string body, NatsHeaders? headers = null) =>
        await Connection.RequestAsync<string, string>(subject, body, headers, replyOpts: new NatsSubOpts { Timeout = RunningCallout.Deadline }, cancellationToken: _stop);

    public async Task SucceedsAsync(string subject, string body)
    {
        var answer = await AskAsync(subject, body);
        Assert.DoesNotContain("\"error\"", answer.Data, StringComparison.Ordinal);
    }

    public async Task<RightsSubscription> SubscribeAsync(string subject, string? queue)
    {
        var subscription = new RightsSubscription(await Connection.SubscribeCoreAsync<string>(subject, queue, cancellationToken: _stop), _stop);
        _subscriptions.Add(subscription);
        await Connection.PingAsync(_stop);
        return subscription;
    }

    /// <summary>As clients watch keys: a consumer that pushes to an inbox.</summary>
    public async Task<RightsSubscription> WatchAsync(string stream, string filter)
    {
        var subscription = await SubscribeAsync($"{Inbox}.watch", null);
        await SucceedsAsync(
            $"$JS.API.CONSUMER.CREATE.{stream}.watch.{filter}",
            $$$"""{"stream_name":"{{{stream}}}","config":{"name":"watch","filter_subject":"{{{filter}}}","deliver_subject":"{{{Inbox}}}.watch","ack_policy":"none","mem_storage":true}}""");
        return subscription;
    }

    public async Task RefusedToPublishAsync(params string[] subjects)
    {
        foreach (var subject in subjects)
        {
            await Connection.PublishAsync(subject, "{}", replyTo: $"{Inbox}.refused", cancellationToken: _stop);
            Assert.Contains($"Permissions Violation for Publish to \"{subject}\"", await NextErrorAsync(), StringComparison.OrdinalIgnoreCase);
        }
    }

    public async Task RefusedToSubscribeAsync(params string[] subjects)
    {
        foreach (var subject in subjects) await RefusedToJoinAsync(subject, null);
    }

    public async Task RefusedToJoinAsync(string subject, string? queue)
    {
        await SubscribeAsync(subject, queue);
        Assert.Contains($"Permissions Violation for Subscription to \"{subject}\"", await NextErrorAsync(), StringComparison.OrdinalIgnoreCase);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var subscription in _subscriptions) await subscription.DisposeAsync();
        await Connection.DisposeAsync();
    }

    private Task<string> NextErrorAsync() => _errors.Reader.ReadAsync(_stop).AsTask().WaitAsync(RunningCallout.Deadline, TestContext.Current.CancellationToken);
}

internal sealed class RightsSubscription(INatsSub<string> subscription, CancellationToken stop) : IAsyncDisposable
{
    public async Task<string?> NextAsync() => (await NextMessageAsync()).Data;

    public Task<NatsMsg<string>> NextMessageAsync() => subscription.Msgs.ReadAsync(stop).AsTask().WaitAsync(RunningCallout.Deadline, TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => subscription.DisposeAsync();
}
