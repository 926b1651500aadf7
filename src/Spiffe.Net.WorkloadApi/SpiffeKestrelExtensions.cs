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
            OnConnection = handshake => ValueTask.FromResult(
                SpiffeTls.ServerOptions(source, peers, id => handshake.Connection.Features.Set(new VerifiedPeer(id)))),
        });

    /// <summary>Who sent this request. Null when it came over an endpoint without <see cref="UseSpiffeTls"/>.</summary>
    public static SpiffeId? GetPeerSpiffeId(this HttpContext context) => context.Features.Get<VerifiedPeer>()?.Id;

    private sealed record VerifiedPeer(SpiffeId Id);
}
