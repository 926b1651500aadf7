namespace Identity.Policy.Tests;

/// <summary>What is answered about a stream, a consumer or a bucket is what nats-server is told.</summary>
public sealed class NatsRightsTests
{
    private const string Greeter = "spiffeId: spiffe://example.org/components/greeter";

    private static readonly string[] Rights =
    [
        .. Each("stream: KV_settings", "info", "read", "consume", "purge", "manage"),
        .. Each("consumer: KV_settings/worker", "info", "consume", "manage"),
        .. Each("bucket: settings", "read", "write", "watch", "manage"),
        .. Each("stream: ORDERS", "info", "read", "consume", "purge", "manage"),
        .. Each("consumer: ORDERS/worker", "info", "consume", "manage"),
    ];

    [Fact]
    public void Each_right_beside_each_forbid_is_answered_as_nats_server_is_told_it()
    {
        var compared = 0;
        foreach (var right in Rights)
        {
            foreach (var forbid in Rights)
            {
                // Of a consumer among many: who may consume the stream otherwise still can.
                if (forbid.Contains("consumer:", StringComparison.Ordinal) && !right.Contains("consumer:", StringComparison.Ordinal)) continue;
                var policy = Samples.Rules(("permit", Greeter, right), ("forbid", Greeter, forbid));
                var needed = Allowed(Samples.Rules(("permit", Greeter, right))).Where(subject => right.Contains("[info]", StringComparison.Ordinal) || !subject.Contains(".INFO.", StringComparison.Ordinal));
                var told = Allowed(policy);
                var isTold = needed.All(told.Contains);
                Assert.True(isTold == NatsRights.Decide(policy, Caller, RequestOf(right), Samples.Now).Allowed, $"{right} beside a forbid of {forbid}: nats-server is told {(isTold ? "yes" : "no")}");
                compared++;
            }
        }

        Assert.InRange(compared, 300, 400);
    }

    [Theory]
    [InlineData("{ stream: KV_settings, access: [purge] }", "{ bucket: settings, access: [write] }", "stream KV_settings purge")]
    [InlineData("{ stream: KV_settings, access: [manage] }", "{ bucket: settings, keys: secret.>, access: [read] }", "stream KV_settings manage")]
    [InlineData("{ consumer: KV_settings/worker, access: [consume] }", "{ bucket: settings, access: [watch] }", "consumer KV_settings/worker consume")]
    [InlineData("{ bucket: settings, access: [manage] }", "{ bucket: settings, keys: secret.x, access: [write] }", "bucket settings/> manage")]
    [InlineData("{ bucket: settings, access: [watch] }", "{ bucket: settings, keys: secret.x, access: [read] }", "bucket settings/secret.> watch")]
    public void A_forbid_by_the_other_name_is_named_and_no_grant_is_promised(string permit, string forbid, string asked)
    {
        var policy = Samples.Rules(("permit", Greeter, permit), ("forbid", Greeter, forbid));
        var request = CapabilityRequest.Parse(asked);
        Assert.True(PolicyDecision.Decide(policy, Caller, request, Samples.Now).Allowed);
        var decision = NatsRights.Decide(policy, Caller, request, Samples.Now);
        Assert.Equal((false, RefusalReason.Forbidden), (decision.Allowed, decision.Reason));
        var why = NatsRights.Explain(policy, Caller, request, Samples.Now);
        var refusal = Assert.Single(why.Refusals);
        Assert.Equal((asked, decision.Determining), (refusal.Capability, refusal.ForbiddenBy));
        Assert.Contains($"rule {decision.Determining} forbids it", why.ToText(), StringComparison.Ordinal);
        Assert.Null(why.SmallestGrant);
    }

    [Theory]
    [InlineData("{ stream: KV_settings, access: [purge] }", "{ bucket: other, access: [write] }", "stream KV_settings purge")]
    [InlineData("{ stream: settings, access: [purge] }", "{ bucket: settings, access: [write] }", "stream settings purge")]
    [InlineData("{ bucket: settings, keys: app.>, access: [watch] }", "{ bucket: settings, keys: secret.>, access: [read] }", "bucket settings/app.x watch")]
    [InlineData("{ bucket: settings, access: [write] }", "{ bucket: settings, access: [manage] }", "bucket settings/app.x write")]
    public void A_forbid_of_something_else_takes_nothing(string permit, string forbid, string asked) => Assert.True(
        NatsRights.Decide(Samples.Rules(("permit", Greeter, permit), ("forbid", Greeter, forbid)), Caller, CapabilityRequest.Parse(asked), Samples.Now).Allowed);

