using CsCheck;
using Identity.Policy.Tests.Analysis;

namespace Identity.Policy.Tests.Nats;

/// <summary>Whatever shape a client gives its subscription, it gets what policy permits and nothing else, on every nats-server that is told what it is.</summary>
public sealed class NatsSubscriptionShapesTests
{
    private static readonly string[] Patterns =
    [
        "o.a", "o.b", "o.*", "o.>", "o.a.b", "o.a.*", "o.*.b", "o.*.*", "o.a.>", "o.*.>", "o.a.b.a", "o.*.b.*", "o.*.*.a", "o.*.*.*", "o.a.*.>", "o.*.a.b",
    ];

    private static readonly string[][] Shapes = SubscriptionWorld.Shapes(3, "a", "b");
    private static readonly string[][] Sent = SubscriptionWorld.Subjects(4, "a", "b", "c");

    private static readonly Gen<SubscriptionRight> Right = Gen.Select(
        Gen.Int[0, Patterns.Length - 1], Gen.Int[0, 3], (pattern, queue) => new SubscriptionRight(NatsSubject.Parse(Patterns[pattern]), queue switch { 0 => "w", 1 => "v", _ => null }));

    private static readonly Gen<SubscriptionWorld> World = Gen.Select(Right.Array[1, 4], Right.Array[0, 3], (permits, forbids) => new SubscriptionWorld(permits, forbids));

    [Theory]
    [InlineData(NatsModel.V210)]
    [InlineData(NatsModel.V21116)]
    [InlineData(NatsModel.V215)]
    public void No_subscription_brings_what_policy_does_not_permit(NatsModel model) => Cases.Each(World, Cases.Times(400), world =>
    {
        var server = new NatsServerModel(world.Told(NatsServerModel.KindOf(model)), model);
        foreach (var shape in Shapes)
        {
            foreach (var queue in SubscriptionWorld.Queues)
            {
                foreach (var got in server.Delivered(shape, queue, Sent))
                    Assert.True(world.Permitted(got, queue), $"{world}: SUB {string.Join('.', shape)} {queue} brings {string.Join('.', got)}");
            }
        }
    });

    [Theory]
    [InlineData("o.>", "o.a.>", "o.*.*", "o.a.b")]
    [InlineData("o.>", "o.*.a", "o.b.>", "o.b.a")]
    [InlineData("o.>", "o.*.a", "o.b.*", "o.b.a")]
    [InlineData("o.*.*", "", "o.b.>", "o.b.a.b.a")]
    public void Told_what_current_ones_are_an_older_one_would_let_this_through(string permits, string forbids, string shape, string got)
    {
        var told = SubscriptionWorld.Of(permits, forbids).Told()!;
        foreach (var queue in SubscriptionWorld.Queues)
        {
            Assert.Contains(got.Split('.'), new NatsServerModel(told.Subscribe, NatsModel.V210).Delivered(shape.Split('.'), queue, Sent));
            Assert.DoesNotContain(got.Split('.'), new NatsServerModel(told.Subscribe, NatsModel.V21116).Delivered(shape.Split('.'), queue, Sent));
            Assert.DoesNotContain(got.Split('.'), new NatsServerModel(told.SubscribeOnOlder, NatsModel.V210).Delivered(shape.Split('.'), queue, Sent));
        }
    }

    // A star that is left out beside a deeper subject is told again when that is forbidden: that is permitted, and said above.
    [Theory]
    [InlineData(NatsModel.V210)]
    [InlineData(NatsModel.V21116)]
    [InlineData(NatsModel.V215)]
    public void A_further_forbid_never_brings_more(NatsModel model) => Cases.Each(
        Gen.Select(World.Select(world => world with { Permits = [.. world.Permits.Where(permit => !permit.Subject.Text.EndsWith('*'))] }), Right), Cases.Times(400), both =>
        {
            var (world, forbid) = both;
            var kind = NatsServerModel.KindOf(model);
            var before = new NatsServerModel(world.Told(kind), model);
            var after = new NatsServerModel((world with { Forbids = [.. world.Forbids, forbid] }).Told(kind), model);
            foreach (var shape in Shapes)
            {
                foreach (var queue in SubscriptionWorld.Queues)
                {
                    if (!after.MaySubscribe(shape, queue)) continue;
                    Assert.True(before.MaySubscribe(shape, queue), $"{world}, and forbid {forbid}: SUB {string.Join('.', shape)} {queue}");
                    Assert.Empty(after.Delivered(shape, queue, Sent).Except(before.Delivered(shape, queue, Sent)));
                }
            }
        });

    [Theory]
    [InlineData(NatsModel.V210)]
    [InlineData(NatsModel.V21116)]
    [InlineData(NatsModel.V215)]
    public void What_is_permitted_and_said_to_be_told_arrives_in_every_group(NatsModel model) => Cases.Each(World, Cases.Times(400), world =>
    {
        if (world.Told() is null) return;
        var kind = NatsServerModel.KindOf(model);
        var server = new NatsServerModel(world.Told(kind), model);
        var allowed = world.Told(kind).Allow;
        foreach (var permit in world.Permits.Where(permit => !Array.Exists(world.Forbids, forbid => forbid.Subject.Overlaps(permit.Subject))))
        {
            if (!Array.Exists([.. allowed], text => SubscriptionRight.Of(text) is var told && (told.Queue is null || told.Queue == permit.Queue) && told.Subject.Covers(permit.Subject))) continue;
            foreach (var queue in permit.Queue is null ? SubscriptionWorld.Queues : [permit.Queue])
            {
                Assert.Equal(
                    Sent.Where(sent => permit.Subject.Covers(NatsSubject.Parse(string.Join('.', sent)))),
                    server.Delivered(permit.Subject.Text.Split('.'), queue, Sent));
            }
        }
    });

