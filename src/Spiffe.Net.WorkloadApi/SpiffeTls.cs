using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Mutual TLS between SPIFFE identities. TLS 1.3 only; no resumption, which would skip the check of the peer (so a withdrawn bundle
/// counts at once); the peer is known by its SPIFFE ID, never by host name; our certificate is picked for each connection, so rotation
/// needs no restart. For Kestrel see <see cref="SpiffeKestrelExtensions"/>.
/// </summary>
public static class SpiffeTls
{
    // So that load spreads over servers that come later; trust has ends of its own.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    /// <summary>What a server needs for one connection. Make them anew for each, as in <see cref="SslStream"/>'s options callback.</summary>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which clients are let in.</param>
    /// <param name="onPeer">Told the client's ID once it is verified and authorized; null when nobody asks.</param>
    /// <exception cref="WorkloadApiException">We have no identity at the moment.</exception>
    public static SslServerAuthenticationOptions ServerOptions(X509Source source, AuthorizedPeers peers, Action<SpiffeId>? onPeer = null) =>
        ServerOptions(source, new PeerCheck(source, peers, source.Refusals), onPeer);

    /// <summary>What a client needs for one connection. Make them anew for each.</summary>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which servers we talk to.</param>
    /// <param name="onPeer">Told the server's ID once it is verified and authorized; null when nobody asks.</param>
    /// <exception cref="WorkloadApiException">We have no identity at the moment.</exception>
    public static SslClientAuthenticationOptions ClientOptions(X509Source source, AuthorizedPeers peers, Action<SpiffeId>? onPeer = null) =>
        ClientOptions(source, new PeerCheck(source, peers, source.Refusals), onPeer);

    /// <summary>Does the server's side of the handshake on a connected stream. A client that refuses us shows it only with the first read.</summary>
    /// <exception cref="AuthenticationException">The handshake failed; the message names the reason if the client was refused.</exception>
    public static async Task<SpiffeTlsConnection> AcceptAsync(
        Stream transport, X509Source source, AuthorizedPeers peers, CancellationToken cancellation = default)
    {
        var check = new PeerCheck(source, peers, source.Refusals);
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        return await HandshakeAsync(tls, check, c => tls.AuthenticateAsServerAsync(ServerOptions(source, check, null), c), cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Does the client's side of the handshake on a connected stream. With TLS 1.3 a server refuses us only after that. A connection that ends before the first byte was
    /// read is therefore an <see cref="IOException"/> and no end of stream: where a server has nothing to say by design, its end is no proof that it took anything either.
    /// </summary>
    /// <exception cref="AuthenticationException">The handshake failed; the message names the reason if the server was refused.</exception>
    public static async Task<SpiffeTlsConnection> ConnectAsync(
        Stream transport, X509Source source, AuthorizedPeers peers, CancellationToken cancellation = default)
    {
        var check = new PeerCheck(source, peers, source.Refusals);
        var tls = new ClientTls(transport, isPooled: false);
        return await HandshakeAsync(tls, check, c => tls.AuthenticateAsClientAsync(ClientOptions(source, check, null), c), cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// An HTTP handler for <c>https://</c> addresses whose servers are <paramref name="peers"/>, over HTTP/1.1 and HTTP/2. No proxies, no redirects. A new SVID and new bundles count with the
    /// next request, which gets a connection of its own; so does the end of either side's SVID, and a request that still runs half a minute after that is cut off.
    /// Without an identity it throws <see cref="HttpRequestException"/>, which has the <see cref="WorkloadApiException"/>.
    /// </summary>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which servers we talk to.</param>
    /// <param name="onPeer">Told the server's ID with each new connection.</param>
    /// <param name="configure">Sets what else a pool of connections should be like, such as their number; called for each pool. What this handler promises it cannot change.</param>
    public static HttpMessageHandler CreateHandler(
        X509Source source, AuthorizedPeers peers, Action<SpiffeId>? onPeer = null, Action<SocketsHttpHandler>? configure = null) =>
        new RotatingHandler(source, end =>
        {
            var handler = new SocketsHttpHandler { PooledConnectionLifetime = ConnectionLifetime, ConnectTimeout = ConnectTimeout };
            configure?.Invoke(handler);

            // The handler would keep its own TLS options for good; a handshake of our own is what lets each connection take the newest certificate.
            handler.ConnectCallback = (context, cancellation) => ConnectAsync(context, source, new PeerCheck(source, peers, source.Refusals), onPeer, end, cancellation);

            // Over HTTP/3 it would ask nobody for a connection. No request gets there (RotatingHandler); if one did, nobody is trusted.
            handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => false };
            handler.UseProxy = false;
            handler.AllowAutoRedirect = false;
            handler.UseCookies = false;
            return handler;
        });

    /// <summary>A gRPC channel over mTLS.</summary>
    /// <param name="address">An <c>https://</c> address.</param>
    /// <param name="source">Our identity and whom we trust.</param>
    /// <param name="peers">Which servers we talk to.</param>
    /// <param name="options">Further options; their handler, client and credentials are replaced. Null for none.</param>
    public static GrpcChannel CreateChannel(Uri address, X509Source source, AuthorizedPeers peers, GrpcChannelOptions? options = null)
    {
        options ??= new GrpcChannelOptions();
        options.HttpClient = null;
        options.HttpHandler = CreateHandler(source, peers, configure: handler => handler.EnableMultipleHttp2Connections = true);
        options.DisposeHttpClient = true;
        options.Credentials = null;
        return GrpcChannel.ForAddress(address, options);
    }

    internal static SslServerAuthenticationOptions ServerOptions(X509Source source, PeerCheck check, Action<SpiffeId>? onPeer) => new()
    {
        ServerCertificateContext = OwnCertificate(source, check),
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = OfflinePolicy(),
        RemoteCertificateValidationCallback = Validation(check, onPeer),
    };

    private static SslClientAuthenticationOptions ClientOptions(X509Source source, PeerCheck check, Action<SpiffeId>? onPeer) => new()
    {
        ClientCertificateContext = OwnCertificate(source, check),
        EnabledSslProtocols = SslProtocols.Tls13,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = OfflinePolicy(),
        RemoteCertificateValidationCallback = Validation(check, onPeer),
        TargetHost = "",
    };

    private static SslStreamCertificateContext OwnCertificate(X509Source source, PeerCheck check)
    {
        var own = source.CertificateContext();
        check.OwnUntil = own.TargetCertificate.NotAfter;
        return own;
    }

    // The platform builds a chain before it asks us. This one cannot make it fetch what a stranger's certificate points to.
    private static X509ChainPolicy OfflinePolicy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
    };

    private static RemoteCertificateValidationCallback Validation(PeerCheck check, Action<SpiffeId>? onPeer) => (sender, certificate, chain, errors) =>
    {
        if (!check.Validate(sender, certificate, chain, errors)) return false;
        onPeer?.Invoke(check.Id!);
        return true;
    };

    private static async Task<SpiffeTlsConnection> HandshakeAsync(
        SslStream tls, PeerCheck check, Func<CancellationToken, Task> handshake, CancellationToken cancellation)
    {
        try
        {
            await handshake(cancellation).ConfigureAwait(false);
            return new SpiffeTlsConnection(tls, check.Id ?? throw new AuthenticationException("the TLS peer was not verified"));
        }
        catch (Exception e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            if (e is AuthenticationException refused) throw check.Explain(refused);
            throw;
        }
    }

    private static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, X509Source source, PeerCheck check, Action<SpiffeId>? onPeer, Action end, CancellationToken cancellation)
    {
        // A plain http:// request would come through here just the same, and its caller would be none the wiser.
        if (context.InitialRequestMessage.RequestUri?.Scheme != Uri.UriSchemeHttps) throw new HttpRequestException("mTLS needs an https:// address");
        var transport = await OpenAsync(context.DnsEndPoint, cancellation).ConfigureAwait(false);
        var tls = new ClientTls(transport, isPooled: true);
        var options = ClientOptions(source, check, onPeer);
        options.ApplicationProtocols = Protocols(context.InitialRequestMessage);
        if (!IPAddress.TryParse(context.DnsEndPoint.Host, out _)) options.TargetHost = context.DnsEndPoint.Host;
        await HandshakeAsync(tls, check, c => tls.AuthenticateAsClientAsync(options, c), cancellation).ConfigureAwait(false);
        tls.EndsWith(check, end, transport.Socket);
        return tls;
    }

    private static async Task<NetworkStream> OpenAsync(DnsEndPoint address, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static List<SslApplicationProtocol> Protocols(HttpRequestMessage request) => (request.Version.Major, request.VersionPolicy) switch
    {
        ( >= 2, HttpVersionPolicy.RequestVersionExact) => [SslApplicationProtocol.Http2],
        ( >= 2, _) or (_, HttpVersionPolicy.RequestVersionOrHigher) => [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
        _ => [SslApplicationProtocol.Http11],
    };
}
