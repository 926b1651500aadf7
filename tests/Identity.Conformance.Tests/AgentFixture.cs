using System.Net.Sockets;
using Grpc.Net.Client;
using Identity.Testing.Platform;
using Spiffe.WorkloadApi.V1;
using Xunit;

[assembly: AssemblyFixture(typeof(Identity.Conformance.Tests.AgentFixture))]

namespace Identity.Conformance.Tests;

/// <summary>identityd and identity-agent as shipped, with an entry for each program that asks; started once, with the first test that needs them.</summary>
public sealed class AgentFixture : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("identity-conformance-").FullName;
    private readonly Lazy<Task<LocalPlatform>> platform;

    public AgentFixture() => platform = new(StartAsync);

    public Task<LocalPlatform> PlatformAsync() => platform.Value;

    /// <summary>Where a program has to be to get an identity that lives for seconds. There is none until a test puts it there.</summary>
    public string RotatingPeer => Path.Combine(folder, "rotating-peer");

    /// <summary>A bare client over the agent's socket: no header but what the test sends, no check but the test's.</summary>
    internal static SpiffeWorkloadAPI.SpiffeWorkloadAPIClient Client(LocalPlatform platform) => new(Channel(platform));

    internal static GrpcChannel Channel(LocalPlatform platform)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(platform.WorkloadSocket), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    public async ValueTask DisposeAsync()
    {
        if (platform.IsValueCreated && platform.Value.IsCompletedSuccessfully) await (await platform.Value).DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private Task<LocalPlatform> StartAsync() =>
        StartAsync(
            folder, Entry("tests", Environment.ProcessPath!), Entry("go-client", Peers.SvidClient), Entry("spike/pilot/role/superuser", Peers.Spike),
            Entry("go-peer", Peers.TlsPeer), Entry("go-rotating", RotatingPeer) + "\nx509SvidTtl: 12s");

    internal static async Task<LocalPlatform> StartAsync(string folder, params string[] entries)
    {
        var started = new LocalPlatform(folder, Ports.Any(), natsServer: "");
        try
        {
            await started.StartServerAsync();
            await ChangeAsync(started, "apply", entries);
            await started.StartAgentAsync();
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>Applies or deletes entries as an operator would.</summary>
    internal static async Task ChangeAsync(LocalPlatform platform, string verb, params string[] entries)
    {
        var file = Path.Combine(platform.Folder, $"{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(file, string.Join("\n---\n", entries));
        await platform.IdentityAsync(default, verb, "-f", file);
    }

    internal static string Entry(string path, string program, string hint = "") =>
        $"""
        kind: RegistrationEntry
        spiffeId: spiffe://example.org/{path}
        parentId: spiffe://example.org/nodes/local
        selectors: ["unix:path:{program}"]
        """ + (hint.Length > 0 ? $"\nhint: {hint}" : "");
}
