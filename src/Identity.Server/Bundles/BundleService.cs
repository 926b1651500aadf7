using Grpc.Core;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Spire.Api.Server.Bundle.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.Bundles;

/// <summary><c>spire.api.server.bundle.v1.Bundle</c>: what to trust. Federation is not served yet.</summary>
internal sealed class BundleService(ControlPlaneLedger ledger, SigningAuthority authority) : Bundle.BundleBase
{
    public override Task<Types.Bundle> GetBundle(GetBundleRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        var answer = BundleWire.From(authority.Bundle(state), state);
        // As SPIRE: no mask means everything.
        if (request.OutputMask is { } mask)
        {
            Keep(mask, answer);
        }
        return Task.FromResult(answer);
    }

    private static void Keep(Types.BundleMask mask, Types.Bundle answer)
    {
        if (!mask.X509Authorities)
        {
            answer.X509Authorities.Clear();
        }
        if (!mask.JwtAuthorities)
        {
            answer.JwtAuthorities.Clear();
        }
        if (!mask.WitAuthorities)
        {
            answer.WitAuthorities.Clear();
        }
        if (!mask.RefreshHint)
        {
            answer.RefreshHint = 0;
        }
        if (!mask.SequenceNumber)
        {
            answer.SequenceNumber = 0;
        }
    }
}

internal static class BundlesSetup
{
    extension(WebApplication app)
    {
        public WebApplication MapBundles()
        {
            app.MapGrpcService<BundleService>();
            return app;
        }
    }
}
