using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Server;
using Identity.Server.Endpoints;
using Identity.Server.Registration;
using Microsoft.Extensions.Configuration;
using Spiffe.Net;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Server.Svid.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;

namespace Identity.Tests.Server.Registration;

/// <summary>Whoever had one of these could sign in as the control plane, so neither an entry nor an operator's mistake gives them away.</summary>
public sealed class ReservedPathsTests : IAsyncLifetime
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");

    private readonly TemporaryFolder _folder = new();
    private RunningServer _server = null!;
    private GrpcChannel _admin = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/identityd")]
    [InlineData("/nats-server")]
    [InlineData("/spire")]
    [InlineData("/spire/server")]
    [InlineData("/spire/agent/join_token/0123")]
    [InlineData("/spire/anything/else")]
    public void No_entry_names_one(string path)
    {
        Assert.False(RegistrationEntry.TryParse(Entry(path, "/nodes/local"), TrustDomain, out _, out var problem));
        Assert.Contains($"spiffe_id spiffe://example.org{path} is reserved", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/identityd")]
    [InlineData("/nats-server")]
    [InlineData("/spire/anything")]
    public void No_entry_hangs_below_one_that_nobody_can_be(string path) =>
        Assert.False(RegistrationEntry.TryParse(Entry("/workload", path), TrustDomain, out _, out _));

    [Theory]
    [InlineData("/identity")]
    [InlineData("/Identityd")]
    [InlineData("/nats-server-2")]
    [InlineData("/ns/nats/sa/nats-server")]
    [InlineData("/spire-agent")]
    public void Names_that_only_look_alike_are_free(string path) =>
        Assert.True(RegistrationEntry.TryParse(Entry(path, "/nodes/local"), TrustDomain, out _, out var problem), problem);

    [Theory]
    [InlineData("/identityd")]
    [InlineData("/nats-server")]
    public async Task No_node_is_given_one_as_its_alias(string path)
    {
        var revision = _server.Ledger.State.Revision;
        var refusal = await Assert.ThrowsAsync<RpcException>(() => new AgentClient(_admin).CreateJoinTokenAsync(
            new CreateJoinTokenRequest { Ttl = 600, AgentId = new SPIFFEID { TrustDomain = "example.org", Path = path } }, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Equal(revision, _server.Ledger.State.Revision);
    }

    [Theory]
    [InlineData("/identityd")]
    [InlineData("/spire/server")]
    public async Task Nobody_mints_a_certificate_of_one(string path)
    {
        var issued = _server.Ledger.Issuances;
        var refusal = await Assert.ThrowsAsync<RpcException>(() => MintAsync(path));
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Contains("is reserved and cannot be minted", refusal.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(issued, _server.Ledger.Issuances);
    }

    [Theory]
    [InlineData("/identityd")]
    [InlineData("/nats-server")]
    [InlineData("/spire/server")]
    public async Task Nobody_mints_a_token_of_one(string path)
    {
        var request = new MintJWTSVIDRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = path }, Audience = { "spiffe://example.org/nats" } };
        var refusal = await Assert.ThrowsAsync<RpcException>(() => new SVID.SVIDClient(_admin).MintJWTSVIDAsync(request, cancellationToken: Cancellation).ResponseAsync);
        Assert.Contains("is reserved and cannot be minted", refusal.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_mints_the_certificate_of_nats_server() =>
        Assert.Equal("/nats-server", (await MintAsync("/nats-server")).Svid.Id.Path);

    public async ValueTask InitializeAsync()
    {
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["listen"] = "127.0.0.1:0",
            ["istio-listen"] = "127.0.0.1:0",
            ["nats-url"] = "tls://127.0.0.1:1",
        }).Build();
        Assert.True(ServerOptions.TryRead(settings, _folder.At("data"), out var options, out _));
        _server = await Identity.Server.Program.StartAsync(options, TimeProvider.System);
        _admin = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(options.AdminSocket), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
    }

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<MintX509SVIDResponse> MintAsync(string path)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri($"spiffe://example.org{path}"));
        request.CertificateExtensions.Add(names.Build());
        var csr = ByteString.CopyFrom(request.CreateSigningRequest());
        return await new SVID.SVIDClient(_admin).MintX509SVIDAsync(new MintX509SVIDRequest { Csr = csr }, cancellationToken: Cancellation);
    }

    private static Entry Entry(string path, string parent) => new()
    {
        SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = path },
        ParentId = new SPIFFEID { TrustDomain = "example.org", Path = parent },
        Selectors = { new Selector { Type = "unix", Value = "uid:1000" } },
    };
}
