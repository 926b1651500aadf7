using Identity.Server.ComponentPolicy;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Who loses what when the log of decisions is full.</summary>
public sealed class KeptDecisionsTests
{
    private const int Room = 16_000;
    private readonly KeptDecisions _kept = new(Room, maxCount: 1600);
    private readonly List<string> _forgotten = [];
    private int _number;

    [Fact]
    public void One_source_alone_may_have_all_the_room_and_loses_its_oldest()
    {
        for (var at = 0; at < 17; at++) Add("agent", 1000);

        Assert.Equal(["1"], _forgotten);
        Assert.Equal(Enumerable.Range(2, 16).Select(number => $"{number}"), _kept.All.Select(decision => decision.Id));
    }

    [Fact]
    public void A_flood_pushes_out_nothing_of_who_keeps_to_its_share()
    {
        var early = Add("quiet", 500);
        for (var at = 0; at < 100; at++) Add("flood", 1000);
        var late = Add("quiet", 500);
        for (var at = 0; at < 100; at++) Add("flood", 1000);

        Assert.NotNull(_kept.TryGet(early));
        Assert.NotNull(_kept.TryGet(late));
        Assert.Equal(15, _kept.All.Count(decision => decision.Source == "flood"));
    }

    [Fact]
    public void Of_two_floods_the_larger_loses_first()
    {
        for (var at = 0; at < 12; at++) Add("large", 1000);
        for (var at = 0; at < 4; at++) Add("small", 1000);
        for (var at = 0; at < 4; at++) Add("small", 1000);

        Assert.Equal(["1", "2", "3", "4"], _forgotten);
        for (var at = 0; at < 2; at++) Add("small", 1000);
        Assert.Equal(8, _kept.All.Count(decision => decision.Source == "large"));
    }

    [Fact]
    public void Where_all_keep_to_their_share_the_oldest_goes()
    {
        for (var at = 0; at < 32; at++) Add($"agent-{at}", 500);

        Assert.Empty(_forgotten);
        Add("another", 500);
        Assert.Equal(["1"], _forgotten);
    }

    [Fact]
    public void Small_ones_are_bounded_by_their_number()
    {
        for (var at = 0; at < 1601; at++) Add("agent", 1);

        Assert.Equal(["1"], _forgotten);
        Assert.Equal(1600, _kept.All.Count);
    }

    [Fact]
    public void The_first_to_use_an_id_keeps_it()
    {
        Assert.True(_kept.TryAdd(new KeptDecision("d", "a", Allowed: false, [1]), _forgotten));
        Assert.False(_kept.TryAdd(new KeptDecision("d", "b", Allowed: true, [2]), _forgotten));
        Assert.Equal("a", _kept.TryGet("d")!.Source);
        Assert.Single(_kept.All);
    }

    /// <summary>Beside a plain list that is searched from its beginning.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Keeps_what_a_plain_list_keeps(int seed)
    {
        var random = new Random(seed);
        var plain = new List<(string Id, string Source, int Cost)>();
        var replayed = 0;
        for (var at = 0; at < 4000; at++)
        {
            // Few and many sources in turn, so that there is someone above its share, and nobody.
            var source = $"agent-{random.Next(at / 500 % 2 == 0 ? 3 : 40)}";
            var size = random.Next(1, random.Next(10) == 0 ? 900 : 60);
            plain.Add((Add(source, size), source, Math.Max(size, 10)));
            for (; replayed < _forgotten.Count; replayed++)
            {
                Assert.True(plain.Sum(one => one.Cost) > Room, "one was given up where all had room");
                var gone = plain.Find(one => one.Id == _forgotten[replayed]);
                var held = plain.GroupBy(one => one.Source).ToDictionary(of => of.Key, of => of.Sum(one => one.Cost));
                if (held.Values.Max() > Room / KeptDecisions.Shares)
                {
                    Assert.Equal(held.Values.Max(), held[gone.Source]);
                    Assert.Equal(plain.First(one => one.Source == gone.Source), gone);
                }
                else
                {
                    Assert.Equal(plain[0], gone);
                }

                plain.Remove(gone);
            }

            Assert.True(plain.Sum(one => one.Cost) <= Room, "more is kept than there is room for");
            Assert.Equal(plain.Select(one => one.Id), _kept.All.Select(decision => decision.Id));
        }

        Assert.Equal(4000, plain.Count + _forgotten.Count);
        Assert.All(_forgotten, id => Assert.Null(_kept.TryGet(id)));
    }

    private string Add(string source, int size)
    {
        var id = $"{++_number}";
        Assert.True(_kept.TryAdd(new KeptDecision(id, source, Allowed: false, new byte[size]), _forgotten));
        return id;
    }
}
