using Grpc.Core;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spire.Api.Server.Bundle.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.Bundles;

/// <summary>
/// <c>spire.api.server.bundle.v1.Bundle</c>: what to trust here and in other trust domains. Authorities of the own trust domain are made here
/// only, so AppendBundle, PublishJWTAuthority and PublishWITAuthority are not served.
/// </summary>
internal sealed class BundleService(ControlPlaneLedger ledger, SigningAuthority authority, FederatedBundles federated) : Bundle.BundleBase
{
    public override Task<Types.Bundle> GetBundle(GetBundleRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        return Task.FromResult(BundleWire.Apply(request.OutputMask, BundleWire.From(authority.Bundle(state), state)));
    }

    /// <summary>As SPIRE: the own bundle counts too.</summary>
    public override Task<CountBundlesResponse> CountBundles(CountBundlesRequest request, ServerCallContext context) =>
        Task.FromResult(new CountBundlesResponse { Count = ledger.State.FederatedBundles.Count + 1 });

    public override Task<ListFederatedBundlesResponse> ListFederatedBundles(ListFederatedBundlesRequest request, ServerCallContext context)
    {
        var (bundles, next) = Page.Of(ledger.State.FederatedBundles.Values, bundle => bundle.TrustDomain, request.PageSize, request.PageToken);
        var response = new ListFederatedBundlesResponse { NextPageToken = next };
        response.Bundles.AddRange(bundles.Select(bundle => BundleWire.Apply(request.OutputMask, bundle)));
        return Task.FromResult(response);
    }

    public override Task<Types.Bundle> GetFederatedBundle(GetFederatedBundleRequest request, ServerCallContext context)
    {
        if (!federated.TryName(request.TrustDomain, out var name, out var problem)) throw new RpcException(new(StatusCode.InvalidArgument, problem));
        return ledger.State.FederatedBundles.TryGetValue(name.Name, out var bundle)
            ? Task.FromResult(BundleWire.Apply(request.OutputMask, bundle))
            : throw new RpcException(new(StatusCode.NotFound, BundleAnswer.NotFound(name.Name).Message));
    }

    public override async Task<BatchCreateFederatedBundleResponse> BatchCreateFederatedBundle(
        BatchCreateFederatedBundleRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Bundle.Count);
        var answers = await federated.CreateAsync(request.Bundle, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchCreateFederatedBundleResponse();
        response.Results.AddRange(answers.Select(answer =>
            new BatchCreateFederatedBundleResponse.Types.Result { Status = answer.Status, Bundle = Masked(request.OutputMask, answer) }));
        return response;
    }

    public override async Task<BatchUpdateFederatedBundleResponse> BatchUpdateFederatedBundle(
        BatchUpdateFederatedBundleRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Bundle.Count);
        var answers = await federated.UpdateAsync(request.Bundle, request.InputMask, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchUpdateFederatedBundleResponse();
        response.Results.AddRange(answers.Select(answer =>
            new BatchUpdateFederatedBundleResponse.Types.Result { Status = answer.Status, Bundle = Masked(request.OutputMask, answer) }));
        return response;
    }

    public override async Task<BatchSetFederatedBundleResponse> BatchSetFederatedBundle(BatchSetFederatedBundleRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Bundle.Count);
        var answers = await federated.SetAsync(request.Bundle, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchSetFederatedBundleResponse();
        response.Results.AddRange(answers.Select(answer =>
            new BatchSetFederatedBundleResponse.Types.Result { Status = answer.Status, Bundle = Masked(request.OutputMask, answer) }));
        return response;
    }

    public override async Task<BatchDeleteFederatedBundleResponse> BatchDeleteFederatedBundle(
        BatchDeleteFederatedBundleRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.TrustDomains.Count);
        var answers = await federated.DeleteAsync(request.TrustDomains, request.Mode, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchDeleteFederatedBundleResponse();
        response.Results.AddRange(answers.Zip(request.TrustDomains, (answer, name) =>
            new BatchDeleteFederatedBundleResponse.Types.Result { Status = answer.Status, TrustDomain = name }));
        return response;
    }

    private static Types.Bundle? Masked(Types.BundleMask? mask, BundleAnswer answer) =>
        answer.Bundle is { } bundle ? BundleWire.Apply(mask, bundle) : null;

    private static void RefuseLargeBatch(int count)
    {
        if (count > FederatedBundles.MaxBatch)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the batch has {count} items; at most {FederatedBundles.MaxBatch} are allowed"));
        }
    }
}
