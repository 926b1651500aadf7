using Identity.Testing.Nats;
using NATS.Client.Core;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>Rights on streams, consumers and buckets on real nats-servers: a client does what it was granted, and is refused what lies next to it.</summary>
public sealed class NatsRightsTests : NatsRightsTest
{
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    [InlineData(NatsRelease.Newest, true)]
    public async Task Who_may_consume_with_one_durable_does_that_and_nothing_else(NatsRelease release, bool newAcknowledgements = false)
    {
        var (admin, worker) = await StartAsync(release, newAcknowledgements, "{ consumer: ORDERS/worker, access: [consume] }");
        await OrdersAsync(admin);

        var pulled = await worker.SubscribeAsync($"{worker.Inbox}.pull", null);
        await worker.Connection.PublishAsync("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "1", replyTo: $"{worker.Inbox}.pull", cancellationToken: Stop);
        var message = await pulled.NextMessageAsync();
        Assert.Equal("first", message.Data);
        Assert.Equal(newAcknowledgements ? 11 : 9, message.ReplyTo!.Split('.').Length);
        await worker.Connection.PublishAsync(message.ReplyTo, "+ACK", cancellationToken: Stop);
        await worker.Connection.PublishAsync("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "1", replyTo: $"{worker.Inbox}.pull", cancellationToken: Stop);
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

    /// <summary>What docs/policy-enforcement.md says about manage: what a stream copies is named in its configuration, and no right on what is copied is asked for.</summary>
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Who_manages_any_stream_can_copy_a_bucket_whatever_is_forbidden_of_it_but_not_who_only_reads_one(NatsRelease release)
    {
        var (admin, worker) = await StartAsync(release, false, "{ stream: COPY, access: [manage, read] }", "{ bucket: secrets, access: [read, watch, write, manage] }");
        await BucketsAsync(admin);
        await worker.RefusedToPublishAsync("$JS.API.DIRECT.GET.KV_secrets.$KV.secrets.other", "$JS.API.STREAM.CREATE.KV_secrets", "$JS.API.STREAM.CREATE.OTHER");

        await worker.SucceedsAsync("$JS.API.STREAM.CREATE.COPY", """{"name":"COPY","mirror":{"name":"KV_secrets"}}""");
        using var deadline = new CancellationTokenSource(RunningCallout.Deadline);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        string copied;
        while ((copied = (await worker.AskAsync("$JS.API.STREAM.MSG.GET.COPY", """{"seq":1}""")).Data ?? "").Contains("\"error\"", StringComparison.Ordinal))
            await timer.WaitForNextTickAsync(deadline.Token);
        Assert.Contains(Convert.ToBase64String("other-value"u8), copied, StringComparison.Ordinal);
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

    private static string Bucket(string name, bool rollups) =>
        $$"""{"name":"KV_{{name}}","subjects":["$KV.{{name}}.>"],"max_msgs_per_subject":1,"allow_direct":true,"allow_rollup_hdrs":{{(rollups ? "true" : "false")}}}""";

    private static async Task OrdersAsync(RightsClient admin)
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

    private static async Task BucketsAsync(RightsClient admin)
    {
        foreach (var bucket in (string[])["settings", "secrets"])
        {
            await admin.SucceedsAsync($"$JS.API.STREAM.CREATE.KV_{bucket}", Bucket(bucket, rollups: false));
            await admin.SucceedsAsync($"$KV.{bucket}.other", "other-value");
        }
    }
}
