using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// For requests that come in before a connection that is nobody's any more has ended; newer bundles are noticed here first. And for those over no connection of ours, where
/// there is to be no other.
/// </summary>
/// <param name="every">Null where endpoints without mTLS are let be.</param>
internal sealed class NobodyIsRefused(EveryEndpoint? every = null) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use((context, then) =>
        {
            var hasPeer = context.Features.Get<PeerCheck>() is not null;
            if (hasPeer ? context.GetPeerSpiffeId() is not null : every is null) return then(context);
            if (!hasPeer) every!.Refuse(context);
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = SpiffeAuthentication.X509Scheme;
            return Task.CompletedTask;
        });
        next(app);
    };
}
