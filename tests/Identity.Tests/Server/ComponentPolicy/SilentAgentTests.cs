using System.Collections;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using Identity.Ledger.V1;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Endpoints;
using Identity.V1;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;
using Spire.Api.Types;
using AgentRecord = Identity.Ledger.V1.Agent;
using PolicyRecord = Identity.Ledger.V1.Policy;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>An agent that was taken over keeps its stream open and reads nothing, to hear of nothing that is taken from it.</summary>
public sealed class SilentAgentTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly SpiffeId AgentId = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/1");
    private static readonly SpiffeId HostId = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Ends_the_admissions_of_a_banned_agent_that_does_not_read()
    {
        await using var server = await StartAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (agent, channel) = await AttestAsync(server, key);
        using var open = channel;
        // More than the windows of HTTP/2 and the buffers on the way hold: the first snapshot is stuck until somebody reads it.
        await AppendAsync(server, new Change { PolicySet = new PolicyRecord { Name = "large", Text = new string('#', 4 << 20) } });
        using var call = new Sync.SyncClient(channel).Subscribe(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new AgentReport { Admitted = Admission() }, Cancellation);
        var live = server.Services.GetRequiredService<Identity.Server.ComponentPolicy.LiveAdmissions>();
        await using var ended = live.WatchEndedAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        var next = ended.MoveNextAsync().AsTask();
        await UntilAsync(() => live.IsLive(Greeter));

        var banned = agent.Clone();
        banned.Banned = true;
        await AppendAsync(server, new Change { AgentSet = banned });

        Assert.True(await next.WaitAsync(Deadline, Cancellation));
        Assert.Equal(Greeter, ended.Current);
        Assert.False(live.IsLive(Greeter));
    }

    private async Task<RunningServer> StartAsync()
    {
        var settings = ServerSettings.Gather(["--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0"], new Hashtable());
        Assert.True(ServerOptions.TryRead(settings, _folder.At("data"), out var options, out _));
        return await Identity.Server.Program.StartAsync(options, TimeProvider.System);
    }

    private static async Task<(AgentRecord Agent, GrpcChannel Channel)> AttestAsync(RunningServer server, ECDsa key)
    {
        Assert.True(SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out _));
        var signing = await server.Services.GetRequiredService<SigningAuthority>().SignX509Async(new X509SigningRequest(AgentId, publicKey, "test"), Cancellation);
        var svid = Assert.IsType<X509Signing.Issued>(signing).Svid;
        var agent = new AgentRecord
        {
            SpiffeId = AgentId.ToString(),
            AttestationType = "join_token",
            Serial = svid.SerialNumber.ToLowerInvariant(),
            SvidExpiresAt = Timestamp.FromDateTimeOffset(svid.NotAfter),
        };
        await AppendAsync(
            server,
            new Change { AgentSet = agent },
            new Change { EntrySet = Entry("host", HostId, AgentId, "unix", "uid:1000") },
            new Change { EntrySet = Entry("greeter", Greeter, HostId, "wasm", "name:greeter") });

        using var bare = X509CertificateLoader.LoadCertificate(svid.Chain[0].Span);
        var above = new X509Certificate2Collection(svid.Chain.Skip(1).Select(c => X509CertificateLoader.LoadCertificate(c.Span)).ToArray());
        var handler = new SocketsHttpHandler
        {
            SslOptions =
            {
                ClientCertificateContext = SslStreamCertificateContext.Create(bare.CopyWithPrivateKey(key), above, offline: true),
                RemoteCertificateValidationCallback = (_, leaf, _, _) => leaf is not null,
            },
        };
        return (agent, GrpcChannel.ForAddress($"https://{server.Listeners.Grpc}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true }));
    }

    private static Entry Entry(string id, SpiffeId spiffeId, SpiffeId parent, string type, string value) => new()
    {
        Id = id,
        SpiffeId = new SPIFFEID { TrustDomain = spiffeId.TrustDomain.Name, Path = spiffeId.Path },
        ParentId = new SPIFFEID { TrustDomain = parent.TrustDomain.Name, Path = parent.Path },
        Selectors = { new Selector { Type = type, Value = value } },
    };

    private static LiveAdmission Admission() => new()
    {
        AdmissionId = "a1",
        SpiffeId = Greeter.ToString(),
        HostSpiffeId = HostId.ToString(),
        EntryId = "greeter",
        Digest = "sha256:" + new string('0', 64),
    };

    private static Task<global::Identity.Server.Ledger.Append> AppendAsync(RunningServer server, params Change[] changes) =>
        server.Ledger.AppendAsync(new Transaction { Author = "test", Reason = "test", Changes = { changes } }, expectedRevision: null, Cancellation);

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(Deadline);
        while (!condition()) await Task.Delay(10, deadline.Token);
    }
}
