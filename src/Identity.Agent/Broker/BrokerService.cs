using Google.Protobuf;
using Grpc.Core;
using Identity.Agent.Admission;
using Identity.Agent.ControlPlane;
using Identity.Agent.Endpoints;
using Identity.Agent.SvidCache;
using Spiffe.Broker;
using Spiffe.Net;
using Status = Grpc.Core.Status;

namespace Identity.Agent.Broker;

/// <summary>
/// The SPIFFE Broker API for components: a host fetches the identity of a component it was granted an admission for. The one reference type is
/// type.googleapis.com/identity.v1.AdmissionReference, good for the host that holds the admission and as long as it holds (§4.9).
/// </summary>
internal sealed class BrokerService(
    BrokerCallers callers,
    AdmissionRegister admissions,
    AudienceDoor audiences,
    X509SvidCache x509Svids,
    JwtSvidCache jwtSvids,
    ViewHolder views,
    ChangeFeed changes,
    IHostApplicationLifetime lifetime) : API.APIBase
{
    public const int MostForEachHost = 4000;

    private readonly StreamBounds _bounds = new(MostForEachHost);

    public override Task SubscribeToX509SVID(
        SubscribeToX509SVIDRequest request, IServerStreamWriter<SubscribeToX509SVIDResponse> responseStream, ServerCallContext context) =>
        StreamAsync(request.Reference, responseStream, context, async (view, admission, cancellation) =>
        {
            var svid = await x509Svids.GetAsync(admission.Entry, cancellation)
                ?? throw new RpcException(new Status(StatusCode.Unavailable, "the X509-SVID cannot be had from the server now; retry"));
            return new SubscribeToX509SVIDResponse
            {
                Svids =
                {
                    new X509SVID
                    {
                        SpiffeId = svid.Id.ToString(), X509Svid = svid.Chain, X509SvidKey = svid.PrivateKey, Bundle = view.BundleDer, Hint = admission.Entry.Hint,
                    },
                },
            };
        });

    public override Task SubscribeToX509Bundles(
        SubscribeToX509BundlesRequest request, IServerStreamWriter<SubscribeToX509BundlesResponse> responseStream, ServerCallContext context) =>
        StreamAsync(request.Reference, responseStream, context, static (view, _, _) =>
            Task.FromResult(new SubscribeToX509BundlesResponse { Bundles = { [view.Bundle.TrustDomain.Id.ToString()] = view.BundleDer } }));

    public override Task SubscribeToJWTBundles(
        SubscribeToJWTBundlesRequest request, IServerStreamWriter<SubscribeToJWTBundlesResponse> responseStream, ServerCallContext context) =>
        StreamAsync(request.Reference, responseStream, context, static (view, _, _) =>
            Task.FromResult(new SubscribeToJWTBundlesResponse { Bundles = { [view.Bundle.TrustDomain.Id.ToString()] = view.JwtBundleJson } }));

    public override async Task<FetchJWTSVIDResponse> FetchJWTSVID(FetchJWTSVIDRequest request, ServerCallContext context)
    {
        var caller = callers.Of(context);
        using var bound = _bounds.Enter(caller.Id.ToString());
        var admission = Resolve(request.Reference, caller);
        if (Audiences.FindProblem(request.Audience) is { } problem) throw new RpcException(new Status(StatusCode.InvalidArgument, problem));
        if (request.SpiffeId.Length > 0 && !SpiffeId.TryParse(request.SpiffeId, out _, out problem))
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"spiffe_id: {problem}"));
        if (request.SpiffeId.Length > 0 && request.SpiffeId != admission.Entry.SpiffeId.ToString())
            throw BrokerErrors.NotEntitled($"the component is not entitled to {request.SpiffeId}");

        // The ID first: clients cut long details short.
        if (audiences.RefuseComponent(views.Current!, admission, request.Audience) is { } refusal)
            throw BrokerErrors.NotEntitled($"decision {refusal.Id}: {refusal.Summary}");

        var ended = admission.Ended;
        var token = await jwtSvids.GetAsync(admission.Entry, audiences.Naming(admission, request.Audience), context.CancellationToken);
        // It may have ended while the server was asked.
        if (ended.IsCancellationRequested) throw Over();
        return new FetchJWTSVIDResponse
        {
            Svids = { new JWTSVID { SpiffeId = admission.Entry.SpiffeId.ToString(), Svid = token, Hint = admission.Entry.Hint } },
        };
    }

    private async Task StreamAsync<T>(
        WorkloadReference? reference,
        IServerStreamWriter<T> responses,
        ServerCallContext context,
        Func<ControlPlaneView, LiveAdmission, CancellationToken, Task<T>> compose)
        where T : class, IMessage<T>
    {
        var caller = callers.Of(context);
        using var bound = _bounds.Enter(caller.Id.ToString());
        var admission = Resolve(reference, caller);
        var ended = admission.Ended;
        using var inUse = x509Svids.Use(admission.Entry);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping, ended);
        T? sent = null;
        try
        {
            await foreach (var _ in changes.WatchAsync(ending.Token))
            {
                var response = await compose(views.Current!, admission, ending.Token);
                if (response.Equals(sent)) continue;
                await responses.WriteAsync(response, ending.Token);
                sent = response;
            }
        }
        catch (Exception) when (ended.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
        {
            throw Over();
        }
    }

    private LiveAdmission Resolve(WorkloadReference? reference, BrokerCaller caller)
    {
        if (reference?.Reference is not { } any || any.TypeUrl.Length == 0) throw BrokerErrors.ReferenceInvalid("the workload reference is missing");
        if (!any.Is(V1.AdmissionReference.Descriptor))
            throw BrokerErrors.ReferenceInvalid($"this endpoint knows references of type {V1.AdmissionReference.Descriptor.FullName} only");
        try
        {
            var id = any.Unpack<V1.AdmissionReference>().AdmissionId;
            if (id.Length is 0 or > 64) throw BrokerErrors.ReferenceInvalid("admission_id must have 1 to 64 characters");
            return admissions.Find(id, caller.Id) ?? throw BrokerErrors.NotFound("this host holds no such admission");
        }
        catch (InvalidProtocolBufferException)
        {
            throw BrokerErrors.ReferenceInvalid("the workload reference cannot be read");
        }
    }

    private static RpcException Over() => BrokerErrors.NotFound("the admission is over");
}
