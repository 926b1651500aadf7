using System.Collections;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Server;
using Identity.Server.Endpoints;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Server.Bundle.V1;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;
using BundleClient = Spire.Api.Server.Bundle.V1.Bundle.BundleClient;

namespace Identity.Tests.Server.Endpoints;

/// <summary>What someone without an identity can make a server do.</summary>
public sealed class StrangerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Reads_no_more_of_a_strangers_request_than_an_honest_one_has()
    {
        await using var server = await StartAsync();
        using var channel = Connect(server, null);
        var client = new BundleClient(channel);
        // An unknown field, which every parser keeps: the request is well formed, only large.
        var honest = GetBundleRequest.Parser.ParseFrom(Padding(1 << 10));
        var large = GetBundleRequest.Parser.ParseFrom(Padding(1 << 20));

        Assert.Equal("example.org", (await client.GetBundleAsync(honest, cancellationToken: Cancellation)).TrustDomain);
        await Assert.ThrowsAsync<RpcException>(() => client.GetBundleAsync(large, cancellationToken: Cancellation).ResponseAsync);
    }

    [Fact]
    public async Task Reads_no_more_of_a_strangers_stream_either()
    {
        await using var server = await StartAsync();
        using var channel = Connect(server, null);
        using var call = new AgentClient(channel).AttestAgent(cancellationToken: Cancellation);
        var request = new AttestAgentRequest { Params = new() { Data = new() { Type = "join_token", Payload = ByteString.CopyFrom(new byte[1 << 20]) } } };

        var refused = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            await call.RequestStream.WriteAsync(request, Cancellation);
            await call.ResponseStream.MoveNext(Cancellation);
        });

        // Not the answer of the service, which would have had all of it in memory.
        Assert.DoesNotContain("join token", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fetches_nothing_that_a_strangers_certificate_points_to()
    {
        using var trap = new TcpListener(IPAddress.Loopback, 0);
        trap.Start();
        await using var server = await StartAsync();
        using var certificate = CertificateIssuedAt($"http://{trap.LocalEndpoint}/issuer.cer");
        using var channel = Connect(server, certificate);

        await Assert.ThrowsAsync<RpcException>(() => new AgentClient(channel).RenewAgentAsync(new RenewAgentRequest(), cancellationToken: Cancellation).ResponseAsync);

        Assert.False(trap.Pending());
    }

    private async Task<RunningServer> StartAsync()
    {
        var settings = ServerSettings.Gather(["--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0"], new Hashtable());
        Assert.True(ServerOptions.TryRead(settings, _folder.At("data"), out var options, out _));
        return await Identity.Server.Program.StartAsync(options, TimeProvider.System);
    }

    private static GrpcChannel Connect(RunningServer server, X509Certificate2? certificate)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, leaf, _, _) => leaf is not null } };
        if (certificate is not null) handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        return GrpcChannel.ForAddress($"https://{server.Listeners.Grpc}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    private static X509Certificate2 CertificateIssuedAt(string address)
    {
        using var issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=nobody", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(ocspUris: null, caIssuersUris: [address]));
        using var certificate = request.Create(
            new X500DistinguishedName("CN=elsewhere"),
            X509SignatureGenerator.CreateForECDsa(issuerKey),
            DateTimeOffset.UnixEpoch.AddYears(50),
            DateTimeOffset.UnixEpoch.AddYears(100),
            [1]);
        return certificate.CopyWithPrivateKey(key);
    }

    private static byte[] Padding(int bytes)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            output.WriteTag(1000, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(new byte[bytes]));
        }

        return buffer.ToArray();
    }
}
