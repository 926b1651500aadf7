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

    // Read and written by the renewer alone, once the server has started.
    private DateTimeOffset _notBefore;
    private DateTimeOffset _notAfter;

    public SslStreamCertificateContext Current => _current ?? throw new InvalidOperationException("The server has no certificate yet.");

    /// <summary>When to get the next one.</summary>
    public DateTimeOffset RenewAt { get; private set; }

    /// <summary>Also false while the clock is behind its beginning: whoever has the same clock would refuse it.</summary>
    public bool IsValidAt(DateTimeOffset now) => _notBefore <= now && now < _notAfter;

    /// <summary>Gets a new one and uses it from the next connection on.</summary>
    public async Task RenewAsync(CancellationToken cancellation)
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
        (_notBefore, _notAfter, RenewAt) = (svid.NotBefore, svid.NotAfter, svid.NotBefore + ((svid.NotAfter - svid.NotBefore) / 2));
    }
}

/// <summary>Renews the server's certificate at half of its life, as the clock has it now.</summary>
internal sealed class ServerCertificateRenewer(ServerCertificate certificate, TimeProvider time, ILogger<ServerCertificateRenewer> logger) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    // A clock that is set, or a machine that slept, ends no timer: who has to know the hour looks at the clock.
    private static readonly TimeSpan LookAfter = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var wait = Wait();
            if (wait > TimeSpan.Zero) await Task.Delay(wait < LookAfter ? wait : LookAfter, time, stoppingToken);
            if (Wait() > TimeSpan.Zero) continue;
            try
            {
                await certificate.RenewAsync(stoppingToken);
                if (Wait() > TimeSpan.Zero) continue;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                EndpointLog.RenewalFailed(logger, e);
            }

            await Task.Delay(RetryAfter, time, stoppingToken);
        }
    }

    private TimeSpan Wait()
    {
        var now = time.GetUtcNow();
        return certificate.IsValidAt(now) ? certificate.RenewAt - now : TimeSpan.Zero;
    }
}
