using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Identity.Policy;
using Identity.Server.Authority;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.Ledger;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Identity.Server.Endpoints;

internal enum ListenerKind
{
    None,
    Grpc,
    Admin,
    Mesh,
    AuthZen,
    Admission,
}

/// <summary>Which listener a connection came on.</summary>
internal sealed record ListenerFeature(ListenerKind Kind);

/// <summary>The doors: gRPC for agents, the admin socket, the mesh's certificate authority, and where they are open AuthZEN and the admission webhook.</summary>
internal sealed class Listeners(ServerOptions options, ServerCertificate certificate, SigningAuthority authority, ControlPlaneLedger ledger, TimeProvider time, ILogger<Listeners> logger)
{
    /// <summary>Of strangers at one of the four doors they reach: from there on who holds most gives way.</summary>
    public const int MaxAtDoor = 10_000;

    // Beyond these whoever comes is turned away, so strangers cannot reach it: the doors full of them, and two of each of ten thousand agents.
    private const int MaxConnections = (4 * MaxAtDoor) + 20_000;
    private const int MaxStreamsPerConnection = 256;

    private ListenOptions? _grpc;
    private ListenOptions? _mesh;
    private ListenOptions? _authZen;
    private ListenOptions? _admission;

    /// <summary>Where gRPC is served; with the real port once the server has started.</summary>
    public IPEndPoint Grpc => _grpc?.IPEndPoint ?? options.Listen;

    /// <summary>Who is at the agents' door.</summary>
    public DoorConnections GrpcConnections { get; } = new(options.MaxAtDoor);

    public IPEndPoint Mesh => _mesh?.IPEndPoint ?? options.IstioListen;

    /// <summary>Null when it is not served.</summary>
    public IPEndPoint? AuthZen => _authZen?.IPEndPoint;

    /// <summary>Null when it is not served.</summary>
    public IPEndPoint? Admission => _admission?.IPEndPoint;

    /// <summary>Whose admission reviews are answered.</summary>
    public AdmissionClients AdmissionClients { get; } = AdmissionClients.Load(options.DecisionPoints.Admission?.ClientCaFile);

    public void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
        // An agent's report stream may say nothing for hours. A stranger's call has a bound of its own: CallDeadline.
        kestrel.Limits.MinRequestBodyDataRate = null;

        kestrel.ListenUnixSocket(options.AdminSocket, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.Use(next => PeerCredentials.Require(next, MayConnect, time, logger));
            listen.Use(Mark(ListenerKind.Admin));
        });
        kestrel.Listen(options.Listen, listen =>
        {
            _grpc = listen;
            listen.Protocols = HttpProtocols.Http2;
            listen.Use(Share(GrpcConnections));
            listen.Use(Mark(ListenerKind.Grpc));
            listen.UseHttps(Tls(askForClient: true));
        });
        kestrel.Listen(options.IstioListen, listen =>
        {
            _mesh = listen;
            listen.Protocols = HttpProtocols.Http2;
            listen.Use(Share(new DoorConnections(options.MaxAtDoor)));
            listen.Use(Mark(ListenerKind.Mesh));
            listen.UseHttps(Tls(askForClient: false));
        });
        if (options.DecisionPoints.AuthZen is { } authZen)
        {
            kestrel.Listen(authZen.Listen, listen =>
            {
                _authZen = listen;
                listen.Protocols = authZen.IsPlain ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
                listen.Use(Share(new DoorConnections(options.MaxAtDoor)));
                listen.Use(Mark(ListenerKind.AuthZen));
                if (!authZen.IsPlain) listen.UseHttps(Tls(askForClient: true, SslApplicationProtocol.Http2, SslApplicationProtocol.Http11));
            });
        }

        if (options.DecisionPoints.Admission is { } admission) ListenForReviews(kestrel, admission);
    }

    private void ListenForReviews(KestrelServerOptions kestrel, DecisionPoints.AdmissionOptions admission)
    {
        var shown = new AdmissionCertificate(admission, certificate, time, logger);
        shown.Check();
        kestrel.Listen(admission.Listen, listen =>
        {
            _admission = listen;
            listen.Protocols = HttpProtocols.Http1AndHttp2;
            listen.Use(Share(new DoorConnections(options.MaxAtDoor)));
            listen.Use(Mark(ListenerKind.Admission));
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = TimeSpan.FromSeconds(10),
                OnConnection = context => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = shown.Current,
                    // API servers of older clusters speak 1.2.
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                    AllowRenegotiation = false,
                    AllowTlsResume = false,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    ClientCertificateRequired = AdmissionClients.AsksForCertificate,
                    CertificateChainPolicy = new X509ChainPolicy
                    {
                        TrustMode = X509ChainTrustMode.CustomRootTrust,
                        DisableCertificateDownloads = true,
                        RevocationMode = X509RevocationMode.NoCheck,
                    },
                    RemoteCertificateValidationCallback = (_, client, chain, _) => AcceptReviewer(context.Connection, client, chain),
                }),
            });
        });
    }

    // Always true, as below: who shows the wrong certificate is told so.
    private bool AcceptReviewer(ConnectionContext connection, X509Certificate? shown, X509Chain? chain)
    {
        if (shown is X509Certificate2 leaf && AdmissionClients.Verify(leaf, chain?.ChainPolicy.ExtraStore ?? [], time.GetUtcNow()))
            connection.Features.Set(new ProvenApiServer());
        return true;
    }

    private bool MayConnect(uint uid) => AdminSocket.IsAdmin(uid) || ledger.State.Governance.Roles.Names(PolicyPerson.Of(uid));

    private static Func<ConnectionDelegate, ConnectionDelegate> Share(DoorConnections door) => next => connection => door.OnConnectionAsync(connection, next);

    private static Func<ConnectionDelegate, ConnectionDelegate> Mark(ListenerKind kind)
    {
        var feature = new ListenerFeature(kind);
        return next => connection =>
        {
            connection.Features.Set(feature);
            return next(connection);
        };
    }

    private TlsHandshakeCallbackOptions Tls(bool askForClient, params SslApplicationProtocol[] protocols) => new()
    {
        HandshakeTimeout = TimeSpan.FromSeconds(10),
        // Asked on each connection, so that a renewed certificate is used by the next one.
        OnConnection = context => ValueTask.FromResult(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate.Current,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = protocols is [] ? [SslApplicationProtocol.Http2] : [.. protocols],
            AllowRenegotiation = false,
            // A resumed session would skip the client's certificate.
            AllowTlsResume = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            ClientCertificateRequired = askForClient,
            // The platform builds a chain before it asks us; it must not fetch what a stranger's certificate points to.
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                DisableCertificateDownloads = true,
                RevocationMode = X509RevocationMode.NoCheck,
            },
            RemoteCertificateValidationCallback = (_, shown, chain, _) => Accept(context.Connection, shown, chain),
        }),
    };

    // Always true: a client with a bad certificate is let in as nobody, so that its refusal can say what was wrong with it.
    private bool Accept(ConnectionContext connection, X509Certificate? shown, X509Chain? chain)
    {
        if (shown is X509Certificate2 leaf)
        {
            connection.Features.Set(ClientCertificate.Verify(leaf, chain, authority.Bundles(), time.GetUtcNow()));
        }
        return true;
    }
}
