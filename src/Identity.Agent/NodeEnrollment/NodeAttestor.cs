using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Spiffe.Net;
using AgentApi = Spire.Api.Server.Agent.V1;
using Types = Spire.Api.Types;

namespace Identity.Agent.NodeEnrollment;

/// <summary>Gets this node's SVID: by a join token the first time, by the SVID it has from then on.</summary>
internal sealed class NodeAttestor(AgentOptions options, ServerConnection server, ServerTrust trust, TimeProvider time)
{
    private const int MaxTokenBytes = 4096;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(15);

    /// <summary>Throws <see cref="StartRefusedException"/> when there is no token to attest with.</summary>
    public string ReadJoinToken()
    {
        const string remedy = "make one with `identity token generate --output-file FILE` and give it with --join-token-file FILE";
        if (options.JoinTokenFile is not { } file) throw new StartRefusedException($"this node has no valid SVID and no join token; {remedy}");
        var content = PrivateFiles.ReadIfExists(file, MaxTokenBytes)
            ?? throw new StartRefusedException($"this node has no valid SVID and there is no join token in '{file}'; {remedy}");
        var token = Encoding.UTF8.GetString(content).Trim();
        return token.Length > 0 ? token : throw new StartRefusedException($"the join token file '{file}' is empty; {remedy}");
    }

    public async Task<X509Svid> AttestAsync(string joinToken, CancellationToken cancellation)
    {
        using var request = new SvidRequest();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Deadline);
        var (channel, handler) = server.OpenAnonymous();
        using (handler)
        using (channel)
        {
            using var call = new AgentApi.Agent.AgentClient(channel).AttestAgent(cancellationToken: deadline.Token);
            try
            {
                await call.RequestStream.WriteAsync(Attestation(joinToken, request), deadline.Token);
                await call.RequestStream.CompleteAsync();
            }
            catch (Exception e) when (e is RpcException or InvalidOperationException or OperationCanceledException && !deadline.IsCancellationRequested)
            {
                // Refused before all was sent; the reason is on the stream that is read next.
            }

            if (!await call.ResponseStream.MoveNext(deadline.Token)) throw new RpcException(new Status(StatusCode.Unavailable, "no answer"));
            return Complete(request, call.ResponseStream.Current.Result?.Svid, expected: null);
        }
    }

    public async Task<X509Svid> RenewAsync(X509Svid current, CancellationToken cancellation)
    {
        using var request = new SvidRequest();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Deadline);
        var response = await new AgentApi.Agent.AgentClient(server.Channel).RenewAgentAsync(
            new AgentApi.RenewAgentRequest { Params = new() { Csr = request.Csr } }, cancellationToken: deadline.Token);
        return Complete(request, response.Svid, current.Id);
    }

    private static AgentApi.AttestAgentRequest Attestation(string joinToken, SvidRequest request) => new()
    {
        Params = new()
        {
            Data = new Types.AttestationData { Type = "join_token", Payload = ByteString.CopyFromUtf8(joinToken) },
            Params_ = new AgentApi.AgentX509SVIDParams { Csr = request.Csr },
        },
    };

    private X509Svid Complete(SvidRequest request, Types.X509SVID? answer, SpiffeId? expected)
    {
        var svid = request.Complete(answer, expected, trust.Bundles, time.GetUtcNow(), "", out var problem);
        return svid ?? throw new RpcException(new Status(StatusCode.DataLoss, problem!));
    }
}
