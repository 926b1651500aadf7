using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>Decides whether a certificate chain is a genuine X509-SVID. Never touches the network and checks no revocation: SVIDs are short-lived.</summary>
public static class X509SvidVerifier
{
    /// <summary>Certificates from leaf to root, the root included.</summary>
    public const int MaxChainLength = 8;

    /// <param name="chain">DER certificates as the peer sent them, leaf first.</param>
    public static X509SvidVerification Verify(IReadOnlyList<ReadOnlyMemory<byte>> chain, TrustBundleSet bundles, DateTimeOffset now)
    {
        if (chain.Count is 0) return Refused("the peer sent no certificate");
        if (chain.Count > MaxChainLength) return Refused($"the chain has {chain.Count} certificates; at most {MaxChainLength} are allowed");

        // 1. The leaf must be an SVID by its own words, before any signature is worth checking.
        if (!CertificateFields.TryRead(chain[0], out var leaf, out var problem)) return Refused(problem);
        if (!SvidProfile.TryReadLeafId(leaf, out var id, out problem)) return Refused(problem);
        if (now < leaf.NotBefore) return Refused($"the certificate of {id} is not valid before {leaf.NotBefore:O}");
        if (now > leaf.NotAfter) return Refused($"the certificate of {id} expired at {leaf.NotAfter:O}");

        // 2. The bundle is chosen by the SVID's trust domain, never by what else happens to be trusted.
        if (!bundles.TryGet(id.TrustDomain, out var bundle)) return Refused($"there is no trust bundle for the trust domain {id.TrustDomain}");
        if (bundle.X509Authorities.Count == 0) return Refused($"the trust bundle of {id.TrustDomain} has no X.509 authority");

        // 3. RFC 5280 path validation up to that bundle, then our rules for every authority on the path.
        return FindPathProblem(chain, bundle, now) is { } pathProblem
            ? Refused($"{id}: {pathProblem}")
            : new X509SvidVerification.Verified(id, Convert.ToHexString(leaf.SerialNumber.Span), leaf.NotAfter);
    }

    /// <summary>For TLS callbacks, which hold the leaf and what came with it.</summary>
    public static X509SvidVerification Verify(
        X509Certificate2 leaf, IEnumerable<X509Certificate2> sentWithIt, TrustBundleSet bundles, DateTimeOffset now) =>
        Verify([leaf.RawDataMemory, .. sentWithIt.Take(MaxChainLength).Select(c => c.RawDataMemory)], bundles, now);

    private static X509SvidVerification.Refused Refused(string reason) => new(reason);

    private static string? FindPathProblem(IReadOnlyList<ReadOnlyMemory<byte>> der, TrustBundle bundle, DateTimeOffset now)
    {
        var loaded = new List<X509Certificate2>(der.Count);
        using var chain = new X509Chain();
        try
        {
            foreach (var certificate in der)
            {
                if (!CertificateFields.TryRead(certificate, out _, out var problem)) return problem;
                loaded.Add(X509CertificateLoader.LoadCertificate(certificate.Span));
            }

            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(bundle.X509Authorities.ToArray());
            chain.ChainPolicy.ExtraStore.AddRange(loaded.Skip(1).ToArray());
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.VerificationTime = now.UtcDateTime;
            if (!chain.Build(loaded[0])) return Describe(chain);
            return FindAuthorityProblem(chain.ChainElements);
        }
        catch (CryptographicException)
        {
            return "the chain holds a certificate that cannot be processed";
        }
        finally
        {
            foreach (var certificate in loaded) certificate.Dispose();
            foreach (var element in chain.ChainElements) element.Certificate.Dispose();
        }
    }

    private static string? FindAuthorityProblem(X509ChainElementCollection path)
    {
        if (path.Count < 2) return "the certificate is trusted by itself, not through an authority";
        if (path.Count > MaxChainLength) return $"the path has {path.Count} certificates; at most {MaxChainLength} are allowed";
        foreach (var element in path.Skip(1))
        {
            if (!CertificateFields.TryRead(element.Certificate.RawDataMemory, out var authority, out var problem)) return problem;
            if (SvidProfile.FindAuthorityProblem(authority) is { } flaw) return flaw;
        }

        return null;
    }

    private static string Describe(X509Chain chain)
    {
        var found = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
        return found switch
        {
            _ when found.HasFlag(X509ChainStatusFlags.NotSignatureValid) => "a signature in the chain is wrong",
            _ when (found & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0 =>
                "the chain does not end at an authority of its trust domain's bundle",
            _ when found.HasFlag(X509ChainStatusFlags.NotTimeValid) => "an authority in the chain is expired or not yet valid",
            _ => $"the chain is not valid ({found})",
        };
    }
}
