using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Mutual TLS between SPIFFE identities, for ASP.NET Core. See <see cref="SpiffeTls"/> for what it promises.</summary>
public static class SpiffeKestrelExtensions
{
    /// <summary>
    /// Serves this endpoint over mTLS to <paramref name="peers"/> and nobody else. A connection ends, after the requests that run on it, once its
    /// client's SVID has expired or newer bundles refuse it. Refusals go to <see cref="WorkloadApiClientOptions.Logger"/>, or to the host's loggers
    /// where that is not set.
    /// </summary>
    /// <param name="listen">The endpoint.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    public static ListenOptions UseSpiffeTls(this ListenOptions listen, X509Source source, AuthorizedPeers peers)
    {
        var refusals = RefusalsOf(listen, source);
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = handshake =>
            {
                var check = new PeerCheck(source, peers, refusals);
                handshake.Connection.Features.Set(check);
                return ValueTask.FromResult(SpiffeTls.ServerOptions(source, check, null));
            },
        });
        listen.Use(next => connection => ServeWhileBelievedAsync(connection, next));
        return listen;
    }

    /// <summary>
    /// Serves every endpoint over mTLS to <paramref name="peers"/> and nobody else, whatever configuration or command line say where to listen. As the
    /// other overload, and a request that still comes over a connection that is nobody's gets 401 and reaches no endpoint.
    /// </summary>
    /// <param name="web">The host.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    public static IWebHostBuilder UseSpiffeTls(this IWebHostBuilder web, X509Source source, AuthorizedPeers peers) =>
        web.ConfigureServices(services => services.AddSingleton<IStartupFilter>(new NobodyIsRefused()))
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.UseSpiffeTls(source, peers)));

    /// <summary>
    /// Who sent this request. Null when it came over an endpoint without mTLS, and on an old connection whose peer's
    /// SVID has meanwhile expired or is no longer genuine by the newest bundles: null is nobody.
    /// </summary>
    public static SpiffeId? GetPeerSpiffeId(this HttpContext context) => context.Features.Get<PeerCheck>()?.FindIdNow();

    private static RefusalLog RefusalsOf(ListenOptions listen, X509Source source) =>
        source.Logger == NullLogger.Instance && listen.ApplicationServices?.GetService<ILoggerFactory>() is { } loggers
            ? new RefusalLog(loggers.CreateLogger(typeof(SpiffeTls).FullName!), source.TimeProvider)
            : source.Refusals;

    private static async Task ServeWhileBelievedAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        // Kestrel's way to end a connection in order: idle ones at once, others after their requests. The client makes a new one, with its newest SVID.
        var end = connection.Features.Get<IConnectionLifetimeNotificationFeature>();
        using var watch = connection.Features.Get<PeerCheck>()?.Watch(() => end?.RequestClose());
        await next(connection).ConfigureAwait(false);
    }

    /// <summary>For the request that comes in the moment before its connection is ended.</summary>
    private sealed class NobodyIsRefused : IStartupFilter
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
}
