using System.Threading.Channels;
using Identity.Server.NatsAuthCallout;
using Identity.Testing.Nats;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>
/// Rights on queue groups, responses, streams, consumers and buckets on real nats-servers with JetStream: a client does what it was granted,
/// and is refused what lies next to it. The client speaks the protocol by hand, as an attacker would.
/// </summary>
public sealed class NatsRightsTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly SpiffeId Operator = SpiffeId.Parse("spiffe://example.org/operator");
    private static readonly SpiffeId Worker = SpiffeId.Parse("spiffe://example.org/worker");

    private const string OperatorRules = """
          - name: operator
            effect: permit
            subjects: [{ spiffeId: spiffe://example.org/operator }]
            capabilities:
              - { stream: ORDERS, access: [info, read, consume, purge, manage] }
              - { stream: PAYROLL, access: [info, consume, manage] }
              - { consumer: ORDERS/worker, access: [manage] }
              - { consumer: ORDERS/audit, access: [manage] }
              - { consumer: PAYROLL/worker, access: [manage] }
              - { bucket: settings, access: [read, write, watch, manage] }
              - { bucket: secrets, access: [read, write, manage] }
              - { natsPublish: orders.> }
              - { natsPublish: payroll.> }
              - { natsPublish: requests.> }
              - { natsSubscribe: answers.> }
        """;

    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly string _folder = Directory.CreateTempSubdirectory("rights-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<IAsyncDisposable> _clients = [];
    private NatsServerProcess? _server;
    private NatsAuthCalloutService? _service;
    private NatsConnectionKicker? _kicker;

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    [InlineData(NatsRelease.Newest, true)]
    public async Task Who_may_consume_with_one_durable_does_that_and_nothing_else(NatsRelease release, bool newAcknowledgements = false)
    {
        var (admin, worker) = await StartAsync(release, newAcknowledgements, "{ consumer: ORDERS/worker, access: [consume] }");
        await OrdersAsync(admin);

        var pulled = await worker.SubscribeAsync($"{worker.Inbox}.pull", null);
        await worker.Connection.PublishAsync("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "1", replyTo: $"{worker.Inbox}.pull", cancellationToken: _stop.Token);
        var message = await pulled.NextMessageAsync();
        Assert.Equal("first", message.Data);
        Assert.Equal(newAcknowledgements ? 11 : 9, message.ReplyTo!.Split('.').Length);
        await worker.Connection.PublishAsync(message.ReplyTo, "+ACK", cancellationToken: _stop.Token);
        await worker.Connection.PublishAsync("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "1", replyTo: $"{worker.Inbox}.pull", cancellationToken: _stop.Token);
        Assert.Equal("second", await pulled.NextAsync());
        // One is acknowledged: that reached the server, in whichever form.
        Assert.Contains("\"num_ack_pending\":1", (await worker.AskAsync("$JS.API.CONSUMER.INFO.ORDERS.worker", "")).Data, StringComparison.Ordinal);

        await worker.RefusedToPublishAsync(
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.audit", "$JS.API.CONSUMER.MSG.NEXT.PAYROLL.worker", "$JS.API.CONSUMER.INFO.ORDERS.audit", "$JS.API.CONSUMER.NAMES.ORDERS",
            "$JS.API.CONSUMER.CREATE.ORDERS", "$JS.API.CONSUMER.CREATE.ORDERS.worker", "$JS.API.CONSUMER.CREATE.ORDERS.mine.orders.>", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.worker",
            "$JS.API.CONSUMER.DELETE.ORDERS.worker", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.DELETE.ORDERS", "$JS.API.STREAM.PURGE.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS",
            "$JS.API.DIRECT.GET.ORDERS.orders.1", "$JS.API.STREAM.NAMES", "$JS.API.INFO", "$JS.ACK.ORDERS.audit.1.1.1.1.1", "$JS.ACK.PAYROLL.worker.1.1.1.1.1",
            "$JS.ACK._.hash.ORDERS.audit.1.1.1.1.1", "$JS.FC.ORDERS.audit.x", "orders.3", "payroll.1");
        await worker.RefusedToSubscribeAsync("orders.>", "$JS.EVENT.>", "$JS.ACK.>", "_INBOX.>");
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_use_some_keys_of_a_bucket_puts_gets_and_watches_these_and_no_others(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ bucket: settings, keys: app.>, access: [read, write, watch] }");
        await BucketsAsync(admin);

        Assert.Contains("\"seq\":", (await worker.AskAsync("$KV.settings.app.theme", "dark")).Data, StringComparison.Ordinal);
        Assert.Equal("dark", (await worker.AskAsync("$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme", "")).Data);
        var watched = await worker.WatchAsync("KV_settings", "$KV.settings.app.>");
        Assert.Equal("dark", await watched.NextAsync());
        await worker.AskAsync("$KV.settings.app.theme", "light");
        Assert.Equal("light", await watched.NextAsync());

        await worker.RefusedToPublishAsync(
            "$KV.settings.other", "$KV.secrets.app.theme", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.other", "$JS.API.DIRECT.GET.KV_secrets.$KV.secrets.app.theme",
            "$JS.API.DIRECT.GET.KV_settings", "$JS.API.STREAM.MSG.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.>", "$JS.API.CONSUMER.CREATE.KV_settings",
            "$JS.API.CONSUMER.CREATE.KV_settings.mine", "$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.>", "$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.other",
            "$JS.API.CONSUMER.DURABLE.CREATE.KV_settings.mine", "$JS.API.STREAM.INFO.KV_settings", "$JS.API.STREAM.DELETE.KV_settings", "$JS.API.STREAM.PURGE.KV_settings",
            "$JS.API.STREAM.UPDATE.KV_settings");
        await worker.RefusedToSubscribeAsync("$KV.settings.app.theme", "$KV.>");

        // What stands in the body of a request that is granted widens it no further.
        foreach (var filter in (string[])["\"filter_subject\":\"$KV.settings.>\"", "\"filter_subjects\":[\"$KV.settings.other\"]", "\"name\":\"mine\""])
        {
            var answer = await worker.AskAsync(
                "$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.app.>",
                $$$"""{"stream_name":"KV_settings","config":{"name":"mine","deliver_subject":"{{{worker.Inbox}}}.w",{{{filter}}}}}""");
            Assert.Contains("\"error\"", answer.Data, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_use_a_whole_bucket_also_reads_by_revision_and_sees_its_state(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ bucket: settings, access: [read] }");
        await BucketsAsync(admin);
        Assert.Equal("other-value", (await worker.AskAsync("$JS.API.DIRECT.GET.KV_settings", """{"seq":1}""")).Data);
        Assert.Contains("\"name\":\"KV_settings\"", (await worker.AskAsync("$JS.API.STREAM.INFO.KV_settings", "")).Data, StringComparison.Ordinal);
        await worker.RefusedToPublishAsync("$KV.settings.other", "$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.>", "$JS.API.DIRECT.GET.KV_secrets", "$JS.API.STREAM.INFO.KV_secrets");
    }

    private const string EveryRightOnSettings = """
        { bucket: settings, access: [read, write, watch, manage] }, { stream: KV_settings, access: [info, read, consume, purge, manage] },
              { consumer: KV_settings/mine, access: [info, consume, manage] }
        """;

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_is_forbidden_to_write_a_bucket_changes_nothing_of_it_by_any_other_right_and_still_reads_it(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, EveryRightOnSettings, "{ bucket: settings, access: [write] }");
        await BucketsAsync(admin);
        await worker.RefusedToPublishAsync(
            "$KV.settings.other", "$JS.API.STREAM.PURGE.KV_settings", "$JS.API.STREAM.MSG.DELETE.KV_settings", "$JS.API.STREAM.DELETE.KV_settings", "$JS.API.STREAM.UPDATE.KV_settings",
            "$JS.API.STREAM.CREATE.KV_settings", "$JS.API.STREAM.RESTORE.KV_settings");
        Assert.Equal("other-value", (await worker.AskAsync("$JS.API.DIRECT.GET.KV_settings.$KV.settings.other", "")).Data);
        Assert.Equal("other-value", await (await worker.WatchAsync("KV_settings", "$KV.settings.>")).NextAsync());
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_is_forbidden_to_read_a_bucket_sees_no_value_by_any_other_right_and_still_writes_it(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, EveryRightOnSettings, "{ bucket: settings, keys: other, access: [read] }");
        await BucketsAsync(admin);
        await worker.RefusedToPublishAsync(
            "$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.other", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.>", "$JS.API.STREAM.MSG.GET.KV_settings",
            "$JS.API.CONSUMER.CREATE.KV_settings", "$JS.API.CONSUMER.CREATE.KV_settings.mine", "$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.>", "$JS.API.CONSUMER.DURABLE.CREATE.KV_settings.mine",
            "$JS.API.CONSUMER.MSG.NEXT.KV_settings.mine", "$JS.API.STREAM.UPDATE.KV_settings", "$JS.API.STREAM.CREATE.KV_settings", "$JS.API.STREAM.SNAPSHOT.KV_settings");
        await worker.RefusedToSubscribeAsync("$KV.settings.other", "$KV.settings.>");
        Assert.Contains("\"seq\":", (await worker.AskAsync("$KV.settings.mine", "x")).Data, StringComparison.Ordinal);
    }

    /// <summary>What docs/policy.md says about keys and roll-ups: no list of subjects prevents it, the configuration of the bucket does.</summary>
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_write_one_key_can_empty_a_bucket_with_roll_ups_but_not_one_without(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ bucket: settings, keys: app.theme, access: [write] }");
        await BucketsAsync(admin);
        var rollup = new NatsHeaders { ["Nats-Rollup"] = "all" };
        Assert.Contains("\"error\"", (await worker.AskAsync("$KV.settings.app.theme", "x", rollup)).Data, StringComparison.Ordinal);
        Assert.Equal("other-value", (await admin.AskAsync("$JS.API.DIRECT.GET.KV_settings.$KV.settings.other", "")).Data);

        await admin.AskAsync("$JS.API.STREAM.UPDATE.KV_settings", Bucket("settings", rollups: true));
        await worker.AskAsync("$KV.settings.app.theme", "x", new NatsHeaders { ["Nats-Rollup"] = "all" });
        Assert.NotEqual("other-value", (await admin.AskAsync("$JS.API.DIRECT.GET.KV_settings.$KV.settings.other", "")).Data);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_queue_group_is_joined_by_who_may_and_the_plain_subscription_is_refused(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: orders.>, queue: workers }");
        var joined = await worker.SubscribeAsync("orders.new", "workers");
        await admin.Connection.PublishAsync("orders.new", "work", cancellationToken: _stop.Token);
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
        await admin.Connection.PublishAsync("orders.a.b", "deeper", cancellationToken: _stop.Token);
        await admin.Connection.PublishAsync("orders.a", "here", cancellationToken: _stop.Token);
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

        await admin.Connection.PublishAsync("requests.a", "what", replyTo: "answers.1", cancellationToken: _stop.Token);
        Assert.Equal("what", await requests.NextAsync());
        await worker.Connection.PublishAsync("answers.1", "that", cancellationToken: _stop.Token);
        Assert.Equal("that", await answers.NextAsync());
        await worker.RefusedToPublishAsync("answers.1", "answers.2", "requests.a");

        await admin.Connection.PublishAsync("requests.a", "again", replyTo: "answers.2", cancellationToken: _stop.Token);
        Assert.Equal("again", await requests.NextAsync());
        await worker.Connection.PublishAsync("answers.2", "more", cancellationToken: _stop.Token);
        Assert.Equal("more", await answers.NextAsync());
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_may_not_respond_is_refused_the_first_answer(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ natsSubscribe: requests.> }");
        var requests = await worker.SubscribeAsync("requests.>", null);
        await admin.Connection.PublishAsync("requests.a", "what", replyTo: "answers.1", cancellationToken: _stop.Token);
        Assert.Equal("what", await requests.NextAsync());
        await worker.RefusedToPublishAsync("answers.1");
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) await client.DisposeAsync();
        if (_service is not null) await _service.StopAsync(CancellationToken.None);
        _stop.Cancel();
        if (_server is not null) await _server.DisposeAsync();
        _service?.Dispose();
        _kicker?.Dispose();
        _stop.Dispose();
        _world.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string Bucket(string name, bool rollups) =>
        $$"""{"name":"KV_{{name}}","subjects":["$KV.{{name}}.>"],"max_msgs_per_subject":1,"allow_direct":true,"allow_rollup_hdrs":{{(rollups ? "true" : "false")}}}""";

    private static async Task OrdersAsync(Client admin)
    {
        foreach (var stream in (string[])["ORDERS", "PAYROLL"])
        {
            await admin.SucceedsAsync($"$JS.API.STREAM.CREATE.{stream}", $$"""{"name":"{{stream}}","subjects":["{{stream.ToLowerInvariant()}}.>"],"allow_direct":true}""");
            await admin.SucceedsAsync($"$JS.API.CONSUMER.CREATE.{stream}.worker", $$$"""{"stream_name":"{{{stream}}}","config":{"name":"worker","durable_name":"worker","ack_policy":"explicit"}}""");
        }

        await admin.SucceedsAsync("$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.audit", """{"stream_name":"ORDERS","config":{"durable_name":"audit","ack_policy":"explicit"}}""");
        await admin.SucceedsAsync("orders.1", "first");
        await admin.SucceedsAsync("orders.2", "second");
    }

    private static async Task BucketsAsync(Client admin)
    {
        foreach (var bucket in (string[])["settings", "secrets"])
        {
            await admin.SucceedsAsync($"$JS.API.STREAM.CREATE.KV_{bucket}", Bucket(bucket, rollups: false));
            await admin.SucceedsAsync($"$KV.{bucket}.other", "other-value");
        }
    }

    private async Task<(Client Admin, Client Worker)> StartAsync(NatsRelease release, bool newAcknowledgements, string capabilities, string? forbidden = null)
    {
        _world.Change(TestPolicy.Of($$"""
            kind: CapabilityPolicy
            name: rights
            rules:
              - name: worker
                effect: permit
                subjects: [{ spiffeId: spiffe://example.org/worker }]
                capabilities: [{{capabilities}}]
            {{(forbidden is null ? "" : $"  - {{ name: forbidden, effect: forbid, subjects: [{{ spiffeId: {Worker} }}], capabilities: [{forbidden}] }}")}}
            {{OperatorRules}}
            """));
        var (certificate, key) = _world.X509.WriteServer(_folder, ServerId, TimeProvider.System.GetUtcNow());
        Assert.True(NatsServerConfiguration.TryWrite(_world.Keys, "127.0.0.1:-1", certificate, key, out var text, out var problem), problem);
        text = text.Replace("APP {}", "APP { jetstream: enabled }", StringComparison.Ordinal)
            + $"jetstream {{ store_dir: \"{_folder}/jetstream\", max_mem: 64MB, max_file: 64MB }}\n"
            + (newAcknowledgements ? "feature_flags { js_ack_fc_v2: true }\n" : "");
        Assert.Contains("jetstream: enabled", text, StringComparison.Ordinal);
        _server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), text, _stop.Token);

        var options = new NatsAuthCalloutOptions { TrustDomain = CalloutWorld.TrustDomain, Folder = _folder, Url = new Uri($"tls://127.0.0.1:{_server.Port}") };
        var granted = new GrantedLogins(options.MaxSession, TimeProvider.System);
        _kicker = new NatsConnectionKicker(_world.Responder, _world, granted, new SweptMark(_folder), options, TimeProvider.System, NullLogger<NatsConnectionKicker>.Instance);
        _service = new NatsAuthCalloutService(_world.Responder, _world.Keys, _world, granted, _kicker, options, TimeProvider.System, NullLogger<NatsAuthCalloutService>.Instance);
        await _service.StartAsync(_stop.Token);
        using var deadline = new CancellationTokenSource(Deadline);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (_service.Problem is not null) await timer.WaitForNextTickAsync(deadline.Token);
        return (await ConnectAsync(Operator), await ConnectAsync(Worker));
    }

    private static SpiffeId ServerId { get; } = SpiffeId.Parse("spiffe://example.org/nats-server");

    private async Task<Client> ConnectAsync(SpiffeId id)
    {
        var connection = new NatsConnection(NatsOpts.Default with
        {
            Url = $"tls://127.0.0.1:{_server!.Port}",
            ConnectTimeout = TimeSpan.FromSeconds(10),
            InboxPrefix = Identity.Policy.NatsPermissions.InboxPrefixOf(id),
            TlsOpts = NatsServerTls.For(CalloutWorld.TrustDomain, () => _world.Bundles, TimeProvider.System),
            AuthOpts = new NatsAuthOpts { AuthCredCallback = (_, _) => ValueTask.FromResult(NatsAuthCred.FromToken(_world.Token(id, TimeProvider.System.GetUtcNow()))) },
        });
        var client = new Client(connection, _stop.Token);
        _clients.Add(client);
        await connection.ConnectAsync();
        return client;
    }

    /// <summary>A connection, and what nats-server said against it.</summary>
    private sealed class Client : IAsyncDisposable
    {
        private readonly Channel<string> _errors = Channel.CreateUnbounded<string>();
        private readonly CancellationToken _stop;
        private readonly List<Subscription> _subscriptions = [];

        public Client(NatsConnection connection, CancellationToken stop)
        {
            Connection = connection;
            _stop = stop;
            connection.ServerError += (_, e) => _errors.Writer.WriteAsync(e.Error);
        }

        public NatsConnection Connection { get; }

        public string Inbox => Connection.Opts.InboxPrefix;

        public async Task<NatsMsg<string>> AskAsync(string subject, string body, NatsHeaders? headers = null) =>
            await Connection.RequestAsync<string, string>(subject, body, headers, replyOpts: new NatsSubOpts { Timeout = Deadline }, cancellationToken: _stop);

        public async Task SucceedsAsync(string subject, string body)
        {
            var answer = await AskAsync(subject, body);
            Assert.DoesNotContain("\"error\"", answer.Data, StringComparison.Ordinal);
        }

        public async Task<Subscription> SubscribeAsync(string subject, string? queue)
        {
            var subscription = new Subscription(await Connection.SubscribeCoreAsync<string>(subject, queue, cancellationToken: _stop), _stop);
            _subscriptions.Add(subscription);
            await Connection.PingAsync(_stop);
            return subscription;
        }

        /// <summary>As clients watch keys: a consumer that pushes to an inbox.</summary>
        public async Task<Subscription> WatchAsync(string stream, string filter)
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

        private Task<string> NextErrorAsync() => _errors.Reader.ReadAsync(_stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken);
    }

    private sealed class Subscription(INatsSub<string> subscription, CancellationToken stop) : IAsyncDisposable
    {
        public async Task<string?> NextAsync() => (await NextMessageAsync()).Data;

        public Task<NatsMsg<string>> NextMessageAsync() => subscription.Msgs.ReadAsync(stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken);

        public ValueTask DisposeAsync() => subscription.DisposeAsync();
    }
}
