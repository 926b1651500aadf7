using System.Text;
using Identity.Testing.Nats;

namespace Identity.Policy.Tests.Nats;

/// <summary>Real nats-servers that are told what policy says, and clients that give their subscriptions every shape.</summary>
public sealed class NatsServerShapesTests
{
    private static readonly string[][] Shapes = SubscriptionWorld.Shapes(3, "a", "b");
    private static readonly string[][] Sent = SubscriptionWorld.Subjects(4, "a", "b");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    // Permitted and forbidden.
    private static readonly SubscriptionWorld[] Worlds =
    [
        // A forbid that the shape of a subscription went around.
        SubscriptionWorld.Of("o.>, o.a", "o.a.>"),
        SubscriptionWorld.Of("o.>", "o.*.a"),
        SubscriptionWorld.Of("o.a.>, o.*.b", "o.*.a"),
        // A star that brought what lies deeper.
        SubscriptionWorld.Of("o.*.*", ""),
        SubscriptionWorld.Of("o.*", ""),
        SubscriptionWorld.Of("o.*.*, o.a, o.b.*", "o.a.b"),
        // A forbid of a group that switched off another of the subject.
        SubscriptionWorld.Of("o.> w, o.a", "o.b, o.* v"),
        SubscriptionWorld.Of("o.a, o.b w", "o.* v, o.a w"),
        // A permit of a group that took away what is permitted in every group.
        SubscriptionWorld.Of("o.> w, o.a, o.*.b", ""),
        SubscriptionWorld.Of("o.> w, o.a.> v, o.a.b", "o.b.b"),
    ];

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task No_subscription_brings_what_policy_does_not_permit_and_what_is_told_arrives(NatsRelease release)
    {
        var binary = NatsServerBinary.Get(release);
        var kind = NatsServerKinds.KindOf($"{binary.Version}");
        Assert.Equal(release == NatsRelease.Floor ? NatsServerKind.Older : NatsServerKind.Current, kind);
        var sides = Worlds.Select(world => world.Told(kind)).ToArray();
        await using var server = await StartAsync(binary, sides);
        using var publisher = await PlainNatsClient.ConnectAsync(server.Port, "publisher", Stop);
        for (var number = 0; number < Worlds.Length; number++)
        {
            foreach (var (shape, queue, got) in await TryAllAsync(server.Port, number, publisher))
            {
                foreach (var subject in got ?? []) Assert.True(Worlds[number].Permitted(subject.Split('.'), queue), $"{Worlds[number]}: SUB {shape} {queue} brought {subject}");
                var permit = Array.Find(Worlds[number].Permits, permit => permit.Subject.Text == shape && (permit.Queue is null || permit.Queue == queue));
                if (permit is null || !sides[number].Allow.Contains(permit.ToString())) continue;
                var refused = sides[number].Deny.Any(deny => SubscriptionRight.Of(deny) is var denied && denied.Subject.Text == shape && (denied.Queue is null || denied.Queue == queue));
                Assert.Equal(refused, got is null);
                if (refused) continue;
                Assert.Equal(
                    Sent.Where(sent => permit.Subject.Covers(NatsSubject.Parse(string.Join('.', sent))) && Worlds[number].Permitted(sent, queue) && !IsDenied(sides[number], sent)).Select(sent => string.Join('.', sent)),
                    got);
            }
        }
    }

    /// <summary>Also of what an older one is not told, so that the model fails where the older one did.</summary>
    [Theory]
    [InlineData(NatsRelease.Floor, NatsServerKind.Older)]
    [InlineData(NatsRelease.Floor, NatsServerKind.Current)]
    [InlineData(NatsRelease.Newest, NatsServerKind.Current)]
    public async Task The_model_of_nats_server_is_as_it_is(NatsRelease release, NatsServerKind told)
    {
        var model = release == NatsRelease.Floor ? NatsModel.V210 : NatsModel.V215;
        var sides = Worlds.Select(world => world.Told(told)).ToArray();
        await using var server = await StartAsync(NatsServerBinary.Get(release), sides);
        using var publisher = await PlainNatsClient.ConnectAsync(server.Port, "publisher", Stop);
        for (var number = 0; number < Worlds.Length; number++)
        {
            var expected = new NatsServerModel(sides[number], model);
            foreach (var (shape, queue, got) in await TryAllAsync(server.Port, number, publisher))
            {
                var tokens = shape.Split('.');
                Assert.True(expected.MaySubscribe(tokens, queue) == (got is not null), $"{Worlds[number]}: SUB {shape} {queue}");
                if (got is not null) Assert.Equal(expected.Delivered(tokens, queue, Sent).Select(sent => string.Join('.', sent)), got);
            }
        }
    }

    // Denied plainly behind a wildcard, where policy forbids it in a group only.
    private static bool IsDenied(NatsSide side, string[] sent) =>
        side.Deny.Any(deny => !deny.Contains(' ', StringComparison.Ordinal) && NatsSubject.Parse(deny).Covers(NatsSubject.Parse(string.Join('.', sent))));

    // Each subscription by a client of its own: one that looks for denied subjects looks at all that it delivers.
    private static async Task<List<(string Shape, string? Queue, List<string>? Got)>> TryAllAsync(int port, int number, PlainNatsClient publisher)
    {
        var found = new List<(string, string?, List<string>?)>();
        foreach (var queue in SubscriptionWorld.Queues)
        {
            foreach (var shape in Shapes.Select(tokens => string.Join('.', tokens)))
            {
                using var client = await PlainNatsClient.ConnectAsync(port, $"u{number}", Stop);
                var heard = await client.AskAsync($"SUB {shape} {queue} 1", Stop);
                if (heard.Exists(line => line.Contains("Permissions Violation", StringComparison.Ordinal)))
                {
                    found.Add((shape, queue, null));
                    continue;
                }

                Assert.Empty(heard);
                await publisher.AskAsync(string.Join("\r\n", Sent.Select(sent => $"PUB {string.Join('.', sent)} 0\r\n")), Stop);
                found.Add((shape, queue, await client.AskAsync("", Stop)));
            }
        }

        return found;
    }

    private static Task<NatsServerProcess> StartAsync(NatsServerBinary binary, NatsSide[] sides)
    {
        var users = new StringBuilder();
        for (var number = 0; number < sides.Length; number++)
            users.Append($"  {{ user: u{number}, password: p, permissions: {{ publish: {{ deny: [\">\"] }}, subscribe: {{ {List("allow", sides[number].Allow)}{List("deny", sides[number].Deny)} }} }} }}\n");
        return NatsServerProcess.StartAsync(binary, $"listen: \"127.0.0.1:-1\"\nauthorization {{ users: [\n  {{ user: publisher, password: p }}\n{users}] }}\n", Stop);

        static string List(string name, IReadOnlyCollection<string> subjects) => subjects.Count == 0 ? "" : $"{name}: [{string.Join(", ", subjects.Select(subject => $"\"{subject}\""))}], ";
    }
}
