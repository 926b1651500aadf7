using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A signed X509-SVID and what a peer needs to verify it.</summary>
/// <param name="Chain">DER, leaf first, intermediates after it, without the root.</param>
/// <param name="Root">DER of the root above the chain; Istio's callers want it, SPIFFE's have it in their bundle.</param>
public sealed record IssuedX509Svid(
    SpiffeId Id, string SerialNumber, DateTimeOffset NotBefore, DateTimeOffset NotAfter, IReadOnlyList<ReadOnlyMemory<byte>> Chain, ReadOnlyMemory<byte> Root)
{
    public ReadOnlyMemory<byte> Leaf => Chain[0];
}
