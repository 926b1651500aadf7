// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;

namespace Identity.Tests.Server.Endpoints;

public sealed partial class AdminSocketTests
{
    private const int Nobody = 65534;

    [Fact]
    public async Task Closes_the_connection_of_another_user_before_a_byte_is_read_even_when_the_file_lets_it_in()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "NOT TESTED: only root can connect as somebody else.");
        await using var server = await RegistryServer.StartAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(server.AdminSocket));
        for (var folder = Path.GetDirectoryName(server.AdminSocket)!; folder != Path.GetTempPath().TrimEnd('/'); folder = Path.GetDirectoryName(folder)!)
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);
        // The group's too: the thread below keeps the group of root.
        File.SetUnixFileMode(server.AdminSocket, UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);

        var (as0, asNobody) = (0, 0);
        // The raw call changes the user of this thread alone; the C library's would change that of every thread.
        var thread = new Thread(() =>
        {
            as0 = ReadAfterPreface(server.AdminSocket);
            SetUser(RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 147 : 117, -1, Nobody, -1);
            asNobody = ReadAfterPreface(server.AdminSocket);
        });
        thread.Start();
        thread.Join();
        Assert.True(as0 > 0, "root is let in");
        Assert.Equal(0, asNobody);
    }

    [Fact]
    public async Task Tells_everyone_that_it_is_healthy_and_operators_alone_what_it_serves()
    {
        await using var server = await RegistryServer.StartAsync();
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await new Health.HealthClient(server.Anonymous).CheckAsync(new())).Status);

        Assert.Contains("spire.api.server.entry.v1.Entry", await ServicesAsync(server.Admin));
        var refused = await Assert.ThrowsAsync<RpcException>(() => ServicesAsync(server.Anonymous));
        Assert.True(refused.StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated, refused.Status.ToString());
    }

    private static async Task<IEnumerable<string>> ServicesAsync(CallInvoker invoker)
    {
        using var call = new ServerReflection.ServerReflectionClient(invoker).ServerReflectionInfo();
        await call.RequestStream.SendAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        return call.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name);
    }

    /// <summary>How many bytes come back after the opening of an HTTP/2 connection; 0 when it is closed.</summary>
    private static int ReadAfterPreface(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 30_000 };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            socket.Send([.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
            return socket.Receive(new byte[64]);
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown ? 0 : -(int)e.SocketErrorCode;
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SetUser(nint setresuid, nint real, nint effective, nint saved);
}
