using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The verdict on the peer of one TLS connection: genuine by our bundles, then authorized by its SPIFFE ID.</summary>
internal sealed class PeerCheck(X509Source source, AuthorizedPeers peers, RefusalLog refusals)
{
    private volatile Verified? _verified;
    private volatile TrustBundleSet? _refusedBy;
    private bool _isOver;

    public TimeProvider TimeProvider => source.TimeProvider;

    /// <summary>Null until the handshake got so far, and when the peer was refused.</summary>
    public SpiffeId? Id => _verified?.Id;

    /// <summary>When the SVID ends that we ourselves showed on this connection.</summary>
    public DateTimeOffset OwnUntil { get; set; } = DateTimeOffset.MaxValue;

    /// <summary>The last moment at which both ends' SVIDs are good, as far as is known now; long ago while nobody is verified.</summary>
    public DateTimeOffset Until => _verified is not { } verified ? DateTimeOffset.MinValue : verified.TrustedUntil < OwnUntil ? verified.TrustedUntil : OwnUntil;

    /// <summary>Told once, with the first look that finds the peer to be nobody any more.</summary>
    public Action? OnNobody { get; set; }

    /// <summary>Null when the peer was not refused.</summary>
    public string? Refusal { get; private set; }

    /// <summary>A <see cref="RemoteCertificateValidationCallback"/>. What the platform thinks of the chain is not asked: SVIDs have their own rules.</summary>
    public bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _verified = null;
        if (certificate is not X509Certificate2 leaf)
        {
            Refusal = "it sent no certificate";
        }
        else
        {
            // The platform's list of what was sent may hold the leaf again.
            var sent = chain?.ChainPolicy.ExtraStore.Where(c => !c.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span)) ?? [];
            Refusal = Check([leaf.RawDataMemory, .. sent.Take(X509SvidVerifier.MaxChainLength).Select(c => c.RawDataMemory)]);
        }

        if (Refusal is not null) refusals.Refused(Refusal);
        return Refusal is null;
    }

    /// <summary>
    /// Whose connection it is now, long after the handshake: null once the peer's SVID or an authority above it has expired, or bundles have come
    /// with which it is not genuine any more.
    /// </summary>
    public SpiffeId? FindIdNow()
    {
        if (_verified is not { } verified) return null;
        if (source.TimeProvider.GetUtcNow() > verified.TrustedUntil)
            return Nobody($"the X.509-SVID of {verified.Id}, or an authority above it, expired at {verified.TrustedUntil:O}");

        // The set is swapped whole with each push, so the same set gives the same answer.
        var bundles = source.Bundles;
        if (ReferenceEquals(verified.Bundles, bundles)) return verified.Id;
        if (ReferenceEquals(_refusedBy, bundles)) return null;
        if (Check(verified.Chain) is not { } refusal) return verified.Id;
        _refusedBy = bundles;
        return Nobody(refusal);
    }

    // Told once for each connection, however often it is asked about.
    private SpiffeId? Nobody(string reason)
    {
        if (Interlocked.Exchange(ref _isOver, true)) return null;
        refusals.NotBelievedAnyMore(reason);
        OnNobody?.Invoke();
        return null;
    }

    /// <summary>The failure of a handshake in words that name the cause, where we know it.</summary>
    public AuthenticationException Explain(AuthenticationException e) =>
        Refusal is null ? e : new AuthenticationException($"the TLS peer is refused: {Refusal}", e);

    private string? Check(ReadOnlyMemory<byte>[] chain)
    {
        var bundles = source.Bundles;
        switch (X509SvidVerifier.Verify(chain, bundles, source.TimeProvider.GetUtcNow()))
        {
            case X509SvidVerification.Verified verified when peers.Admits(verified.Id):
                _verified = new Verified(verified.Id, verified.TrustedUntil, chain, bundles);
                return null;
            case X509SvidVerification.Verified verified:
                return $"{verified.Id} is not authorized; expected {peers}";
            case X509SvidVerification.Refused refused:
                return refused.Reason;
            default:
                return "no verdict";
        }
    }

    /// <summary>Swapped whole, so that an ID and what it was verified with belong together.</summary>
    private sealed record Verified(SpiffeId Id, DateTimeOffset TrustedUntil, ReadOnlyMemory<byte>[] Chain, TrustBundleSet Bundles);
}
