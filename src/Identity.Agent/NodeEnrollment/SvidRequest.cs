using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Agent.NodeEnrollment;

/// <summary>A fresh P-256 key and the request to certify it. The request names nobody: the server issues from what it knows.</summary>
internal sealed class SvidRequest : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public SvidRequest() =>
        Csr = ByteString.CopyFrom(new CertificateRequest(new X500DistinguishedName(""), _key, HashAlgorithmName.SHA256).CreateSigningRequest());

    public ByteString Csr { get; }

    /// <summary>Joins the answer with the key, after checking that it is what was asked for.</summary>
    public X509Svid? Complete(Types.X509SVID? answer, SpiffeId? expected, TrustBundleSet bundles, DateTimeOffset now, string hint, out string? problem)
    {
        var chain = answer?.CertChain.Select(c => c.Memory).ToArray() ?? [];
        problem = X509SvidVerifier.Verify(chain, bundles, now) switch
        {
            X509SvidVerification.Verified verified when expected is null || verified.Id == expected => null,
            X509SvidVerification.Verified verified => $"the server issued {verified.Id} instead of {expected}",
            X509SvidVerification.Refused refused => $"the server issued what is no valid SVID: {refused.Reason}",
            _ => "the server issued what could not be judged",
        };
        if (problem is not null) return null;

        var key = _key.ExportPkcs8PrivateKey();
        try
        {
            return X509Svid.TryCreate(chain, key, hint, out var svid, out problem) ? svid : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    public void Dispose() => _key.Dispose();
}