    [Theory]
    // What is permitted and forbidden, what current ones may be told and what older ones.
    [InlineData("o.>", "o.a.>", "o.>", "")]
    [InlineData("o.>", "o.*.a", "o.>", "")]
    [InlineData("o.>, o.a.>, o.b", "o.a.*", "o.>", "o.b")]
    [InlineData("o.>", "o.a, o.b.c", "o.>", "o.>")]
    [InlineData("o.a.>", "o.*.b", "o.a.>", "o.a.>")]
    [InlineData("o.*.*", "", "o.*.*", "")]
    [InlineData("o.*, o.a.*", "", "o.a.*", "o.a.*")]
    [InlineData("o.*, o.b, o.a.b", "", "o.a.b, o.b", "o.a.b, o.b")]
    [InlineData("o.*, o.a.b", "o.a.b", "o.*", "o.*")]
    [InlineData("o.> w, o.a", "", "o.> w, o.a, o.a >", "o.> w, o.a, o.a >")]
    [InlineData("o.> w, o.a", "o.b.>", "o.> w, o.a, o.a >", "o.a")]
    public void Older_ones_are_not_told_what_they_could_not_keep_from_what_is_forbidden(string permits, string forbids, string current, string older)
    {
        var world = SubscriptionWorld.Of(permits, forbids);
        var told = world.Told()!;
        var inbox = NatsPermissions.InboxPrefixOf(Samples.Greeter) + ".>";
        Assert.Equal(current, string.Join(", ", told.Subscribe.Allow.Remove(inbox)));
        Assert.Equal(older, string.Join(", ", told.SubscribeOnOlder.Allow.Remove(inbox)));
        foreach (var right in told.Subscribe.Allow.Remove(inbox).Select(SubscriptionRight.Of).Where(right => right.Queue != ">"))
            Assert.Equal(!told.SubscribeOnOlder.Allow.Contains(right.ToString()), told.WhyNotOnOlder(right.Subject, right.Queue)?.StartsWith("nats-server before 2.11.16, and 2.12.0 to 2.12.6, refuses it", StringComparison.Ordinal) ?? false);

        // Without forbids every plain permit is told, or said not to be.
        foreach (var permit in world.Permits.Where(permit => permit.Queue is null && forbids.Length == 0))
        {
            var isTold = told.Subscribe.Allow.Any(text => SubscriptionRight.Of(text) is { Queue: null } one && one.Subject.Covers(permit.Subject));
            Assert.Equal(isTold, NatsExplanation.WhyNot(world.Policy(), Samples.Greeter, NatsAction.Subscribe, permit.Subject, Samples.Now) is null);
        }
    }

    [Theory]
    [InlineData("o.a", "o.* w", "o.a w")]
    [InlineData("o.> w, o.a", "o.b, o.* v", "o.a v, o.b")]
    [InlineData("o.a, o.> w", "o.a v, o.* w", "o.*")]
    [InlineData("o.a, o.> w", "o.a v, o.a w", "o.a")]
    [InlineData("o.a.>", "o.*.b", "o.*.b")]
    public void A_forbid_of_a_group_never_stands_beside_one_of_the_subject(string permits, string forbids, string denied) =>
        Assert.Equal(denied, string.Join(", ", SubscriptionWorld.Of(permits, forbids).Told()!.Subscribe.Deny));

    [Theory]
    [InlineData(null, NatsServerKind.Older)]
    [InlineData("", NatsServerKind.Older)]
    [InlineData("2.10.27", NatsServerKind.Older)]
    [InlineData("2.11.15", NatsServerKind.Older)]
    [InlineData("2.11.16", NatsServerKind.Current)]
    [InlineData("2.11.16-RC.1", NatsServerKind.Older)]
    [InlineData("2.11.17-RC.1", NatsServerKind.Current)]
    [InlineData("2.12.0", NatsServerKind.Older)]
    [InlineData("2.12.6", NatsServerKind.Older)]
    [InlineData("2.12.7", NatsServerKind.Current)]
    [InlineData("2.13.9", NatsServerKind.Current)]
    [InlineData("2.14.0-RC.1", NatsServerKind.Older)]
    [InlineData("2.14.0", NatsServerKind.Current)]
    [InlineData("2.15.0-dev", NatsServerKind.Current)]
    [InlineData("3.0.0", NatsServerKind.Current)]
    [InlineData("2.14", NatsServerKind.Older)]
    [InlineData("2.15.1.1", NatsServerKind.Older)]
    [InlineData("v2.15.1", NatsServerKind.Older)]
    [InlineData("2.99999999999.1", NatsServerKind.Older)]
    public void What_a_server_is_follows_from_its_version_and_without_one_it_is_older(string? version, NatsServerKind kind) =>
        Assert.Equal(kind, NatsServerKinds.KindOf(version));
}
