using System.Security.Cryptography;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Identity.Server.DecisionPoints;
using Identity.Server.NodeAttestation;
using Identity.Server.Registration;

namespace Identity.Server.Endpoints;

/// <summary>
/// The one way into every service: establishes the caller, refuses whom the table does not name, and is the only place where a fault
/// becomes an answer.
/// </summary>
internal sealed class CallGate(CallerIdentification identification, NodeRefusals nodes, TimeProvider time, ILogger<CallGate> logger) : Interceptor
{
    // Whoever floods us does not flood the log, and strangers keep nobody else out of it.
    private readonly RecordingBound _strangersLogged = new(60);
    private readonly RecordingBound _othersLogged = new(60);

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        TResponse? response = null;
        await RunAsync(context, async () => response = await continuation(request, context));
        return response!;
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        TResponse? response = null;
        await RunAsync(context, async () => response = await continuation(requestStream, context));
        return response!;
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(request, responseStream, context));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(requestStream, responseStream, context));

    private async Task RunAsync(ServerCallContext context, Func<Task> call)
    {
        var http = context.GetHttpContext();
        UnreadableRequest.WasRead(http);
        var caller = identification.Identify(http);
        http.Features.Set(caller);
        StrangerBounds.Apply(http, caller);
        if (!MethodTable.Allows(context.Method, caller.Kind))
        {
            if ((StrangerBounds.AreOf(caller) ? _strangersLogged : _othersLogged).HasRoom(time)) EndpointLog.CallRefused(logger, context.Method, caller.Kind);
            throw Refusal(context.Method, caller);
        }
        try
        {
            await call();
        }
        catch (RpcException)
        {
            throw;
        }
        catch (Exception e) when (context.CancellationToken.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "the caller has left"));
        }
        catch (Exception e)
        {
            var id = RandomNumberGenerator.GetHexString(16, lowercase: true);
            EndpointLog.CallFailed(logger, context.Method, id, e);
            throw new RpcException(new Status(StatusCode.Internal, $"internal error {id}; the server's log says more"));
        }
    }

    private RpcException Refusal(string method, Caller caller) => caller switch
    {
        Caller.Anonymous { Problem.Length: > 0, Id: { } id } when MethodTable.Allows(method, CallerKinds.PolicyAuthor) && !ReservedPaths.Contains(id) =>
            new RpcException(new Status(StatusCode.PermissionDenied, $"{method} is for administrators and those whom a PolicyRole names, and none names {id}")),
        Caller.Anonymous { Problem.Length: > 0 } known when MethodTable.Allows(method, CallerKinds.PolicyAuthor) =>
            new RpcException(new Status(StatusCode.PermissionDenied, $"{method} is for administrators and those whom a PolicyRole names: {known.Problem}")),
        Caller.Anonymous { Problem.Length: > 0, Id: { } id } known => nodes.Refuse(id, known.Serial, known.Problem, known.Reason, $"{method} needs an attested agent"),
        Caller.Anonymous { Problem.Length: > 0 } known => PermissionDeniedStatus.From($"{method} needs an attested agent: {known.Problem}", known.Reason),
        Caller.Anonymous when MethodTable.Allows(method, CallerKinds.Agent) =>
            new RpcException(new Status(StatusCode.Unauthenticated, $"{method} needs an attested agent's SVID as the client certificate; none was shown")),
        Caller.PolicyAuthor author when MethodTable.Allows(method, CallerKinds.Admin) =>
            new RpcException(new Status(StatusCode.PermissionDenied, $"{method} is for administrators, the server's own user and root, and {author.Named} is none; a role gives the methods of policy alone")),
        _ when MethodTable.Allows(method, CallerKinds.Admin) =>
            new RpcException(new Status(StatusCode.PermissionDenied, $"{method} is served on the admin socket only")),
        _ => new RpcException(new Status(StatusCode.PermissionDenied, $"{method} is not open to this caller")),
    };
}
