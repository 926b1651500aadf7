using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Broker;
using Spiffe.WorkloadApi.V1;

namespace Identity.Tests.WasmHost;

/// <summary>
/// An agent on real sockets that says what a test tells it to: a Workload API that gives the host its identity, and a broker socket with
/// mutual TLS that answers admissions.
/// </summary>
internal sealed class FakeAgent : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fake-agent-").FullName;
    private readonly ConcurrentDictionary<string, Channel<AdmitResponse>> answers = new();
    private readonly WebApplication app;

    private FakeAgent(string id)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var root = Certificate("spiffe://example.org", key, null);
        Root = root.RawData;
        using var agentKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var agent = Certificate(id, agentKey, root);
        using var hostKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var host = Certificate("spiffe://example.org/hosts/local", hostKey, root);
        Host = new Spiffe.WorkloadApi.V1.X509SVID
        {
            SpiffeId = "spiffe://example.org/hosts/local",
            X509Svid = ByteString.CopyFrom(host.RawData),
            X509SvidKey = ByteString.CopyFrom(hostKey.ExportPkcs8PrivateKey()),
            Bundle = ByteString.CopyFrom(Root),
        };

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(this);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(WorkloadSocket, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.ListenUnixSocket(BrokerSocket, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = agent.CopyWithPrivateKey(agentKey);
                    https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                    https.ClientCertificateValidation = (certificate, _, _) => certificate.RawData.AsSpan().SequenceEqual(Host.X509Svid.Span);
                });
            });
        });
        app = builder.Build();
        app.MapGrpcService<Workloads>();
        app.MapGrpcService<Admissions>();
        app.MapGrpcService<Broker>();
    }

    public string WorkloadSocket => Path.Combine(folder, "workload.sock");

    public string BrokerSocket => Path.Combine(folder, "broker.sock");

    /// <summary>Admission and audience of each token that was fetched.</summary>
    public ConcurrentQueue<(string AdmissionId, string Audience)> Tokens { get; } = new();

    private byte[] Root { get; }

    private Spiffe.WorkloadApi.V1.X509SVID Host { get; }

    public static async Task<FakeAgent> StartAsync(string id = "spiffe://example.org/spire/agent/test")
    {
        var agent = new FakeAgent(id);
        await agent.app.StartAsync();
        return agent;
    }

    /// <summary>Says this on the component's Admit call, now or when it comes. An empty answer ends the call instead.</summary>
    public void Say(string name, AdmitResponse answer) => For(name).Writer.TryWrite(answer);

    public void Admit(string name, string admissionId, TimeSpan lease, params string[] imports) => Say(name, new AdmitResponse
    {
        Admitted = new Admitted
        {
            AdmissionId = admissionId,
            SpiffeId = $"spiffe://example.org/components/{name}",
            Imports = { imports },
            Decision = new Decision { Id = "d-yes" },
            ExpiresAt = Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow() + lease),
        },
    });

    public void HangUp(string name) => Say(name, new AdmitResponse());

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, channel) in answers) channel.Writer.TryComplete();
        using var impatient = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await app.StopAsync(impatient.Token);
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private Channel<AdmitResponse> For(string name) => answers.GetOrAdd(name, _ => Channel.CreateUnbounded<AdmitResponse>());

    private static X509Certificate2 Certificate(string id, ECDsa key, X509Certificate2? issuer)
    {
        var request = new CertificateRequest(issuer is null ? "O=authority" : "O=leaf", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(id));
        request.CertificateExtensions.Add(names.Build());
        var isAuthority = issuer is null;
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            isAuthority ? X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign : X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var (from, to) = (TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddHours(2));
        if (issuer is null) return request.CreateSelfSigned(from, to.AddHours(1));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, true, false));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false));
        return request.Create(issuer, from.AddMinutes(1), to, RandomNumberGenerator.GetBytes(16));
    }

    private sealed class Workloads(FakeAgent agent) : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
    {
        public override async Task FetchX509SVID(X509SVIDRequest request, IServerStreamWriter<X509SVIDResponse> stream, ServerCallContext context)
        {
            await stream.WriteAsync(new X509SVIDResponse { Svids = { agent.Host } }, context.CancellationToken);
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
        }
    }

    private sealed class Admissions(FakeAgent agent) : Admission.AdmissionBase
    {
        public override async Task Admit(IAsyncStreamReader<AdmitRequest> requests, IServerStreamWriter<AdmitResponse> stream, ServerCallContext context)
        {
            Assert.Equal("true", context.RequestHeaders.GetValue("broker.spiffe.io"));
            Assert.True(await requests.MoveNext());
            var name = requests.Current.Header.Name;
            Assert.Equal(["#run", "wasi:cli/run@0.2.0#run"], requests.Current.Header.Calls);
            using var bytes = new MemoryStream();
            await foreach (var request in requests.ReadAllAsync()) request.Chunk.WriteTo(bytes);
            await foreach (var answer in agent.For(name).Reader.ReadAllAsync(context.CancellationToken))
            {
                if (answer.EventCase == AdmitResponse.EventOneofCase.None) return;
                if (answer.Admitted is { Digest: "" } admitted)
                {
                    admitted.Digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes.ToArray()))}";
                    admitted.Linked.AddRange(Granted.Imports(bytes.ToArray(), admitted.Imports).Select(linked => new InterfaceGrant { Name = linked.Name, Functions = { linked.Functions } }));
                    admitted.Exports.AddRange(Granted.Exports(bytes.ToArray()).Select(export => new InterfaceGrant { Name = export.Name, Functions = { export.Functions } }));
                }

                await stream.WriteAsync(answer);
            }
        }
    }

    private sealed class Broker(FakeAgent agent) : API.APIBase
    {
        public override Task<FetchJWTSVIDResponse> FetchJWTSVID(FetchJWTSVIDRequest request, ServerCallContext context)
        {
            var admission = request.Reference.Reference.Unpack<AdmissionReference>().AdmissionId;
            agent.Tokens.Enqueue((admission, request.Audience.Single()));
            return Task.FromResult(new FetchJWTSVIDResponse
            {
                Svids = { new Spiffe.Broker.JWTSVID { SpiffeId = request.SpiffeId, Svid = $"token-of-{admission}" } },
            });
        }
    }
}
