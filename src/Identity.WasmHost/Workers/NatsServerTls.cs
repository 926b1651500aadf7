using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Identity.WasmHost.WorkerProtocol;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.WasmHost.Workers;

/// <summary>
/// TLS towards nats-server. The token goes only to one that shows nats-server's own X509-SVID, under the roots of the CA file and for the
/// host that was dialled. Nothing its certificate points to is fetched.
/// </summary>
internal sealed class NatsServerTls(NatsAccess access, TimeProvider time)
{
    private readonly SpiffeId expected = SpiffeId.Parse(access.ServerId);
    private volatile string? problem;

    /// <summary>Why the last server that was met is not the one expected; null when it is.</summary>
    public string? Problem => problem;

    public NatsTlsOpts Options => new() { Mode = TlsMode.Require, ConfigureClientAuthentication = ConfigureAsync };

    // For each connection, so that new roots count without a restart.
    private async ValueTask ConfigureAsync(SslClientAuthenticationOptions options)
    {
        if (!TrustBundle.TryParsePem(expected.TrustDomain, await File.ReadAllTextAsync(access.CaFile), out var roots, out var flaw))
            throw new NatsException($"the roots of nats-server in '{access.CaFile}' cannot be read: {flaw}");
        options.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            DisableCertificateDownloads = true,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        options.CertificateChainPolicy.CustomTrustStore.AddRange(roots.X509Authorities.ToArray());
        var bundles = new TrustBundleSet(roots);
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            problem = FindProblem(certificate as X509Certificate2, chain, errors, bundles);
            return problem is null;
        };
    }

    private string? FindProblem(X509Certificate2? leaf, X509Chain? chain, SslPolicyErrors errors, TrustBundleSet bundles)
    {
        if (leaf is null) return "nats-server showed no certificate";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return $"nats-server's certificate is not for the host of {access.Url}";
        var verification = X509SvidVerifier.Verify(leaf, chain?.ChainPolicy.ExtraStore ?? [], bundles, time.GetUtcNow());
        return verification switch
        {
            X509SvidVerification.Verified verified when verified.Id != expected => $"nats-server showed the certificate of {verified.Id}; expected {expected}",
            X509SvidVerification.Verified => errors is SslPolicyErrors.None ? null : $"nats-server's certificate is not one for a server ({errors})",
            X509SvidVerification.Refused refused => $"nats-server's certificate is not that of {expected}: {refused.Reason}",
            _ => "nats-server's certificate was not verified",
        };
    }
}
