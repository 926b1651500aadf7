using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Agent;

/// <summary>Between SVIDs and the base library's TLS.</summary>
internal static class SvidTls
{
    public static SslStreamCertificateContext ContextOf(X509Svid svid) =>
        SslStreamCertificateContext.Create(svid.Leaf, [.. svid.Intermediates], offline: true);

    /// <summary>The platform builds a chain before it asks us. With this it cannot be made to fetch what a stranger's certificate points to.</summary>
    public static X509ChainPolicy OfflinePolicy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
    };

    /// <summary>For a TLS callback. The platform's own verdict is not asked: it knows neither our bundles nor the SVID profile.</summary>
    public static X509SvidVerification Verify(X509Certificate? certificate, X509Chain? chain, TrustBundleSet bundles, DateTimeOffset now)
    {
        if (certificate is not X509Certificate2 leaf) return new X509SvidVerification.Refused("the peer sent no certificate");
        // What the peer sent lies in the extra store; some platforms repeat the leaf there.
        var sentWithIt = chain?.ChainPolicy.ExtraStore.Where(c => !c.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span)) ?? [];
        return X509SvidVerifier.Verify(leaf, sentWithIt, bundles, now);
    }
}
