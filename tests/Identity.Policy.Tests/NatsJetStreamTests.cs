namespace Identity.Policy.Tests;

/// <summary>Streams, consumers, buckets, queue groups and responses, as nats-server is told of them.</summary>
public sealed class NatsJetStreamTests
{
    private const string Greeter = "spiffeId: spiffe://example.org/components/greeter";

    public static TheoryData<string, string[]> Granted => new()
    {
        { "{ stream: ORDERS, access: [info] }", ["$JS.API.STREAM.INFO.ORDERS"] },
        { "{ stream: ORDERS, access: [read] }", ["$JS.API.DIRECT.GET.ORDERS", "$JS.API.DIRECT.GET.ORDERS.>", "$JS.API.STREAM.MSG.GET.ORDERS"] },
        {
            "{ stream: ORDERS, access: [consume] }",
            [
                "$JS.ACK.*.*.ORDERS.*.*.*.*.*.>", "$JS.ACK.ORDERS.*.*.*.*.*.*", "$JS.API.CONSUMER.CREATE.ORDERS", "$JS.API.CONSUMER.CREATE.ORDERS.>",
                "$JS.API.CONSUMER.DELETE.ORDERS.*", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.*", "$JS.API.CONSUMER.INFO.ORDERS.*", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.*",
                "$JS.FC.*.*.ORDERS.*.*", "$JS.FC.ORDERS.*.*",
            ]
        },
        { "{ stream: ORDERS, access: [purge] }", ["$JS.API.STREAM.MSG.DELETE.ORDERS", "$JS.API.STREAM.PURGE.ORDERS"] },
        { "{ stream: ORDERS, access: [manage] }", ["$JS.API.STREAM.CREATE.ORDERS", "$JS.API.STREAM.DELETE.ORDERS", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.UPDATE.ORDERS"] },
        { "{ consumer: ORDERS/worker, access: [info] }", ["$JS.API.CONSUMER.INFO.ORDERS.worker"] },
        {
            "{ consumer: ORDERS/worker, access: [consume] }",
            [
                "$JS.ACK.*.*.ORDERS.worker.*.*.*.*.>", "$JS.ACK.ORDERS.worker.*.*.*.*.*", "$JS.API.CONSUMER.INFO.ORDERS.worker", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker",
                "$JS.FC.*.*.ORDERS.worker.*", "$JS.FC.ORDERS.worker.*",
            ]
        },
        {
            "{ consumer: ORDERS/worker, access: [manage] }",
            [
                "$JS.API.CONSUMER.CREATE.ORDERS.worker", "$JS.API.CONSUMER.CREATE.ORDERS.worker.>", "$JS.API.CONSUMER.DELETE.ORDERS.worker",
                "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.worker", "$JS.API.CONSUMER.PAUSE.ORDERS.worker",
            ]
        },
        { "{ bucket: settings, keys: app.theme, access: [read] }", ["$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme"] },
        { "{ bucket: settings, keys: app.>, access: [write] }", ["$KV.settings.app.>"] },
        { "{ bucket: settings, keys: app.*, access: [write] }", ["$KV.settings.app.*"] },
        { "{ bucket: settings, keys: app.>, access: [watch] }", ["$JS.API.CONSUMER.CREATE.KV_settings.*.$KV.settings.app.>", "$JS.FC.*.*.KV_settings.*.*", "$JS.FC.KV_settings.*.*"] },
        {
            "{ bucket: settings, access: [read] }",
            ["$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.>", "$JS.API.STREAM.INFO.KV_settings", "$JS.API.STREAM.MSG.GET.KV_settings"]
        },
        {
            "{ bucket: settings, access: [manage] }",
            ["$JS.API.STREAM.CREATE.KV_settings", "$JS.API.STREAM.DELETE.KV_settings", "$JS.API.STREAM.INFO.KV_settings", "$JS.API.STREAM.PURGE.KV_settings", "$JS.API.STREAM.UPDATE.KV_settings"]
        },
    };

    [Theory]
    [MemberData(nameof(Granted))]
    public void A_right_by_meaning_is_these_subjects_and_no_more(string capability, string[] subjects)
    {
        var allowed = Allowed(("permit", Greeter, capability));
        Assert.Equal(subjects, allowed.Publish.Allow);
        Assert.Empty(allowed.Publish.Deny);
        Assert.Equal([$"{allowed.InboxPrefix}.>"], allowed.Subscribe.Allow);
        Assert.Null(allowed.Responses);
    }

    [Fact]
    public void No_right_of_one_stream_reaches_another_whatever_it_is_called()
    {
        // A stream named like a number, or like the domain and account that stand first in the newer form.
        var one = Allowed(("permit", Greeter, "{ consumer: 12/5, access: [consume] }")).Publish.Allow.Select(NatsSubject.Parse).ToArray();
        Assert.DoesNotContain(one, subject => subject.Covers(NatsSubject.Parse("$JS.ACK.PAYROLL.worker.12.5.1.1700000000.0")));
        Assert.DoesNotContain(one, subject => subject.Covers(NatsSubject.Parse("$JS.ACK.12.5.PAYROLL.worker.1.1.1.1700000000.0")));
        Assert.Contains(one, subject => subject.Covers(NatsSubject.Parse("$JS.ACK._.hash1234.12.5.1.1.1.1700000000.0")));
        Assert.Contains(one, subject => subject.Covers(NatsSubject.Parse("$JS.ACK._.hash1234.12.5.1.1.1.1700000000.0.token")));
        Assert.Contains(one, subject => subject.Covers(NatsSubject.Parse("$JS.ACK.12.5.1.1.1.1700000000.0")));
    }

    public static TheoryData<string, string> Ungrantable => new()
    {
        { "natsPublish: $JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "{ consumer: ORDERS/worker, access: [consume] }" },
        { "natsPublish: $JS.ACK.ORDERS.worker.1.1.1.1.1", "{ consumer: ORDERS/worker, access: [consume] }" },
        { "natsPublish: $JS.API.STREAM.PURGE.ORDERS", "{ stream: ORDERS, access: [purge] }" },
        { "natsPublish: $JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme", "{ bucket: settings, keys: app.theme, access: [read] }" },
        { "natsPublish: $KV.settings.app.>", "{ bucket: settings, keys: 'app.>', access: [write] }" },
        { "natsPublish: $JS.>", "name the stream, the consumer or the bucket" },
        { "natsPublish: $KV.>", "name the stream, the consumer or the bucket" },
        { "natsSubscribe: $KV.settings.>", "bucket: settings" },
        { "natsPublish: $SYS.REQ.SERVER.PING", "belongs to the server" },
        { "natsSubscribe: $JS.EVENT.>", "name the stream, the consumer or the bucket" },
        { "{ bucket: settings, keys: app.*, access: [read] }", "cannot tell from '>'" },
        { "{ bucket: settings, keys: '*', access: [watch] }", "grant '>'" },
    };

    [Theory]
    [MemberData(nameof(Ungrantable))]
    public void A_permit_may_not_name_what_JetStream_is_asked_on_and_is_told_what_to_name(string capability, string advice)
    {
        Assert.False(PolicyParser.TryParse(Samples.Source(("permit", Greeter, capability.Contains('{', StringComparison.Ordinal) ? capability : $"{{ {capability} }}")), out _, out var problems));
        Assert.Contains(advice, string.Join('\n', problems), StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string[], string[]> Forbidden => new()
    {
        // A request for a wildcard is taken as it is written, so reading and watching cannot be forbidden for some keys of those granted.
        { "{ bucket: settings, access: [read, write] }", "{ bucket: settings, keys: secret.>, access: [read] }", ["$JS.API.STREAM.INFO.KV_settings", "$KV.settings.>"], [] },
        { "{ bucket: settings, access: [write] }", "{ bucket: settings, keys: secret.>, access: [write] }", ["$JS.API.STREAM.INFO.KV_settings", "$KV.settings.>"], ["$KV.settings.secret.>"] },
        { "{ bucket: settings, keys: app.>, access: [watch, write] }", "{ bucket: settings, keys: app.x, access: [watch] }", ["$JS.FC.*.*.KV_settings.*.*", "$JS.FC.KV_settings.*.*", "$KV.settings.app.>"], [] },
        { "{ stream: ORDERS, access: [info, purge] }", "{ stream: ORDERS, access: [purge] }", ["$JS.API.STREAM.INFO.ORDERS"], [] },
        { "{ stream: ORDERS, access: [info, manage] }", "{ stream: ORDERS, access: [manage] }", ["$JS.API.STREAM.INFO.ORDERS"], [] },
        { "{ bucket: settings, keys: a.b, access: [read, write] }", "{ stream: KV_settings, access: [read] }", ["$KV.settings.a.b"], [] },
        { "{ consumer: ORDERS/worker, access: [info, manage] }", "{ consumer: ORDERS/worker, access: [manage] }", ["$JS.API.CONSUMER.INFO.ORDERS.worker"], [] },
        // Whoever may delete what is in a bucket writes it, by whatever right.
        { "{ stream: KV_settings, access: [info, purge, manage] }", "{ bucket: settings, access: [write] }", ["$JS.API.STREAM.INFO.KV_settings"], [] },
        { "{ stream: KV_settings, access: [read, purge] }", "{ bucket: settings, keys: secret.>, access: [write] }", ["$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.>", "$JS.API.STREAM.MSG.GET.KV_settings"], [] },
        { "{ bucket: settings, access: [read, manage] }", "{ bucket: settings, access: [write] }", ["$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.>", "$JS.API.STREAM.INFO.KV_settings", "$JS.API.STREAM.MSG.GET.KV_settings"], [] },
        // Whoever is told of every value reads it, by a consumer of any kind; and who changes the stream may have it republished.
        { "{ bucket: settings, access: [watch, write] }", "{ bucket: settings, access: [read] }", ["$JS.API.STREAM.INFO.KV_settings", "$JS.FC.*.*.KV_settings.*.*", "$JS.FC.KV_settings.*.*", "$KV.settings.>"], [] },
        { "{ consumer: KV_settings/worker, access: [info, consume, manage] }", "{ bucket: settings, keys: secret.x, access: [read] }", ["$JS.ACK.*.*.KV_settings.worker.*.*.*.*.>", "$JS.ACK.KV_settings.worker.*.*.*.*.*", "$JS.API.CONSUMER.DELETE.KV_settings.worker", "$JS.API.CONSUMER.INFO.KV_settings.worker", "$JS.API.CONSUMER.PAUSE.KV_settings.worker", "$JS.FC.*.*.KV_settings.worker.*", "$JS.FC.KV_settings.worker.*"], [] },
        { "{ consumer: KV_settings/worker, access: [consume] }", "{ bucket: settings, access: [watch] }", ["$JS.ACK.*.*.KV_settings.worker.*.*.*.*.>", "$JS.ACK.KV_settings.worker.*.*.*.*.*", "$JS.API.CONSUMER.INFO.KV_settings.worker", "$JS.FC.*.*.KV_settings.worker.*", "$JS.FC.KV_settings.worker.*"], [] },
        { "{ stream: KV_settings, access: [info, read, manage] }", "{ bucket: settings, access: [read] }", ["$JS.API.STREAM.DELETE.KV_settings", "$JS.API.STREAM.INFO.KV_settings"], [] },
        { "{ stream: KV_settings, access: [info, read] }", "{ bucket: settings, access: [watch] }", ["$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.>", "$JS.API.STREAM.INFO.KV_settings", "$JS.API.STREAM.MSG.GET.KV_settings"], [] },
    };

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void A_forbid_takes_away_every_request_by_which_it_could_be_had(string permit, string forbid, string[] allow, string[] deny)
    {
        var allowed = Allowed(("permit", Greeter, permit), ("forbid", Greeter, forbid));
        Assert.Equal(allow, allowed.Publish.Allow);
        Assert.Equal(deny, allowed.Publish.Deny);
    }

    [Fact]
    public void A_forbidden_consumer_is_taken_out_of_the_right_to_consume_its_stream()
    {
        var allowed = Allowed(("permit", Greeter, "{ stream: ORDERS, access: [consume] }"), ("forbid", Greeter, "{ consumer: ORDERS/audit, access: [consume] }"));
        Assert.Contains("$JS.API.CONSUMER.MSG.NEXT.ORDERS.audit", allowed.Publish.Deny);
        Assert.Contains("$JS.ACK.ORDERS.audit.*.*.*.*.*", allowed.Publish.Deny);
        Assert.Contains("$JS.ACK.*.*.ORDERS.audit.*.*.*.*.>", allowed.Publish.Deny);
    }

    public static TheoryData<string[], string[], string[], string[]> Subscriptions => new()
    {
        { ["{ natsSubscribe: orders.>, queue: workers }"], [], ["orders.> workers"], [] },
        { ["{ natsSubscribe: orders.> }", "{ natsSubscribe: orders.x, queue: workers }"], [], ["orders.>"], [] },
        { ["{ natsSubscribe: orders.>, queue: a }", "{ natsSubscribe: orders.>, queue: b }"], [], ["orders.> a", "orders.> b"], [] },
        { ["{ natsSubscribe: orders.>, queue: workers }"], ["{ natsSubscribe: orders.secret }"], ["orders.> workers"], ["orders.secret"] },
        { ["{ natsSubscribe: orders.>, queue: workers }"], ["{ natsSubscribe: orders.>, queue: workers }"], [], [] },
        { ["{ natsSubscribe: orders.>, queue: workers }"], ["{ natsSubscribe: orders.x, queue: other }"], ["orders.> workers"], [] },
        { ["{ natsSubscribe: orders.x }"], ["{ natsSubscribe: orders.x, queue: workers }"], ["orders.x"], ["orders.x workers"] },
        // The oldest nats-server looks at wildcards and denied groups apart, so the subject is denied.
        { ["{ natsSubscribe: orders.> }"], ["{ natsSubscribe: orders.x, queue: workers }"], ["orders.>"], ["orders.x"] },
        // nats-server reads the last '*' of a permission as '>'.
        { ["{ natsSubscribe: orders.* }"], [], ["orders.*"], ["orders.*.>"] },
        { ["{ natsSubscribe: orders.*, queue: workers }"], [], ["orders.* workers"], ["orders.*.>"] },
        { ["{ natsSubscribe: orders.* }", "{ natsSubscribe: orders.> }"], [], ["orders.>"], [] },
        { ["{ natsSubscribe: orders.* }", "{ natsSubscribe: orders.a.b }"], [], ["orders.a.b"], [] },
        { ["{ natsSubscribe: orders.* }", "{ natsSubscribe: bills.a.b }"], [], ["bills.a.b", "orders.*"], ["orders.*.>"] },
        { ["{ natsSubscribe: orders.*.paid }"], [], ["orders.*.paid"], [] },
    };

    [Theory]
    [MemberData(nameof(Subscriptions))]
    public void Queue_groups_and_stars_are_told_so_that_no_server_gives_more(string[] permits, string[] forbids, string[] allow, string[] deny)
    {
        var rules = permits.Select(permit => ("permit", Greeter, permit)).Concat(forbids.Select(forbid => ("forbid", Greeter, forbid)))
            .Append(("permit", Greeter, "natsPublish: greetings.hello"));
        var allowed = Allowed([.. rules.Select(rule => (rule.Item1, rule.Item2, rule.Item3.StartsWith('{') ? rule.Item3 : $"{{ {rule.Item3} }}"))]);
        Assert.Equal([.. allow.Append($"{allowed.InboxPrefix}.>").Order(StringComparer.Ordinal)], allowed.Subscribe.Allow);
        Assert.Equal(deny, allowed.Subscribe.Deny);
    }

    [Fact]
    public void Of_several_permits_to_respond_the_smallest_counts_and_a_forbid_ends_it()
    {
        (string, string, string)[] rules =
        [
            ("permit", Greeter, "{ natsSubscribe: requests.> }"), ("permit", Greeter, "{ natsRespond: { max: 5, within: 1m } }"),
            ("permit", Greeter, "{ natsRespond: { max: 2, within: 5m } }"),
        ];
        Assert.Equal(new NatsResponses(2, TimeSpan.FromMinutes(1)), Allowed(rules).Responses);
        Assert.Null(Allowed([.. rules, ("forbid", Greeter, "natsRespond")]).Responses);
        Assert.Null(Allowed(rules[..1]).Responses);
    }

    [Fact]
    public void To_respond_alone_is_no_reason_to_log_in() =>
        Assert.IsType<NatsPermissions.Denied>(NatsPermissions.For(Samples.Rules(("permit", Greeter, "{ natsRespond: { max: 1, within: 1m } }")), Samples.Greeter, Samples.Now));

    public static TheoryData<string, string?, string?> Asked => new()
    {
        { "$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", null, null },
        { "$JS.API.CONSUMER.MSG.NEXT.ORDERS.other", "consumer ORDERS/other consume", "{ consumer: ORDERS/other, access: [consume] }" },
        { "$JS.API.STREAM.DELETE.ORDERS", "stream ORDERS manage", "{ stream: ORDERS, access: [manage] }" },
        { "$KV.settings.app.theme", null, null },
        { "$KV.settings.other", "bucket settings/other write", "{ bucket: settings, keys: other, access: [write] }" },
        { "$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme", "bucket settings/app.theme read", "access: [read]" },
        { "$JS.API.META.LEADER.STEPDOWN", "name the stream", null },
    };

    [Theory]
    [MemberData(nameof(Asked))]
    public void Why_a_request_to_JetStream_is_refused_is_said_by_what_it_is_for(string subject, string? named, string? grant)
    {
        var policy = Samples.Rules(("permit", Greeter, "{ consumer: ORDERS/worker, access: [consume] }"), ("permit", Greeter, "{ bucket: settings, keys: app.>, access: [write] }"));
        var why = NatsExplanation.WhyNot(policy, Samples.Greeter, NatsAction.Publish, NatsSubject.Parse(subject), Samples.Now);
        if (named is null)
        {
            Assert.Null(why);
            return;
        }

        Assert.Contains(named, why!.ToText(), StringComparison.Ordinal);
        if (grant is null) Assert.Null(why.SmallestGrant);
        else Assert.Contains(grant, why.SmallestGrant!, StringComparison.Ordinal);
        if (why.SmallestGrant is { } text) Assert.True(PolicyParser.TryParse(text, out _, out var problems), string.Join('\n', problems ?? []));
    }

    [Fact]
    public void A_permitted_star_that_nats_server_cannot_be_told_of_explains_itself()
    {
        var policy = Samples.Rules(("permit", Greeter, "{ natsSubscribe: orders.* }"), ("permit", Greeter, "{ natsSubscribe: orders.a.b }"));
        var why = NatsExplanation.WhyNot(policy, Samples.Greeter, NatsAction.Subscribe, NatsSubject.Parse("orders.x"), Samples.Now);
        Assert.Contains("takes that for 'orders.>'", why!.ToText(), StringComparison.Ordinal);
        Assert.Null(NatsExplanation.WhyNot(policy, Samples.Greeter, NatsAction.Subscribe, NatsSubject.Parse("orders.a.b"), Samples.Now));
    }

    private static NatsPermissions.Allowed Allowed(params (string, string, string)[] rules) =>
        Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(Samples.Rules(rules), Samples.Greeter, Samples.Now));
}
