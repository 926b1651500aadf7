using Identity.Agent.WorkloadAttestation;

namespace Identity.Tests.Agent;

public sealed class SubordinateUsersTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("subuid-").FullName;

    [Theory]
    [InlineData(1000, 1000)]
    [InlineData(99_999, 99_999)]
    [InlineData(100_000, 1000)]
    [InlineData(165_535, 1000)]
    [InlineData(165_536, 1001)]
    [InlineData(300_000, -300_002)]
    [InlineData(300_009, -300_002)]
    [InlineData(300_010, 300_010)]
    // Containers of root's, or of an engine's, are not root, and not one another.
    [InlineData(1_000_000, -1_000_002)]
    [InlineData(1_065_535, -1_000_002)]
    [InlineData(1_065_536, -1_065_538)]
    [InlineData(2_147_483_647, -2_147_483_649)]
    [InlineData(2_147_549_183, -2_147_549_185)]
    // A range that is laid over an account takes nobody's own.
    [InlineData(1001, 1001)]
    [InlineData(uint.MaxValue, uint.MaxValue)]
    public void Counts_the_users_of_containers_as_those_they_belong_to(uint uid, long owner)
    {
        var names = new AccountNames(Write("passwd", "root:x:0:0::/:/bin/sh\nkubelet:x:300:300::/:/bin/false\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n"), Write("group", ""));
        var users = new SubordinateUsers(names, Write("subuid", "ann:100000:65536\n1001:165536:65536\nsomebody.of.a.directory:300000:10\nnonsense\nann:x:1\nann:-1:5\nroot:1001:1\nroot:1000000:10000000\nkubelet:2147483647:1000000000\n"));
        Assert.Equal(owner, users.OwnerOf(uid));
    }

    [Fact]
    public void Is_everybody_for_himself_where_there_is_no_such_file() =>
        Assert.Equal(100_000, new SubordinateUsers(new AccountNames("/no/such/file", "/no/such/file"), "/no/such/file").OwnerOf(100_000));

    [Fact]
    public void Goes_by_what_was_read_last_while_the_file_cannot_be_read()
    {
        var names = new AccountNames(Write("passwd", "ann:x:1000:1000::/:/bin/sh\n"), Write("group", ""));
        var file = Write("subuid", "ann:100000:65536\n");
        var users = new SubordinateUsers(names, file);
        Assert.Equal(1000, users.OwnerOf(100_000));

        // Nobody can open a socket.
        File.Delete(file);
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(file));
        Assert.Equal(1000, users.OwnerOf(100_000));
        Assert.Equal(300_000, users.OwnerOf(300_000));
        Assert.Equal(100_000, new SubordinateUsers(names, file).OwnerOf(100_000));
    }

    private string Write(string name, string content)
    {
        var file = Path.Combine(_folder, name);
        File.WriteAllText(file, content);
        return file;
    }
}
