using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The verdict on the peer of one TLS connection: genuine by our bundles, then authorized by its SPIFFE ID.</summary>
internal sealed partial class PeerCheck(X509Source source, AuthorizedPeers peers)
{
    /// <summary>Null until the handshake got so far, and when the peer was refused.</summary>
    public SpiffeId? Id { get; private set; }

    /// <summary>Null when the peer was not refused.</summary>
    public string? Refusal { get; private set; }

    /// <summary>A <see cref="RemoteCertificateValidationCallback"/>. What the platform thinks of the chain is not asked: SVIDs have their own rules.</summary>
    public bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        Id = null;
        Refusal = FindProblem(certificate as X509Certificate2, chain, out var id);
        if (Refusal is null) Id = id;
        else LogRefused(source.Logger, Refusal);
        return Refusal is null;
    }

    /// <summary>The failure of a handshake in words that name the cause, where we know it.</summary>
    public AuthenticationException Explain(AuthenticationException e) =>
        Refusal is null ? e : new AuthenticationException($"the TLS peer is refused: {Refusal}", e);

    private string? FindProblem(X509Certificate2? leaf, X509Chain? chain, out SpiffeId? id)
    {
        id = null;
        if (leaf is null) return "it sent no certificate";
        var sent = chain?.ChainPolicy.ExtraStore.Where(c => !c.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span)) ?? [];
        switch (X509SvidVerifier.Verify(leaf, sent, source.Bundles, source.TimeProvider.GetUtcNow()))
        {
            case X509SvidVerification.Verified verified when peers.Admits(verified.Id):
                id = verified.Id;
                return null;
            case X509SvidVerification.Verified verified:
                return $"{verified.Id} is not authorized; expected {peers}";
            case X509SvidVerification.Refused refused:
                return refused.Reason;
            default:
                return "no verdict";
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Refused a TLS peer: {Reason}")]
    private static partial void LogRefused(ILogger logger, string reason);
}
