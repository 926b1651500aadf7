using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>Whose reviews are answered: everybody's, or with a CA given, those of whoever shows a certificate of it.</summary>
internal sealed class AdmissionClients
{
    private readonly X509Certificate2Collection? _roots;

    private AdmissionClients(X509Certificate2Collection? roots) => _roots = roots;

    public bool AsksForCertificate => _roots is not null;

    /// <exception cref="CannotStartException">The CA file cannot be read.</exception>
    public static AdmissionClients Load(string? caFile)
    {
        if (caFile is null) return new AdmissionClients(null);
        try
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(caFile);
            return roots.Count > 0 ? new AdmissionClients(roots) : throw new CannotStartException($"{caFile} (--admission-client-ca-file) holds no certificate.", 2);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CannotStartException($"{caFile} (--admission-client-ca-file) cannot be read: {e.Message}", e);
        }
    }

    public bool Admit(HttpContext call) => _roots is null || call.Features.Get<ProvenApiServer>() is not null;

    /// <summary>Whether a certificate may be used as a client's and leads to one of the roots.</summary>
    public bool Verify(X509Certificate2 leaf, X509Certificate2Collection sent, DateTimeOffset now)
    {
        if (_roots is null) return true;
        using var chain = new X509Chain
        {
            ChainPolicy =
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
                VerificationTime = now.UtcDateTime,
            },
        };
        chain.ChainPolicy.CustomTrustStore.AddRange(_roots);
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2")); // clientAuth
        return chain.Build(leaf);
    }
}

/// <summary>On a connection whose client certificate was verified when it was made.</summary>
internal sealed record ProvenApiServer;