    [Fact]
    public void A_forbid_that_may_mean_the_caller_holds_and_says_what_was_not_told()
    {
        var policy = Samples.Rules(
            ("permit", Greeter, "{ stream: KV_settings, access: [purge] }"),
            ("forbid", $"digest: sha256:{new string('0', 64)}", "{ bucket: settings, access: [write] }"));
        var request = CapabilityRequest.Parse("stream KV_settings purge");
        var untold = Caller with { Unknown = PrincipalAttributes.Digest };
        Assert.Equal(PrincipalAttributes.Digest, NatsRights.Decide(policy, untold, request, Samples.Now).Untold);
        Assert.Contains("depends on its digest, which was not told", NatsRights.Explain(policy, untold, request, Samples.Now).ToText(), StringComparison.Ordinal);
        Assert.True(NatsRights.Decide(policy, Caller, request, Samples.Now).Allowed);
    }

    [Fact]
    public void What_a_forbid_takes_of_other_rights_is_what_forbids_of_these_would_touch()
    {
        string[] names = ["KV_settings", "KV_other", "KV_", "ORDERS"];
        Capability[] forbids =
        [
            .. from name in names from access in Enumerable.Range(1, 31) select new Capability.Stream(name, (StreamAccess)access),
            .. from name in names from consumer in (string[])["a", "b"] from access in Enumerable.Range(1, 7) select new Capability.Consumer(name, consumer, (ConsumerAccess)access),
            .. from name in (string[])["settings", "other", "ORDERS"] from keys in (string[])[">", "a.>", "a.b", "x"] from access in Enumerable.Range(1, 15)
               select new Capability.Bucket(name, NatsSubject.Parse(keys), (BucketAccess)access),
        ];
        CapabilityRequest[] requests =
        [
            .. from name in names from access in Enumerable.Range(1, 31) select new CapabilityRequest.Stream(name, (StreamAccess)access),
            .. from name in names from consumer in (string[])["a", "b"] from access in Enumerable.Range(1, 7) select new CapabilityRequest.Consumer(name, consumer, (ConsumerAccess)access),
            .. from name in (string[])["settings", "other", "ORDERS"] from key in (string[])[">", "a.>", "a.b", "a.c", "x"] from access in Enumerable.Range(1, 15)
               select new CapabilityRequest.Bucket(name, NatsSubject.Parse(key), (BucketAccess)access),
        ];
        var taken = 0;
        foreach (var forbid in forbids)
        {
            var also = NatsJetStream.AlsoForbidden(forbid).ToArray();
            foreach (var request in requests)
            {
                var expected = forbid.Touches(request) || NatsJetStream.TakesAway(forbid, request);
                var told = forbid.Touches(request) || Array.Exists(also, one => Touches(one, request));
                if (expected != told) Assert.Fail($"{forbid} takes {request}: {expected}, and by forbids {told}");
                taken += expected ? 1 : 0;
            }
        }

        Assert.InRange(taken, 10_000, 100_000);

        static bool Touches(Capability one, CapabilityRequest request) => one is Capability.Consumer { Name: NatsJetStream.AnyConsumer } any && request is CapabilityRequest.Consumer consumer
            ? (any with { Name = consumer.Name }).Touches(request)
            : one.Touches(request);
    }

    private static Principal Caller { get; } = Principal.Process(Samples.Greeter);

    private static IEnumerable<string> Each(string of, params string[] accesses) => accesses.Select(access => $"{{ {of}, access: [{access}] }}");

    private static HashSet<string> Allowed(CapabilityPolicy policy) =>
        NatsPermissions.For(policy, Samples.Greeter, Samples.Now) is NatsPermissions.Allowed allowed
            ? [.. allowed.Publish.Allow.Where(subject => !allowed.Publish.Deny.Any(deny => NatsSubject.Parse(deny).Covers(NatsSubject.Parse(subject))))]
            : [];

    private static CapabilityRequest RequestOf(string right)
    {
        var words = right.Trim('{', '}', ' ').Split([": ", ", access: [", "]"], StringSplitOptions.RemoveEmptyEntries);
        return CapabilityRequest.Parse(words[0] == "bucket" ? $"bucket {words[1]}/> {words[2]}" : $"{words[0]} {words[1]} {words[2]}");
    }
}
