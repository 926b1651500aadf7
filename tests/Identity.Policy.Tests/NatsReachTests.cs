using Identity.Policy.Analysis;

namespace Identity.Policy.Tests;

/// <summary>What policy permits and nats-server refuses all the same is said, in one sentence, and nothing else is.</summary>
public sealed class NatsReachTests
{
    private const string Greeter = "spiffeId: spiffe://example.org/components/greeter";
    private const string Sentence = "nats-server refuses it all the same: ";

    private static readonly Principal Caller = Principal.Process(Samples.Greeter) with { Unknown = PrincipalAttributes.None };

    private static readonly string[] Rights =
    [
        .. Each("stream: KV_settings", "info", "read", "consume", "purge", "manage"),
        .. Each("consumer: KV_settings/worker", "info", "consume", "manage"),
        .. Each("bucket: settings", "read", "write", "watch", "manage"),
        .. Each("bucket: settings, keys: app.>", "read", "write", "watch"),
        .. Each("bucket: settings, keys: secret.x", "read", "write", "watch"),
    ];

    private static readonly string[] Forbids =
    [
        .. Rights,
        .. from subject in (string[])["$JS.>", "$JS.API.STREAM.>", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.secret.>", "$KV.>", "$KV.settings.app.*", "$JS.API.CONSUMER.MSG.NEXT.KV_settings.worker", "orders.>"]
           select $"{{ natsPublish: '{subject}' }}",
    ];

    // What a client of today publishes on to do it once.
    private static readonly (string Asked, string[] Published)[] Uses =
    [
        ("stream KV_settings info", ["$JS.API.STREAM.INFO.KV_settings"]),
        ("stream KV_settings read", ["$JS.API.DIRECT.GET.KV_settings", "$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme", "$JS.API.STREAM.MSG.GET.KV_settings"]),
        ("stream KV_settings consume", ["$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.app.theme", "$JS.API.CONSUMER.MSG.NEXT.KV_settings.mine", "$JS.ACK.KV_settings.mine.1.2.3.4.5", "$JS.API.CONSUMER.DELETE.KV_settings.mine"]),
        ("stream KV_settings purge", ["$JS.API.STREAM.PURGE.KV_settings", "$JS.API.STREAM.MSG.DELETE.KV_settings"]),
        ("stream KV_settings manage", ["$JS.API.STREAM.CREATE.KV_settings", "$JS.API.STREAM.UPDATE.KV_settings", "$JS.API.STREAM.DELETE.KV_settings"]),
        ("consumer KV_settings/worker info", ["$JS.API.CONSUMER.INFO.KV_settings.worker"]),
        ("consumer KV_settings/worker consume", ["$JS.API.CONSUMER.MSG.NEXT.KV_settings.worker", "$JS.ACK.KV_settings.worker.1.2.3.4.5"]),
        ("consumer KV_settings/worker manage", ["$JS.API.CONSUMER.CREATE.KV_settings.worker", "$JS.API.CONSUMER.CREATE.KV_settings.worker.orders.new", "$JS.API.CONSUMER.DURABLE.CREATE.KV_settings.worker", "$JS.API.CONSUMER.DELETE.KV_settings.worker"]),
        ("bucket settings/app.theme read", ["$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme"]),
        ("bucket settings/app.theme write", ["$KV.settings.app.theme"]),
        ("bucket settings/app.theme watch", ["$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.app.theme", "$JS.FC.KV_settings.mine.1"]),
        ("bucket settings/app.> read", ["$JS.API.DIRECT.GET.KV_settings.$KV.settings.app.theme"]),
        ("bucket settings/app.* watch", ["$JS.API.CONSUMER.CREATE.KV_settings.mine.$KV.settings.app.*"]),
        ("bucket settings/secret.x read", ["$JS.API.DIRECT.GET.KV_settings.$KV.settings.secret.x"]),
        ("bucket settings/secret.x write", ["$KV.settings.secret.x"]),
        ("bucket settings/> manage", ["$JS.API.STREAM.CREATE.KV_settings", "$JS.API.STREAM.UPDATE.KV_settings", "$JS.API.STREAM.DELETE.KV_settings", "$JS.API.STREAM.PURGE.KV_settings"]),
    ];

    [Fact]
    public void Each_right_beside_each_forbid_is_said_to_be_refused_when_what_a_client_publishes_is()
    {
        var (used, refused, given) = (0, 0, 0);
        foreach (var permit in Rights)
        {
            foreach (var forbid in Forbids)
            {
                var policy = Samples.Rules(("permit", Greeter, permit), ("forbid", Greeter, forbid));
                foreach (var (asked, published) in Uses)
                {
                    var request = CapabilityRequest.Parse(asked);
                    var decision = NatsRights.Decide(policy, Caller, request, Samples.Now);
                    if (!decision.Allowed)
                    {
                        if (decision.Reason != RefusalReason.NotGranted || NatsReach.Of(policy, Caller, Samples.Now).WhyGiven(request) is null) continue;
                        Assert.All(published, subject => Assert.True(MayPublish(policy, subject), $"{asked}, by {permit} beside a forbid of {forbid}: nats-server refuses it, and it is said to be given"));
                        given++;
                        continue;
                    }

                    var why = NatsRights.WhyRefusedOnNats(policy, Caller, request, Samples.Now);
                    var lets = Array.TrueForAll(published, subject => MayPublish(policy, subject));
                    if (lets != why is null) Assert.Fail($"{asked}, by {permit} beside a forbid of {forbid}: nats-server {(lets ? "lets it through" : "refuses it")}, and it is said: {why ?? "nothing"}");
                    (used, refused) = (used + 1, refused + (lets ? 0 : 1));
                }
            }
        }

        Assert.InRange(used, 400, 1000);
        Assert.InRange(refused, 40, 200);
        Assert.InRange(given, 40, 400);
    }

    [Theory]
    [InlineData("{ stream: ORDERS, access: [consume] }", "consumer ORDERS/billing consume", "'$JS.API.CONSUMER.MSG.NEXT.ORDERS.billing' and whatever else this needs")]
    [InlineData("{ stream: ORDERS, access: [consume] }", "consumer ORDERS/billing info", "'$JS.API.CONSUMER.INFO.ORDERS.billing', which is what this needs")]
    [InlineData("{ stream: ORDERS, access: [consume] }", "consumer ORDERS/billing manage", null)] // Not to pause it.
    [InlineData("{ stream: ORDERS, access: [consume] }", "consumer OTHERS/billing consume", null)]
    [InlineData("{ stream: ORDERS, access: [read] }", "consumer ORDERS/billing consume", null)]
    [InlineData("{ consumer: ORDERS/billing, access: [consume] }", "stream ORDERS consume", null)]
    public void What_the_login_gives_though_no_rule_permits_it_by_itself_is_said(string permit, string asked, string? said)
    {
        var request = CapabilityRequest.Parse(asked);
        var policy = Samples.Rules(("permit", Greeter, permit));
        Assert.Equal(RefusalReason.NotGranted, NatsRights.Decide(policy, Caller, request, Samples.Now).Reason);
        var given = NatsReach.Of(policy, Caller, Samples.Now).WhyGiven(request);
        Assert.Equal(said is null ? null : $"nats-server allows it all the same: by another right that rules permit it is told {said}; forbid it where that is not meant", given);
        // And then it is given no more.
        var forbidding = Samples.Rules(("permit", Greeter, permit), ("forbid", Greeter, request.ToCapability().ToYaml()));
        Assert.Null(NatsReach.Of(forbidding, Caller, Samples.Now).WhyGiven(request));
    }

    [Theory]
    [InlineData("orders.>", "orders.secret.>", true)]
    [InlineData("orders.>", "orders.secret", false)]
    [InlineData("orders.*.*", "parcels", true)]
    [InlineData("orders.new", "orders.secret.>", false)]
    public void Check_notes_what_older_servers_cannot_be_told(string permit, string forbid, bool isNoted)
    {
        var found = NatsUseCheck.Find(Samples.Rules(("permit", Greeter, $"{{ natsSubscribe: '{permit}' }}"), ("forbid", Greeter, $"{{ natsSubscribe: '{forbid}' }}")), Samples.Now);
        if (!isNoted)
        {
            Assert.Empty(found);
            return;
        }

        var note = Assert.Single(found);
        Assert.Equal((PolicyWarningKind.OlderServers, "sample/rule-0"), (note.Kind, note.Rule.ToString()));
        Assert.StartsWith($"permits natsSubscribe {permit}, and nats-server before 2.11.16, and 2.12.0 to 2.12.6, refuses it all the same", note.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_are_read_cannot_be_told_apart_and_the_forbid_is_named()
    {
        var policy = Samples.Rules(("permit", Greeter, "{ bucket: settings, keys: app.>, access: [read, write] }"), ("forbid", Greeter, "{ bucket: settings, keys: secret.>, access: [read, write] }"));
        Assert.Equal(
            Sentence + "rule sample/rule-1 forbids 'secret.>' of this bucket, and keys that are read or watched cannot be told apart there, so that all of them are denied; keep what is forbidden in a bucket of its own",
            Why(policy, "bucket settings/app.theme read"));
        Assert.Null(Why(policy, "bucket settings/app.theme write"));
    }

    [Theory]
    [InlineData("natsSubscribe: orders.*", "natsSubscribe orders.new")]
    [InlineData("natsSubscribe: orders.*, queue: workers", "natsSubscribe orders.new workers")]
    public void A_star_that_cannot_be_told_is_said_with_and_without_a_queue_group(string permit, string asked)
    {
        var alone = Samples.Rules(("permit", Greeter, $"{{ {permit} }}"));
        Assert.Null(Why(alone, asked));
        var beside = Samples.Rules(("permit", Greeter, $"{{ {permit} }}"), ("permit", Greeter, "{ natsSubscribe: orders.new.items }"));
        Assert.StartsWith(Sentence + "a rule permits 'orders.*', but nats-server takes that for 'orders.>'", Why(beside, asked), StringComparison.Ordinal);
        Assert.Null(Why(beside, "natsSubscribe orders.new.items"));
    }

    [Fact]
    public void Many_subjects_beside_many_forbidden_groups_are_no_login_of_thousands_and_it_is_said()
    {
        static string Many(int count, Func<int, string> one) => string.Join(", ", Enumerable.Range(0, count).Select(i => $"{{ natsSubscribe: {one(i)} }}"));
        var policy = Samples.Rules(("permit", Greeter, Many(255, i => $"orders.o{i}")), ("forbid", Greeter, Many(255, i => $"orders.>, queue: q{i}")));
        var told = Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(policy, Caller, Samples.Now));
        Assert.InRange(told.Subscribe.Deny.Length, 255, 512);
        Assert.InRange(told.SubscribeOnOlder.Deny.Length, 255, 512);

        // Two subjects of 255 groups each are told; the others are not, and whoever asks learns why.
        var why = Enumerable.Range(0, 255).Select(i => Why(policy, $"natsSubscribe orders.o{i}")).ToList();
        Assert.Equal(2, why.Count(one => one is null));
        Assert.All(why.FindAll(one => one is not null), one => Assert.Contains("each queue group that is forbidden there is one more subject", one, StringComparison.Ordinal));
    }

    [Fact]
    public void A_forbid_of_a_queue_group_that_becomes_one_of_the_subject_is_said()
    {
        var policy = Samples.Rules(("permit", Greeter, "{ natsSubscribe: orders.> }"), ("forbid", Greeter, "{ natsSubscribe: orders.x, queue: workers }"));
        Assert.StartsWith(Sentence + "rule sample/rule-1 forbids natsSubscribe orders.x workers, and behind a wildcard", Why(policy, "natsSubscribe orders.x"), StringComparison.Ordinal);
        Assert.NotNull(Why(policy, "natsSubscribe orders.>"));
        Assert.NotNull(Why(policy, "natsSubscribe orders.x others"));
        Assert.Null(Why(policy, "natsSubscribe orders.y"));
    }

    [Theory]
    [InlineData("natsPublish parcels.p0")]
    [InlineData("natsSubscribe orders.new workers")]
    [InlineData("natsRespond")]
    [InlineData("stream ORDERS read")]
    [InlineData("consumer ORDERS/worker consume")]
    [InlineData("bucket settings/app.theme write")]
    public void More_than_fits_into_a_login_is_said_of_whatever_is_asked(string asked)
    {
        const string Rest = "{ natsSubscribe: orders.new, queue: workers }, { natsRespond: { max: 1, within: 1m } }, { stream: ORDERS, access: [read] }, { consumer: ORDERS/worker, access: [consume] }, { bucket: settings, access: [write] }";
        Assert.Null(Why(Samples.Rules(("permit", Greeter, $"{{ natsPublish: parcels.p0 }}, {Rest}")), asked));
        Assert.StartsWith(Sentence + "its rules name more than 512 subjects", Why(Samples.Rules(("permit", Greeter, $"{Parcels(513)}, {Rest}")), asked), StringComparison.Ordinal);
    }

    [Fact]
    public void Who_may_only_answer_may_not_log_in()
    {
        var policy = Samples.Rules(("permit", Greeter, "{ natsRespond: { max: 1, within: 1m } }"));
        Assert.Equal(Sentence + "no rule grants it a subject to publish or to subscribe to", Why(policy, "natsRespond"));
    }

    [Fact]
    public void What_is_not_of_NATS_is_let_alone()
    {
        var policy = Samples.Rules(("permit", Greeter, $"start, {Parcels(513)}"));
        Assert.Null(Why(policy, "start"));
    }

    [Fact]
    public void A_forbid_that_only_may_mean_the_caller_says_on_what_it_depends()
    {
        var policy = Samples.Rules(
            ("permit", Greeter, "{ bucket: settings, access: [read] }"), ("forbid", $"digest: {Samples.Digest}", "{ bucket: settings, keys: secret.x, access: [read] }"));
        var why = NatsRights.WhyRefusedOnNats(policy, Caller with { Unknown = PrincipalAttributes.Digest }, CapabilityRequest.Parse("bucket settings/app.theme read"), Samples.Now);
        Assert.Contains("forbids 'secret.x' of this bucket (depends on the caller's digest, which was not told), and", why, StringComparison.Ordinal);
        Assert.Null(Why(policy, "bucket settings/app.theme read"));
    }

    public static TheoryData<string, string, string> Unusable => new()
    {
        { "{ bucket: settings, access: [read] }", "forbid: { bucket: settings, keys: secret.>, access: [read] }", "bucket settings/app.theme read" },
        { "{ natsSubscribe: orders.*, queue: workers }", "permit: { natsSubscribe: orders.new.items }", "natsSubscribe orders.new workers" },
        { "{ natsSubscribe: orders.> }", "forbid: { natsSubscribe: orders.>, queue: workers }", "natsSubscribe orders.new" },
        { "{ stream: ORDERS, access: [read] }", "forbid: { natsPublish: '$JS.API.>' }", "stream ORDERS read" },
        { "{ natsPublish: orders.new }", $"permit: {Parcels(512)}", "natsPublish orders.new" },
    };

    [Theory]
    [MemberData(nameof(Unusable))]
    public void An_expectation_check_and_suggest_say_it_too(string permit, string beside, string asked)
    {
        var (effect, capability) = (beside[..6], beside[8..]);
        var alone = Samples.Rules(("permit", Greeter, permit));
        var policy = Samples.Rules(("permit", Greeter, permit), (effect, "spiffeIdPrefix: spiffe://example.org/components", capability));
        var why = Why(policy, asked)!;

        var expected = Expect(policy, asked, allow: true);
        Assert.Equal((false, $"allowed by rule sample/rule-0, but {why}", null), (expected.Passed, expected.Found, expected.Explanation));
        Assert.True(Expect(alone, asked, allow: true).Passed);
        Assert.False(Expect(policy, asked, allow: false).Passed);

        var warning = NatsUseCheck.Find(policy, Samples.Now).First(warning => warning.Rule?.Rule == "rule-0");
        Assert.Equal((PolicyWarningKind.Unusable, true), (warning.Kind, warning.Line > 0));
        Assert.EndsWith($", and {why}", warning.Text, StringComparison.Ordinal);
        Assert.Empty(NatsUseCheck.Find(alone, Samples.Now));

        var left = Assert.Single(PolicySuggest.For(policy, [new Observation(Caller, CapabilityRequest.Parse(asked))], Samples.Now).Left);
        Assert.EndsWith($"(rule sample/rule-0 permits it, but {why})", left, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("forbid", "spiffeId: spiffe://example.org/components/greeter", "{ bucket: settings, keys: secret.>, access: [read] }")]
    [InlineData("forbid", "spiffeIdPrefix: spiffe://example.org/components, digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "{ bucket: settings, keys: secret.>, access: [read] }")]
    [InlineData("forbid", "spiffeIdPrefix: spiffe://example.org/components", "{ bucket: settings, access: [read] }")]
    [InlineData("forbid, mode: warn", "spiffeIdPrefix: spiffe://example.org/components", "{ bucket: settings, keys: secret.>, access: [read] }")]
    public void Check_says_nothing_where_somebody_can_use_it_or_a_forbid_takes_all_by_name(string effect, string subject, string capability) => Assert.Empty(NatsUseCheck.Find(
        Samples.Rules(("permit", "spiffeIdPrefix: spiffe://example.org/components", "{ bucket: settings, access: [read] }"), (effect, subject, capability)), Samples.Now));

    [Fact]
    public void Check_says_once_of_a_rule_what_is_so_of_many_of_its_subjects() =>
        Assert.Single(NatsUseCheck.Find(Samples.Rules(("permit", "spiffeIdPrefix: spiffe://example.org/components", Parcels(600))), Samples.Now).Select(warning => warning.Rule).Distinct());

    private static PolicyTestResult Expect(CapabilityPolicy policy, string asked, bool allow)
    {
        var test = new PolicyTestCase { Name = "it", Principal = Caller, Request = CapabilityRequest.Parse(asked), Allow = allow };
        return Assert.Single(PolicyTests.Run(policy, [new PolicyTestDocument("tests", [test])], Samples.Now));
    }

    private static string? Why(CapabilityPolicy policy, string asked)
    {
        var request = CapabilityRequest.Parse(asked);
        Assert.True(NatsRights.Decide(policy, Caller, request, Samples.Now).Allowed);
        return NatsRights.WhyRefusedOnNats(policy, Caller, request, Samples.Now);
    }

    // As nats-server decides one message: its subject is taken as it is written.
    private static bool MayPublish(CapabilityPolicy policy, string subject) =>
        NatsPermissions.For(policy, Caller, Samples.Now) is NatsPermissions.Allowed { Publish: var side } && side.Allow.Any(told => Means(told, subject)) && !side.Deny.Any(told => Means(told, subject));

    private static bool Means(string pattern, string subject)
    {
        var (tokens, written) = (pattern.Split('.'), subject.Split('.'));
        for (var at = 0; at < tokens.Length; at++)
        {
            if (at == written.Length) return false;
            if (tokens[at] == ">") return true;
            if (tokens[at] != "*" && tokens[at] != written[at]) return false;
        }

        return tokens.Length == written.Length;
    }

    private static string Parcels(int count) => string.Join(", ", Enumerable.Range(0, count).Select(at => $"{{ natsPublish: parcels.p{at} }}"));

    private static IEnumerable<string> Each(string of, params string[] accesses) => accesses.Select(access => $"{{ {of}, access: [{access}] }}");
}
