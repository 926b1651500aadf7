using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Identity.Server.Registration;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>TLS towards nats-server: it must show the X509-SVID <c>/nats-server</c> of our trust domain; names and the machine's roots do not count.</summary>
internal static class NatsServerTls
{
    public static NatsTlsOpts For(TrustDomain trustDomain, Func<TrustBundleSet> bundles, TimeProvider time)
    {
        var expected = ReservedPaths.NatsServer(trustDomain);
        return new NatsTlsOpts
        {
            Mode = TlsMode.Require,
            ConfigureClientAuthentication = options =>
            {
                // The platform builds a chain before it asks us; this one fetches nothing that a stranger's certificate points to.
                options.CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    DisableCertificateDownloads = true,
                    RevocationMode = X509RevocationMode.NoCheck,
                };
                options.RemoteCertificateValidationCallback = (_, certificate, chain, _) => IsNatsServer(certificate, chain);
                return ValueTask.CompletedTask;
            },
        };

        bool IsNatsServer(X509Certificate? certificate, X509Chain? chain) =>
            certificate is X509Certificate2 leaf
            && X509SvidVerifier.Verify(leaf, chain?.ChainPolicy.ExtraStore ?? [], bundles(), time.GetUtcNow()) is X509SvidVerification.Verified verified
            && verified.Id == expected;
    }
}
