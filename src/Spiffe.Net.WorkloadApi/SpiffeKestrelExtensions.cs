using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Mutual TLS between SPIFFE identities, for ASP.NET Core. See <see cref="SpiffeTls"/> for what it promises.</summary>
public static class SpiffeKestrelExtensions
{
    /// <summary>Serves this endpoint over mTLS to <paramref name="peers"/> and nobody else.</summary>
    /// <param name="listen">The endpoint.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    public static ListenOptions UseSpiffeTls(this ListenOptions listen, X509Source source, AuthorizedPeers peers) =>
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = handshake =>
            {
                var check = new PeerCheck(source, peers);
                handshake.Connection.Features.Set(check);
                return ValueTask.FromResult(SpiffeTls.ServerOptions(source, check, null));
            },
        });

    /// <summary>Serves every endpoint over mTLS to <paramref name="peers"/> and nobody else, whatever configuration or command line say where to listen.</summary>
    /// <param name="web">The host.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    public static IWebHostBuilder UseSpiffeTls(this IWebHostBuilder web, X509Source source, AuthorizedPeers peers) =>
        web.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.UseSpiffeTls(source, peers)));

    /// <summary>
    /// Who sent this request. Null when it came over an endpoint without mTLS, and on an old connection whose peer's
    /// SVID has meanwhile expired or is no longer genuine by the newest bundles: null is nobody.
    /// </summary>
    public static SpiffeId? GetPeerSpiffeId(this HttpContext context) => context.Features.Get<PeerCheck>()?.FindIdNow();
}
