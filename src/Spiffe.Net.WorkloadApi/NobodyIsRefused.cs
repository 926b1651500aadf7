using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Spiffe.Net.WorkloadApi;

/// <summary>For requests that come in before a connection that is nobody's any more has ended; newer bundles are noticed here first.</summary>
internal sealed class NobodyIsRefused : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use((context, then) =>
        {
            if (context.Features.Get<PeerCheck>() is null || context.GetPeerSpiffeId() is not null) return then(context);
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = SpiffeAuthentication.X509Scheme;
            return Task.CompletedTask;
        });
        next(app);
    };
}
