// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Testing.Components;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What all policies share authors fill to nine tenths together, each without the part that others are sure of, by whatever door; the forbid of an administrator still comes into force.</summary>
public sealed class PolicySharesTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Bob = "spiffe://example.org/people/bob";

    private StagingServer _staging = null!;
    private PolicyWriter _admin = null!;
    private PolicyWriter _ann = null!;
    private PolicyWriter _bob = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Role("shop-team", Ann), Role("two", $"{Ann}, {Bob}", "[two, two.*]", approvals: 1));
        _admin = _staging.Admin;
        _ann = new PolicyWriter(await _staging.Server.AsAsync(Ann));
        _bob = new PolicyWriter(await _staging.Server.AsAsync(Bob));
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    public static TheoryData<string> Limits => ["documents", "keys"];

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task An_author_is_refused_at_the_share_and_an_administrator_is_not(string limit)
    {
        var part = Limit(limit) * 9 / 10 / 4;
        await FillAsync(limit, _ann, "shop", Limit(limit) * 9 / 10 - part);
        foreach (var more in (Func<Task>[])[() => _ann.ApplyAsync(More("shop.more", limit)), () => _ann.ProposeAsync(More("shop.more", limit)), () => _ann.ProposeAsync(More("two.more", limit)), () => _staging.StageAsync([More("shop.more", limit)], by: _ann)])
        {
            var refused = await Assert.ThrowsAsync<RpcException>(more);
            Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
            Assert.Contains("administrators alone", refused.Status.Detail, StringComparison.Ordinal);
            Assert.Contains("are kept for others whom roles name (1)", refused.Status.Detail, StringComparison.Ordinal);
        }

        // However much Ann has filled, Bob has his part, and no more than nine tenths are filled with it.
        await _admin.ApplyAsync(Role("bobs", Bob, "[bob, bob.*]"));
        await FillAsync(limit, _bob, "bob", part);
        var beyond = await Assert.ThrowsAsync<RpcException>(() => _bob.ApplyAsync(More("bob.more", limit)));
        Assert.Equal(StatusCode.ResourceExhausted, beyond.StatusCode);

        await _admin.ApplyAsync(More("guard", limit, "forbid"));
        Assert.False((await _admin.Client.DecideAtAsync(new() { SpiffeId = $"{Shop}/cart", Request = "connect evil.example:443" })).Allowed);

        // What takes nothing more is nobody's harm, also where an administrator has filled it since.
        await _ann.ApplyAsync(Permit("shop.0", capability: "start"));
        await _ann.DeleteAsync("shop.1");
    }

    // Compared whole, so much policy costs a minute.
    [Theory]
    [InlineData(0, null)]
    [InlineData(1, "135001 combinations")]
    public void Combinations_and_bytes_are_shared_as_well(int more, string? why)
    {
        var state = _staging.Server.Ledger.State;
        var rules = string.Join(", ", Enumerable.Range(0, 300).Select(i => $"{{ spiffeId: {Shop}/c{i} }}"));
        string[] full = [.. Enumerable.Range(0, 2).Select(n => Permit($"shop.{n}", rules, string.Join(", ", Enumerable.Range(0, 225).Select(i => $"{{ config: k{n}/v{i} }}"))))];
        var after = CapabilityPolicy.FromSources([.. full, .. Enumerable.Range(0, more).Select(i => Permit($"shop.more{i}"))], 1);
        Assert.Null(after.Unreadable);
        Assert.Equal(why is not null, PolicyUse.WhyBeyondShare(state, new PolicyEdit([], [], [], []), after, PolicyPerson.Of(SpiffeId.Parse(Ann)))?.Contains(why!, StringComparison.Ordinal) ?? false);

        var share = PolicyRegistry.MaxTotalBytes * 9 / 10;
        var bytes = new PolicyEdit([new global::Identity.Ledger.V1.Policy { Name = "shop", Text = new string('x', (int)(share - share / 4) + more) }], [], [], []);
        Assert.Equal(why is not null, PolicyUse.WhyBeyondShare(state, bytes, CapabilityPolicy.Empty, PolicyPerson.Of(SpiffeId.Parse(Ann))) is not null);
        Assert.Null(PolicyUse.WhyTooMuch(state, bytes));
    }

    [Fact]
    public async Task Who_agrees_to_what_an_author_asks_for_does_not_make_it_an_administrators()
    {
        var proposal = await _ann.ProposeAsync([.. Enumerable.Range(0, 50).Select(i => Permit($"two.p{i}", capability: "{ natsPublish: two.orders }"))]);
        var staged = await _staging.StageAsync([.. Enumerable.Range(0, 50).Select(i => Permit($"shop.s{i}", capability: "{ natsPublish: shop.orders }"))], soak: 3600, by: _ann);
        await _ann.ApplyAsync([.. Enumerable.Range(0, 626).Select(i => Permit($"shop.{i}"))]);
        var refused = await Assert.ThrowsAsync<RpcException>(() => _bob.ApproveAsync(proposal));
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("administrators alone", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public void However_many_fill_what_is_left_each_of_them_is_sure_of_a_part()
    {
        var people = Enumerable.Range(0, 40).Select(i => PolicyPerson.Of(SpiffeId.Parse($"spiffe://example.org/people/p{i}"))).ToArray();
        var state = ControlPlaneState.Empty;
        state = Change(state, "admin:uid=0", new Change { PolicyRoleSet = new() { Name = "all", Text = Role("all", string.Join(", ", people.Select(person => person.Text)), "[\"*\"]", "any") } });
        // One after the other takes as much as the rule lets them, greedily; the last finds the part there still.
        var taken = new List<int>();
        foreach (var person in people)
        {
            var most = 0;
            while (PolicyUse.WhyBeyondShare(state, Edit(taken.Count, most + 1), state.Policy, person) is null) most++;
            state = Change(state, person.Text, [.. Edit(taken.Count, most).Set.Select(set => new Change { PolicySet = set })]);
            taken.Add(most);
        }

        const int Sure = PolicyRegistry.MaxDocuments * 9 / 10 / 2 / 40;
        Assert.All(taken, count => Assert.True(count >= Sure, $"{count}"));
        Assert.True(taken.Sum() <= PolicyRegistry.MaxDocuments * 9 / 10);
        Assert.Equal(PolicyRegistry.MaxDocuments * 9 / 10 - 39 * Sure, taken[0]);

        static PolicyEdit Edit(int author, int count) =>
            new([.. Enumerable.Range(0, count).Select(i => new global::Identity.Ledger.V1.Policy { Name = $"p{author}.{i}", Text = Permit($"p{author}.{i}") })], [], [], []);

        static ControlPlaneState Change(ControlPlaneState state, string author, params Change[] changes) =>
            new ControlPlaneState.Fold(state)
                .Apply(new Transaction { Author = author, At = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(DateTimeOffset.UnixEpoch), Changes = { changes } }).ToState();
    }

    private static int Limit(string limit) => limit == "keys" ? CapabilityPolicy.MaxSignerKeys : PolicyRegistry.MaxDocuments;

    private static async Task FillAsync(string limit, PolicyWriter author, string name, int count)
    {
        switch (limit)
        {
            case "documents":
                await author.ApplyAsync([.. Enumerable.Range(0, count).Select(i => Permit($"{name}.{i}"))]);
                break;
            case "keys":
                await author.ApplyAsync([.. Enumerable.Range(0, count).Chunk(20).Select((keys, n) => Permit($"{name}.{n}", string.Join(", ", keys.Select(_ => Signed()))))]);
                break;
        }
    }

    private static string More(string name, string limit, string effect = "permit") => limit switch
    {
        "keys" => Permit(name, $"{Signed()}, {{ spiffeIdPrefix: {Shop} }}", "{ connect: \"evil.example:443\" }", effect),
        _ => Permit(name, capability: "{ connect: \"evil.example:443\" }", effect: effect),
    };

    private static string Signed()
    {
        using var signer = new ComponentSigner();
        return $"{{ spiffeIdPrefix: {Shop}, signer: {signer.Name} }}";
    }
}
