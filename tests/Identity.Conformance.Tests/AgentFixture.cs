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

    /// <summary>A bare client over the agent's socket: no header but what the test sends, no check but the test's.</summary>
    internal static SpiffeWorkloadAPI.SpiffeWorkloadAPIClient Client(LocalPlatform platform)
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
        return new(GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true }));
    }

    public async ValueTask DisposeAsync()
    {
        if (platform.IsValueCreated && platform.Value.IsCompletedSuccessfully) await (await platform.Value).DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task<LocalPlatform> StartAsync()
    {
        var started = new LocalPlatform(folder, Ports.Any(), natsServer: "");
        try
        {
            await started.StartServerAsync();
            var entries = Path.Combine(folder, "entries.yaml");
            await File.WriteAllTextAsync(entries, string.Join("\n---\n", Entry("tests", Environment.ProcessPath!), Entry("go-client", Peers.SvidClient), Entry("spike/pilot/role/superuser", Peers.Spike)));
            await started.IdentityAsync(default, "apply", "-f", entries);
            await started.StartAgentAsync();
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    private static string Entry(string path, string program) =>
        $"""
        kind: RegistrationEntry
        spiffeId: spiffe://example.org/{path}
        parentId: spiffe://example.org/nodes/local
        selectors: ["unix:path:{program}"]
        """;
}
