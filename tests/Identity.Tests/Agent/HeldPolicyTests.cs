using Identity.Agent.ControlPlane;
using Identity.V1;

namespace Identity.Tests.Agent;

/// <summary>What the agent makes of whole policies and of differences.</summary>
public sealed class HeldPolicyTests
{
    [Fact]
    public void Follows_what_is_new_what_is_changed_and_what_went()
    {
        var first = Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a")), ("b", Document("b"))));
        var second = Follow(first, Told(2, 1, ("b", Document("b", "changed")), ("c", Document("c"))));
        var third = Follow(second, new PolicySnapshot { Revision = 3, BaseRevision = 2, Removed = { "a" } });

        Assert.Equal(["b", "c"], third.Policy.Documents.Select(document => document.Name));
        Assert.Equal(["b/changed", "c/rule"], third.Policy.Clauses.Select(clause => clause.Rule.ToString()));
        Assert.Equal((3ul, 3L), (third.Revision, third.Policy.Revision));
        Assert.Equal(third.Policy.Documents.Select(document => document.Source), Follow(HeldPolicy.None, third.ToMessage()).Policy.Documents.Select(document => document.Source));
    }

    [Fact]
    public void Reads_a_document_once_and_makes_the_same_policy_once()
    {
        var first = Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a")), ("b", Document("b"))));
        var second = Follow(first, Told(2, 1, ("b", Document("b", "changed"))));

        Assert.Same(first.Policy.Documents[0], second.Policy.Documents[0]);
        Assert.Same(second, Follow(second, new PolicySnapshot { Revision = 2, BaseRevision = 2 }));
        Assert.Same(second, Follow(second, second.ToMessage()));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 2)]
    public void Refuses_a_difference_to_what_it_does_not_hold(ulong held, ulong baseRevision)
    {
        var last = Follow(HeldPolicy.None, Told(held, 0, ("a", Document("a"))));
        Assert.False(HeldPolicy.TryFollow(last, new PolicySnapshot { Revision = 4, BaseRevision = baseRevision }, out _, out var problem));
        Assert.Equal($"it tells what policy revision 4 changes in revision {baseRevision}, and this agent holds {held}", problem);
    }

    [Fact]
    public void Takes_other_documents_of_the_same_revision_for_what_they_say()
    {
        var last = Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a"))));
        Assert.Equal("b", Assert.Single(Follow(last, Told(1, 0, ("b", Document("b")))).Policy.Documents).Name);
        Assert.Empty(Follow(last, null).Policy.Documents);
        Assert.Empty(Follow(last, new PolicySnapshot { Revision = 1 }).Policy.Documents);
    }

    [Theory]
    [InlineData("kind: Nonsense")]
    [InlineData("kind: CapabilityPolicy\nname: other\nrules: []\n")]
    public void Denies_everything_while_a_document_cannot_be_read_or_calls_itself_otherwise(string text)
    {
        var good = Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a"))));
        var bad = Follow(good, Told(2, 1, ("b", text)));
        Assert.NotNull(bad.Policy.Unreadable);
        Assert.Empty(bad.Policy.Clauses);
        Assert.Null(Follow(bad, new PolicySnapshot { Revision = 3, BaseRevision = 2, Removed = { "b" } }).Policy.Unreadable);
    }

    private static HeldPolicy Follow(HeldPolicy last, PolicySnapshot? sent)
    {
        Assert.True(HeldPolicy.TryFollow(last, sent, out var held, out _));
        return held;
    }

    private static PolicySnapshot Told(ulong revision, ulong baseRevision, params (string Name, string Text)[] documents)
    {
        var told = new PolicySnapshot { Revision = revision, BaseRevision = baseRevision };
        foreach (var (name, text) in documents) told.Documents.Add(name, text);
        return told;
    }

    private static string Document(string name, string rule = "rule") => $$"""
        kind: CapabilityPolicy
        name: {{name}}
        rules:
          - { name: {{rule}}, effect: permit, subjects: [{ spiffeId: spiffe://example.org/c }], capabilities: [{ import: wasi:io/poll@0.2.0 }] }
        """;
}
