using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Identity.Server.Authority;
using Identity.Server.NatsAuthCallout;
using NATS.Client.Core;

namespace Identity.Server.DecisionPoints;

/// <summary>How the NATS of a wasmCloud lattice is reached. It need not be the one whose logins this server answers.</summary>
internal static class WasmCloudNats
{
    public static NatsOpts Options(string name, WasmCloudOptions options, SigningAuthority authority, TimeProvider time) => NatsOpts.Default with
    {
        Name = name,
        Url = options.NatsUrl.ToString(),
        AuthOpts = options.CredentialsFile is { } credentials ? new NatsAuthOpts { CredsFile = credentials } : NatsAuthOpts.Default,
        TlsOpts = Tls(options, authority, time),
        IgnoreAuthErrorAbort = true,
        ReconnectWaitMin = TimeSpan.FromMilliseconds(200),
        ReconnectWaitMax = TimeSpan.FromSeconds(2),
        // A message that waits here is one that nobody knows of, and may be as large as nats-server lets it.
        SubPendingChannelCapacity = 1024,
    };

    private static NatsTlsOpts Tls(WasmCloudOptions options, SigningAuthority authority, TimeProvider time)
    {
        if (options.NatsUrl.Scheme != "tls") return new NatsTlsOpts { Mode = TlsMode.Disable };
        var tls = options.CaFile is { } ca
            ? new NatsTlsOpts { Mode = TlsMode.Require, CaFile = ca }
            : NatsServerTls.For(authority.TrustDomain, authority.Bundles, time);
        if (options.CertificateFile is not { } certificate) return tls;
        var verify = tls.ConfigureClientAuthentication;
        return tls with
        {
            ConfigureClientAuthentication = async client =>
            {
                if (verify is not null) await verify(client);
                client.ClientCertificateContext = Read(certificate, options.KeyFile!);
            },
        };
    }

    // Read for each connection: certificates are renewed while we run.
    private static SslStreamCertificateContext Read(string certificate, string key)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(certificate);
        return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate, key), [.. chain.Skip(1)], offline: true);
    }
}
