using Google.Protobuf;
using Identity.Agent.ControlPlane;
using Identity.Agent.WorkloadAttestation;
using Identity.V1;

namespace Identity.Tests.Agent;

/// <summary>What a restart finds while the server is away.</summary>
public sealed class SnapshotStoreTests : IDisposable
{
    private readonly string _folder = RunningAgent.NewFolder();

    private string PolicyFile => Path.Combine(_folder, "policy.pb");

    private string SnapshotFile => Path.Combine(_folder, "snapshot.pb");

    [Fact]
    public void Tells_all_of_policy_whatever_difference_the_last_snapshot_told()
    {
        var store = new SnapshotStore(_folder);
        var first = Held(1, "a");
        store.Write(new Snapshot { Revision = 1, Policy = first.ToMessage() }, first);
        var second = Follow(first, new PolicySnapshot { Revision = 2, BaseRevision = 1, Documents = { ["b"] = Document("b") } });
        store.Write(new Snapshot { Revision = 2, Policy = new PolicySnapshot { Revision = 2, BaseRevision = 1 } }, second);

        var read = Assert.IsType<Snapshot>(new SnapshotStore(_folder).ReadIfExists());
        Assert.Equal((2ul, 2ul, 0ul), (read.Revision, read.Policy.Revision, read.Policy.BaseRevision));
        Assert.Equal(["a", "b"], read.Policy.Documents.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Does_not_write_policy_again_when_something_else_changed()
    {
        var store = new SnapshotStore(_folder);
        var held = Held(1, "a");
        store.Write(new Snapshot { Revision = 1 }, held);
        var (policy, snapshot) = (FileIdentity.Of(PolicyFile), FileIdentity.Of(SnapshotFile));

        // The file is replaced, never written into: another one has another identity, as long as the old one is still open.
        using var open = File.OpenHandle(SnapshotFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var openPolicy = File.OpenHandle(PolicyFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        store.Write(new Snapshot { Revision = 2 }, held);
        Assert.Equal(policy, FileIdentity.Of(PolicyFile));
        Assert.NotEqual(snapshot, FileIdentity.Of(SnapshotFile));

        store.Write(new Snapshot { Revision = 3 }, Held(2, "b"));
        Assert.NotEqual(policy, FileIdentity.Of(PolicyFile));
    }

    [Fact]
    public void Finds_newer_policy_with_the_rest_from_before_after_a_crash_between_the_two()
    {
        var store = new SnapshotStore(_folder);
        store.Write(new Snapshot { Revision = 1 }, Held(1, "a"));
        Directory.CreateDirectory(SnapshotFile + ".new");
        Assert.ThrowsAny<SystemException>(() => store.Write(new Snapshot { Revision = 2 }, Held(2, "b")));

        var read = Assert.IsType<Snapshot>(new SnapshotStore(_folder).ReadIfExists());
        Assert.Equal((1ul, 2ul), (read.Revision, read.Policy.Revision));
    }

    [Fact]
    public void Writes_policy_again_after_it_could_not()
    {
        var store = new SnapshotStore(_folder);
        var (first, second) = (Held(1, "a"), Held(2, "b"));
        store.Write(new Snapshot { Revision = 1 }, first);
        Directory.CreateDirectory(PolicyFile + ".new");
        Assert.ThrowsAny<SystemException>(() => store.Write(new Snapshot { Revision = 2 }, second));
        Assert.Equal(1ul, new SnapshotStore(_folder).ReadIfExists()?.Revision);

        Directory.Delete(PolicyFile + ".new");
        store.Write(new Snapshot { Revision = 2 }, second);
        Assert.Equal((2ul, 2ul), (new SnapshotStore(_folder).ReadIfExists() is { } read) ? (read.Revision, read.Policy.Revision) : default);
    }

    [Fact]
    public void Finds_nothing_where_nothing_was_stored_or_all_was_forgotten()
    {
        var store = new SnapshotStore(_folder);
        Assert.Null(store.ReadIfExists());
        var held = Held(1, "a");
        store.Write(new Snapshot { Revision = 1 }, held);
        store.Forget();
        Assert.Null(new SnapshotStore(_folder).ReadIfExists());
        Assert.Empty(Directory.EnumerateFiles(_folder));

        // A new attestation may be told the same policy.
        store.Write(new Snapshot { Revision = 1 }, held);
        Assert.Equal(1ul, new SnapshotStore(_folder).ReadIfExists()?.Policy.Revision);
    }

    [Fact]
    public void Reads_what_was_stored_when_policy_had_no_file_of_its_own()
    {
        File.WriteAllBytes(SnapshotFile, new Snapshot { Revision = 1, Policy = Held(1, "a").ToMessage() }.ToByteArray());
        Assert.Equal("a", Assert.Single(new SnapshotStore(_folder).ReadIfExists()!.Policy.Documents).Key);
    }

    [Fact]
    public void Refuses_entries_whose_policy_is_gone()
    {
        new SnapshotStore(_folder).Write(new Snapshot { Revision = 1 }, Held(1, "a"));
        File.Delete(PolicyFile);
        Assert.Equal($"'{PolicyFile}' is missing", Assert.Throws<IOException>(() => new SnapshotStore(_folder).ReadIfExists()).Message);
    }

    [Theory]
    [InlineData("snapshot.pb")]
    [InlineData("policy.pb")]
    public void Refuses_what_is_not_what_it_wrote(string file)
    {
        new SnapshotStore(_folder).Write(new Snapshot { Revision = 1 }, Held(1, "a"));
        File.WriteAllBytes(Path.Combine(_folder, file), [0xff, 0xff, 0xff]);
        Assert.Throws<InvalidProtocolBufferException>(() => new SnapshotStore(_folder).ReadIfExists());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Document(string name) => $"kind: CapabilityPolicy\nname: {name}\nrules:\n  - permit: [\"wasi:clocks\"]\n";

    private static HeldPolicy Held(ulong revision, string name) => Follow(HeldPolicy.None, new PolicySnapshot { Revision = revision, Documents = { [name] = Document(name) } });

    private static HeldPolicy Follow(HeldPolicy last, PolicySnapshot sent)
    {
        Assert.True(HeldPolicy.TryFollow(last, sent, out var held, out var problem), problem);
        return held;
    }
}
