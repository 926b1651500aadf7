// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Identity.Server.DecisionPoints;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>Whoever begins a body and does not go on is told so over TLS at both HTTP doors, and holds up nobody.</summary>
public sealed class SlowBodyTests
{
    private const string Pep = "spiffe://example.org/gateways/edge";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task AuthZEN_answers_408()
    {
        await using var world = await DecisionWorld.StartAsync(null, ("decision-client:0", Pep), ("authzen-listen", "https://127.0.0.1:0"), ("authzen-url", "https://pdp.example.org"));
        await IsGivenUpAsync(world, world.Server.Listeners.AuthZen!, "/access/v1/evaluation", await world.Server.MintAsync(Pep));
    }

    [Fact]
    public async Task The_admission_webhook_answers_408()
    {
        await using var world = await DecisionWorld.StartAsync(null, ("admission-listen", "127.0.0.1:0"));
        await IsGivenUpAsync(world, world.Server.Listeners.Admission!, "/validate", certificate: null);
    }

    private static async Task IsGivenUpAsync(DecisionWorld world, IPEndPoint door, string path, SslStreamCertificateContext? certificate)
    {
        // The ten seconds of a body pass at once; every other time on this server is what it was.
        world.Server.Time.Passed = BoundedBody.Within;
        using var client = new TcpClient();
        await client.ConnectAsync(door);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificateContext = certificate,
            RemoteCertificateValidationCallback = (_, leaf, chain, _) => X509SvidVerifier.Verify(
                [leaf!.GetRawCertData(), .. chain!.ChainPolicy.ExtraStore.Select(above => (ReadOnlyMemory<byte>)above.RawData)],
                world.Bundles,
                world.Server.Time.GetUtcNow()) is X509SvidVerification.Verified { Id.Path: "/spire/server" },
        });
        // One byte of a hundred.
        await tls.WriteAsync(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"));
        using var reader = new StreamReader(tls, Encoding.ASCII);
        Assert.Equal("HTTP/1.1 408 Request Timeout", await reader.ReadLineAsync().WaitAsync(Deadline));
        Assert.Empty(world.Server.Decisions.List(10, deniedOnly: false));
    }
}
