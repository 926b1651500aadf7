using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Mutual TLS between SPIFFE identities, for ASP.NET Core, over HTTP/1.1 and HTTP/2. See <see cref="SpiffeTls"/> for what it promises. A connection ends once the
/// SVID of either end has expired or newer bundles refuse the client: it takes no new requests, and what still runs half a minute later is cut off.
/// </summary>
public static class SpiffeKestrelExtensions
{
    /// <summary>
    /// Serves every endpoint over mTLS to <paramref name="peers"/> and nobody else, whatever configuration or command line say where to listen. The host does not start where
    /// code keeps an endpoint out of it (told to listen before this call, or endpoint defaults set after it), and a request that came over no such connection, or over one that
    /// is nobody's any more, gets 401 and reaches no endpoint. Refusals go to <see cref="WorkloadApiClientOptions.Logger"/>, or to the host's loggers where that is not set; so
    /// do, while the host runs, the troubles of <paramref name="source"/>.
    /// </summary>
    /// <param name="web">The host.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    public static IWebHostBuilder UseSpiffeTls(this IWebHostBuilder web, X509Source source, AuthorizedPeers peers) =>
        web.ConfigureServices(services => services.AddSpiffeTls().AddEveryEndpoint(source.TimeProvider))
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.UseSpiffeTls(source, peers)));

    /// <summary>
    /// As the other overload, for one endpoint among others. The services need <see cref="AddSpiffeTls"/> too. The host does not start where the endpoint's protocols
    /// include HTTP/3.
    /// </summary>
    /// <param name="listen">The endpoint.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    /// <exception cref="InvalidOperationException">The services lack <see cref="AddSpiffeTls"/>.</exception>
    public static ListenOptions UseSpiffeTls(this ListenOptions listen, X509Source source, AuthorizedPeers peers)
    {
        if (listen.ApplicationServices?.GetServices<IStartupFilter>().OfType<NobodyIsRefused>().Any() is not true)
        {
            throw new InvalidOperationException(
                $"The endpoint {listen.EndPoint} would serve requests of clients that are not believed any more. Call builder.Services.{nameof(AddSpiffeTls)}() beside {nameof(UseSpiffeTls)}.");
        }

        var refusals = RefusalsOf(listen, source);
        LendLogger(listen, source);
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = handshake =>
            {
                // An endpoint of HTTP/3 alone is not put together below. Its connections could not be watched.
                if (handshake.Connection is not ConnectionContext) throw NotOverHttp3(listen);
                var check = new PeerCheck(source, peers, refusals);
                handshake.Connection.Features.Set(check);
                return ValueTask.FromResult(ServerOptions(source, check, refusals));
            },
        });
        listen.Use(next =>
        {
            // Kestrel puts an endpoint together when it starts; by then all code and configuration has had its say.
            if (listen.Protocols.HasFlag(HttpProtocols.Http3)) throw NotOverHttp3(listen);
            listen.ApplicationServices.GetService<EveryEndpoint>()?.Covers(listen);
            return connection => ServeWhileBelievedAsync(connection, next);
        });
        return listen;
    }

    /// <summary>
    /// Refuses each request whose client is not believed any more, on every endpoint with <see cref="UseSpiffeTls(ListenOptions, X509Source, AuthorizedPeers)"/>, before
    /// anything else of the application sees it.
    /// </summary>
    public static IServiceCollection AddSpiffeTls(this IServiceCollection services)
    {
        // The first of all: another filter might answer requests itself.
        if (!services.Any(service => service.ImplementationType == typeof(NobodyIsRefused)))
            services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, NobodyIsRefused>());
        return services;
    }

    /// <summary>
    /// Who sent this request. Null when it came over an endpoint without mTLS, and on an old connection whose peer's
    /// SVID has meanwhile expired or is no longer genuine by the newest bundles: null is nobody.
    /// </summary>
    public static SpiffeId? GetPeerSpiffeId(this HttpContext context) => context.Features.Get<PeerCheck>()?.FindIdNow();

    private static void AddEveryEndpoint(this IServiceCollection services, TimeProvider timeProvider)
    {
        services.AddSingleton(provider => new EveryEndpoint(provider, provider.GetRequiredService<ILoggerFactory>(), timeProvider));
        services.AddHostedService(provider => provider.GetRequiredService<EveryEndpoint>());
    }

    private static SslServerAuthenticationOptions ServerOptions(X509Source source, PeerCheck check, RefusalLog refusals)
    {
        try
        {
            return SpiffeTls.ServerOptions(source, check, null);
        }
        catch (WorkloadApiException e)
        {
            // Kestrel takes this one for what it is, a handshake that failed, and ends the connection without a word.
            refusals.HasNoIdentity(e.Message);
            throw new AuthenticationException(e.Message, e);
        }
    }

    // For as long as the host runs; its loggers are of no use afterwards.
    private static void LendLogger(ListenOptions listen, X509Source source)
    {
        if (source.HasOwnLogger || listen.ApplicationServices.GetService<ILoggerFactory>() is not { } loggers) return;
        var giveBack = source.BorrowLogger(loggers.CreateLogger(typeof(X509Source).FullName!));
        listen.ApplicationServices.GetService<IHostApplicationLifetime>()?.ApplicationStopped.Register(giveBack);
    }

    private static RefusalLog RefusalsOf(ListenOptions listen, X509Source source) =>
        !source.HasOwnLogger && listen.ApplicationServices.GetService<ILoggerFactory>() is { } loggers
            ? new RefusalLog(loggers.CreateLogger(typeof(SpiffeTls).FullName!), source.TimeProvider)
            : source.Refusals;

    private static InvalidOperationException NotOverHttp3(ListenOptions listen) =>
        new($"The endpoint {listen.EndPoint} is to serve HTTP/3, over which SPIFFE mTLS is not supported. Set the endpoint's Protocols to {nameof(HttpProtocols.Http1AndHttp2)}.");

    private static async Task ServeWhileBelievedAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        // Kestrel's way to end a connection in order: idle ones at once, others after their requests. The client makes a new one, with its newest SVID.
        var end = connection.Features.Get<IConnectionLifetimeNotificationFeature>();
        using var watch = new ConnectionWatch(
            connection.Features.GetRequiredFeature<PeerCheck>(),
            () => end?.RequestClose(),
            () => connection.Abort(new ConnectionAbortedException($"an SVID of this connection ended {ConnectionWatch.Grace.TotalSeconds} s ago")));
        await next(connection).ConfigureAwait(false);
    }
}
