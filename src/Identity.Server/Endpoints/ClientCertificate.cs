using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Server.Endpoints;

/// <summary>
/// What a TLS client showed, verified once when it connected. Whether its holder is (still) an agent is asked anew on each call.
/// </summary>
internal sealed record ClientCertificate(X509SvidVerification Verification)
{
    // Bounds what a stranger can make us parse: a leaf and its intermediates.
    private const int MaxBytes = 32 * 1024;

    public static ClientCertificate Verify(X509Certificate2 leaf, X509Chain? sent, TrustBundleSet bundles, DateTimeOffset now)
    {
        var others = sent?.ChainPolicy.ExtraStore.Where(c => !c.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span)).ToList() ?? [];
        return leaf.RawDataMemory.Length + others.Sum(c => (long)c.RawDataMemory.Length) > MaxBytes
            ? new ClientCertificate(new X509SvidVerification.Refused($"the client's certificates have more than {MaxBytes} bytes"))
            : new ClientCertificate(X509SvidVerifier.Verify(leaf, others, bundles, now));
    }
}
