using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.V1;
using Identity.WasmHost.WorkerProtocol;
using Spiffe.Broker;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

namespace Identity.WasmHost.Supervision;

/// <summary>
/// The agent's broker socket: mutual TLS with X509-SVIDs over a Unix socket. Here a host asks whether a component may start, and fetches
/// tokens for what was admitted.
/// </summary>
internal sealed class AgentBroker : IDisposable
{
    private const int ChunkBytes = 256 << 10;
    private static readonly TimeSpan TokenPatience = TimeSpan.FromSeconds(8);

    // SPIFFE Broker Endpoint §3: without it a call is refused.
    private static readonly Metadata Headers = new() { { "broker.spiffe.io", "true" } };

    private readonly GrpcChannel channel;
    private readonly Admission.AdmissionClient admissions;
    private readonly API.APIClient broker;

    /// <param name="source">This host's own identity; each connection takes the newest.</param>
    public AgentBroker(UnixDomainSocketEndPoint socket, TrustDomain trustDomain, X509Source source)
    {
        var agents = AuthorizedPeers.Under(SpiffeId.FromSegments(trustDomain, "spire", "agent"));
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) => await ConnectAsync(socket, source, agents, cancellation),
            // The agent asks for an SVID that is valid at each call; a connection must not outlive the one it was opened with.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(5),
            EnableMultipleHttp2Connections = true,
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
        };
        channel = GrpcChannel.ForAddress("https://agent", new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            ThrowOperationCanceledOnCancellation = true,
        });
        admissions = new Admission.AdmissionClient(channel);
        broker = new API.APIClient(channel);
    }

    /// <summary>Asks for admission and hands over each answer for as long as the agent keeps the call open. Cancelling ends the admission.</summary>
    /// <exception cref="RpcException">The agent is away, or refuses the call itself.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or the agent is gone: gRPC may tell either so.</exception>
    public async Task AdmitAsync(ComponentFile component, Func<AdmitResponse, Task> onAnswer, CancellationToken cancellation)
    {
        using var call = admissions.Admit(Headers, cancellationToken: cancellation);
        try
        {
            await SendAsync(call.RequestStream, component, cancellation);
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            // The call ended before all was sent; the reason is on the stream that is read next.
        }

        await foreach (var answer in call.ResponseStream.ReadAllAsync(cancellation)) await onAnswer(answer);
    }

    /// <summary>A JWT-SVID of the component that holds this admission, and of no other.</summary>
    public async Task<TokenResult> FetchTokenAsync(string admissionId, string spiffeId, string audience, CancellationToken cancellation)
    {
        var request = new FetchJWTSVIDRequest
        {
            Reference = new WorkloadReference { Reference = Any.Pack(new AdmissionReference { AdmissionId = admissionId }) },
            SpiffeId = spiffeId,
        };
        request.Audience.Add(audience);
        try
        {
            var options = new CallOptions(Headers, cancellationToken: cancellation).WithDeadline(TimeProvider.System.GetUtcNow().UtcDateTime + TokenPatience);
            var answer = await broker.FetchJWTSVIDAsync(request, options);
            return answer.Svids.FirstOrDefault(svid => svid.SpiffeId == spiffeId) is { } own
                ? new TokenResult.Issued(own.Svid)
                : new TokenResult.Refused("the agent has no token for this component");
        }
        catch (RpcException e)
        {
            return new TokenResult.Refused(e.StatusCode switch
            {
                StatusCode.NotFound => "the admission has ended",
                // The agent's own words: which audience, and the decision to ask about.
                StatusCode.PermissionDenied => PrintableText.Of(e.Status.Detail, 512),
                StatusCode.InvalidArgument => "the audience is not acceptable",
                _ => "the agent did not answer",
            });
        }
    }

    public void Dispose() => channel.Dispose();

    private static async Task SendAsync(IClientStreamWriter<AdmitRequest> requests, ComponentFile component, CancellationToken cancellation)
    {
        await requests.WriteAsync(
            new AdmitRequest { Header = new AdmitHeader { Name = component.Name, Size = (ulong)component.Bytes.Length, Calls = { EntryPoint.All } } }, cancellation);
        for (var offset = 0; offset < component.Bytes.Length; offset += ChunkBytes)
        {
            var chunk = component.Bytes.Slice(offset, Math.Min(ChunkBytes, component.Bytes.Length - offset));
            await requests.WriteAsync(new AdmitRequest { Chunk = UnsafeByteOperations.UnsafeWrap(chunk) }, cancellation);
        }

        await requests.CompleteAsync();
    }

    private static async Task<SslStream> ConnectAsync(
        UnixDomainSocketEndPoint address, X509Source source, AuthorizedPeers agents, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        SslStream? tls = null;
        try
        {
            await socket.ConnectAsync(address, cancellation);
            tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            var options = SpiffeTls.ClientOptions(source, agents);
            options.ApplicationProtocols = [SslApplicationProtocol.Http2];
            await tls.AuthenticateAsClientAsync(options, cancellation);
            return tls;
        }
        catch (Exception e)
        {
            if (tls is not null) await tls.DisposeAsync();
            socket.Dispose();
            // Without an SVID of our own there is no connection; gRPC should see it as one that failed.
            if (e is WorkloadApiException withoutIdentity) throw new AuthenticationException(withoutIdentity.Message, withoutIdentity);
            throw;
        }
    }
}
