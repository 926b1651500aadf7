using System.IO.Compression;
using Google.Protobuf;
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

    [Fact]
    public void Follows_packed_documents_as_those_that_are_not()
    {
        var first = Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a")), ("b", Document("b"))));
        var second = Follow(first, Packed(Told(2, 1, ("b", Document("b", "changed")), ("c", Document("c")))));

        Assert.Equal(["a/rule", "b/changed", "c/rule"], second.Policy.Clauses.Select(clause => clause.Rule.ToString()));
        Assert.Same(first.Policy.Documents[0], second.Policy.Documents[0]);
        Assert.Equal(["c"], Follow(second, Packed(Told(3, 0, ("c", Document("c"))))).Policy.Documents.Select(document => document.Name));
    }

    public static TheoryData<string, string> Broken => new()
    {
        { "cut short", "are not" },
        { "longer than it says", "are not" },
        { "shorter than it says", "are not" },
        { "no Brotli", "are not" },
        { "nothing, but a size", "are not" },
        { "no size", "expected none, and 1 to 268435456 bytes" },
        { "more than may be", "expected none, and 1 to 268435456 bytes" },
        { "others beside it", "it has 1 documents beside packed ones" },
        { "no documents", "are no documents" },
    };

    // Documents that are lost may be those that forbid.
    [Theory]
    [MemberData(nameof(Broken))]
    public void Refuses_packed_documents_that_are_not_what_they_say(string how, string problem)
    {
        var sent = Packed(Told(2, 1, ("a", Document("a", "changed")), ("b", Document("b"))));
        switch (how)
        {
            case "cut short": sent.PackedDocuments = ByteString.CopyFrom(sent.PackedDocuments.Span[..^3]); break;
            case "longer than it says": sent.UnpackedSize--; break;
            case "shorter than it says": sent.UnpackedSize++; break;
            case "no Brotli": sent.PackedDocuments = ByteString.CopyFromUtf8(Document("a")); break;
            case "nothing, but a size": sent.PackedDocuments = ByteString.Empty; break;
            case "no size": sent.UnpackedSize = 0; break;
            case "more than may be": sent.UnpackedSize = (256 << 20) + 1; break;
            case "others beside it": sent.Documents.Add("c", Document("c")); break;
            case "no documents": sent = Packed(2, 1, [0x22, 0xff, 1]); break;
            default: throw new ArgumentOutOfRangeException(nameof(how), how, null);
        }

        Assert.False(HeldPolicy.TryFollow(Follow(HeldPolicy.None, Told(1, 0, ("a", Document("a")))), sent, out _, out var said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    private static PolicySnapshot Packed(PolicySnapshot told) => Packed(told.Revision, told.BaseRevision, new PolicySnapshot { Documents = { told.Documents } }.ToByteArray());

    private static PolicySnapshot Packed(ulong revision, ulong baseRevision, byte[] documents)
    {
        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(documents.Length)];
        Assert.True(BrotliEncoder.TryCompress(documents, packed, out var written));
        return new() { Revision = revision, BaseRevision = baseRevision, PackedDocuments = ByteString.CopyFrom(packed.AsSpan(0, written)), UnpackedSize = (uint)documents.Length };
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
