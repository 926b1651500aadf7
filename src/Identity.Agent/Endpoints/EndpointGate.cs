using System.Collections.Frozen;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Identity.Agent.Endpoints;

/// <summary>
/// One table of what may be called by which socket, and the one place where a fault becomes a status. A service that is not in the table is
/// not served; a call on the wrong socket looks as if the service did not exist.
/// </summary>
internal sealed partial class EndpointGate(IHostApplicationLifetime lifetime, ILogger<EndpointGate> log) : Interceptor
{
    private const string WorkloadHeader = "workload.spiffe.io";
    private const string BrokerHeader = "broker.spiffe.io";
    private const string Health = "grpc.health.v1.Health";
    private const string Reflection = "grpc.reflection.v1.ServerReflection";
    private const string OlderReflection = "grpc.reflection.v1alpha.ServerReflection";

    // SPIFFE Workload Endpoint §3, Broker Endpoint §3: the header keeps a confused HTTP client of the workload from speaking for it.
    // Health alone is answered without: probes, spire-agent's among them, send none, and learn one word.
    private static readonly FrozenDictionary<(AgentEndpoint, string), string?> Served = new Dictionary<(AgentEndpoint, string), string?>
    {
        [(AgentEndpoint.Workload, "SpiffeWorkloadAPI")] = WorkloadHeader,
        [(AgentEndpoint.Workload, Health)] = null,
        [(AgentEndpoint.Workload, Reflection)] = WorkloadHeader,
        [(AgentEndpoint.Workload, OlderReflection)] = WorkloadHeader,
        [(AgentEndpoint.Broker, "spiffe.broker.API")] = BrokerHeader,
        [(AgentEndpoint.Broker, "identity.v1.Admission")] = BrokerHeader,
        [(AgentEndpoint.Broker, "identity.v1.Explain")] = BrokerHeader,
        [(AgentEndpoint.Broker, Health)] = null,
    }.ToFrozenDictionary();

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        Check(context);
        TResponse? response = null;
        await GuardAsync(context, async () => response = await continuation(request, context));
        return response!;
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Check(context);
        return GuardAsync(context, () => continuation(request, responseStream, context));
    }

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Check(context);
        return GuardAsync(context, () => continuation(requestStream, responseStream, context));
    }

    private static void Check(ServerCallContext context)
    {
        var call = context.GetHttpContext();
        call.Features.Get<CallDeadline>()?.Lift();
        var endpoint = call.Features.Get<EndpointFeature>()?.Endpoint ?? AgentEndpoint.None;
        var service = context.Method[1..context.Method.LastIndexOf('/')];
        if (!Served.TryGetValue((endpoint, service), out var header))
            throw new RpcException(new Status(StatusCode.Unimplemented, $"{service} is not served on this socket"));
        if (header is not null && context.RequestHeaders.GetValue(header) is not "true")
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the metadata '{header}: true' is missing"));
    }

    private async Task GuardAsync(ServerCallContext context, Func<Task> serve)
    {
        try
        {
            await serve();
        }
        catch (RpcException)
        {
            throw;
        }
        catch (Exception) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "the agent is stopping"));
        }
        catch (Exception) when (context.CancellationToken.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "the call was cancelled"));
        }
        catch (Exception e)
        {
            Failed(context.Method, e);
            throw new RpcException(new Status(StatusCode.Internal, "the agent failed; its log says more"));
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed")]
    private partial void Failed(string method, Exception exception);
}
