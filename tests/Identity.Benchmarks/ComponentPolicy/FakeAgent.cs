using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.V1;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;

namespace Identity.Benchmarks.ComponentPolicy;

/// <summary>
/// An attested agent on a TLS connection of its own that listens to Sync. With a <see cref="DecidingView"/> it reads what it hears and decides by it, as an agent does; without, the
/// bytes are taken off the wire and not parsed, for a thousand parsers on one machine would be what is measured.
/// </summary>
internal sealed class FakeAgent : IDisposable
{
    // As the shipped agent says.
    private static readonly Metadata AcceptsPacked = new() { { "identity-accept-packed", "br" } };

    private readonly GrpcChannel _channel;
    private AsyncDuplexStreamingCall<AgentReport, Arrival>? _call;

    private FakeAgent(GrpcChannel channel) => _channel = channel;

    /// <param name="At">When the last byte was here.</param>
    /// <param name="Decided">When a decision was made by it, and what it was; null where nothing decides.</param>
    public sealed record Arrival(int Bytes, long At, (long At, bool IsAdmitted)? Decided);

    /// <param name="node">The alias of its node, under which entries would hang.</param>
    /// <param name="from">The address it calls from: one address may not attest as often as a whole fleet.</param>
    public static async Task<FakeAgent> AttestAsync(
        IPEndPoint server, IPAddress from, SPIFFEID node, AgentClient admin, CancellationToken cancellation)
    {
        var token = (await admin.CreateJoinTokenAsync(new CreateJoinTokenRequest { Ttl = 600, AgentId = node }, cancellationToken: cancellation)).Value;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var csr = new CertificateRequest("CN=ignored", key, HashAlgorithmName.SHA256).CreateSigningRequest();
        using var stranger = Open(server, from, null);
        using var attest = new AgentClient(stranger).AttestAgent(cancellationToken: cancellation);
        await attest.RequestStream.WriteAsync(
            new AttestAgentRequest
            {
                Params = new()
                {
                    Data = new AttestationData { Type = "join_token", Payload = ByteString.CopyFromUtf8(token) },
                    Params_ = new AgentX509SVIDParams { Csr = ByteString.CopyFrom(csr) },
                },
            },
            cancellation);
        if (!await attest.ResponseStream.MoveNext(cancellation)) throw new InvalidOperationException("no answer to the attestation");
        var svid = attest.ResponseStream.Current.Result.Svid;
        var leaf = X509CertificateLoader.LoadCertificate(svid.CertChain[0].Span).CopyWithPrivateKey(key);
        var above = new X509Certificate2Collection(svid.CertChain.Skip(1).Select(c => X509CertificateLoader.LoadCertificate(c.Span)).ToArray());
        return new FakeAgent(Open(server, from, SslStreamCertificateContext.Create(leaf, above, offline: true)));
    }

    /// <summary>One that proves nothing, where nobody asks who it is.</summary>
    public static FakeAgent Stranger(IPEndPoint server, IPAddress from) => new(Open(server, from, null));

    /// <summary>Opens its stream anew, in the place of the one before, and takes what it is told first.</summary>
    /// <param name="view">What it decides with; null where it only listens.</param>
    public async Task SubscribeAsync(DecidingView? view, CancellationToken cancellation)
    {
        Unsubscribe();
        _call = _channel.CreateCallInvoker().AsyncDuplexStreamingCall(Subscribe(view), null, new CallOptions(AcceptsPacked));
        await NextAsync(cancellation);
    }

    public void Unsubscribe() => _call?.Dispose();

    /// <summary>The next snapshot.</summary>
    public async Task<Arrival> NextAsync(CancellationToken cancellation) =>
        await _call!.ResponseStream.MoveNext(cancellation) ? _call.ResponseStream.Current : throw new InvalidOperationException("the server ended the stream");

    public void Dispose()
    {
        Unsubscribe();
        _channel.Dispose();
    }

    private static Method<AgentReport, Arrival> Subscribe(DecidingView? view) => new(
        MethodType.DuplexStreaming,
        Sync.Descriptor.FullName,
        "Subscribe",
        Marshallers.Create((AgentReport report) => report.ToByteArray(), AgentReport.Parser.ParseFrom),
        Marshallers.Create((_, _) => { }, context => Arrived(context, view)));

    private static Arrival Arrived(DeserializationContext context, DecidingView? view)
    {
        var at = Stopwatch.GetTimestamp();
        if (view is null) return new Arrival(context.PayloadLength, at, null);
        var isAdmitted = view.Follow(context.PayloadAsReadOnlySequence());
        return new Arrival(context.PayloadLength, at, (Stopwatch.GetTimestamp(), isAdmitted));
    }

    // Whom it talks to is not what is measured here, and both are this machine.
    private static GrpcChannel Open(IPEndPoint server, IPAddress from, SslStreamCertificateContext? client) => GrpcChannel.ForAddress($"https://{server}", new GrpcChannelOptions
    {
        DisposeHttpClient = true,
        MaxReceiveMessageSize = 64 << 20,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                socket.Bind(new IPEndPoint(from, 0));
                await socket.ConnectAsync(server, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions { ClientCertificateContext = client, RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null },
        },
    });
}
