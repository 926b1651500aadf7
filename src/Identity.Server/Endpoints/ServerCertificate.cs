using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Ledger.V1;
using Identity.Server.Authority;
using Spiffe.Net;

namespace Identity.Server.Endpoints;

/// <summary>The server's own X509-SVID: a fresh key with each renewal, never on disk.</summary>
internal sealed class ServerCertificate(SigningAuthority authority, ServerOptions options)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    private volatile SslStreamCertificateContext? _current;

    public SslStreamCertificateContext Current => _current ?? throw new InvalidOperationException("The server has no certificate yet.");

    /// <summary>Gets a new one and uses it from the next connection on. Returns when to get the one after it.</summary>
    public async Task<DateTimeOffset> RenewAsync(CancellationToken cancellation)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (!SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem))
        {
            throw new CryptographicException(problem);
        }
        var request = new X509SigningRequest(SpiffeId.FromSegments(authority.TrustDomain, "spire", "server"), publicKey, "server")
        {
            DnsNames = [.. options.DnsNames.Prepend("localhost").Distinct(StringComparer.OrdinalIgnoreCase)],
            IpAddresses = [.. new[] { IPAddress.Loopback, IPAddress.IPv6Loopback, options.Listen.Address, options.IstioListen.Address }
                .Where(a => !a.Equals(IPAddress.Any) && !a.Equals(IPAddress.IPv6Any)).Distinct()],
            Lifetime = Lifetime,
            Kind = IssuanceRecord.Types.Kind.ServerCertificate,
        };
        if (await authority.SignX509Async(request, cancellation) is not X509Signing.Issued(var svid))
        {
            throw new CryptographicException("The authority refused the server's own certificate.");
        }
        var pkcs8 = key.ExportPkcs8PrivateKey();
        try
        {
            if (!X509Svid.TryCreate(svid.Chain, pkcs8, "", out var own, out problem))
            {
                throw new CryptographicException(problem);
            }
            // Not disposed when replaced: handshakes under way still hold it.
            _current = SslStreamCertificateContext.Create(own.Leaf, new X509Certificate2Collection(own.Intermediates.ToArray()), offline: true);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
        }
        return svid.NotBefore + ((svid.NotAfter - svid.NotBefore) / 2);
    }
}

/// <summary>Renews the server's certificate at half of its life.</summary>
internal sealed class ServerCertificateRenewer(ServerCertificate certificate, TimeProvider time, ILogger<ServerCertificateRenewer> logger) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The first one was made before the listeners opened.
        var wait = ServerCertificate.Lifetime / 2;
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(wait, time, stoppingToken);
            try
            {
                wait = await certificate.RenewAsync(stoppingToken) - time.GetUtcNow();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                EndpointLog.RenewalFailed(logger, e);
                wait = RetryAfter;
            }
            wait = wait < RetryAfter ? RetryAfter : wait;
        }
    }
}
