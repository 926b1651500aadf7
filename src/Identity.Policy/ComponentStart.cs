using Spiffe.Net;

namespace Identity.Policy;

/// <summary>A component that is about to start: who it would be, where, which bytes, and what these import.</summary>
/// <param name="Id">The SPIFFE ID of its registration entry.</param>
/// <param name="Host">The SPIFFE ID of the host that asks, as it proved it.</param>
/// <param name="Digest">Computed from the bytes by whoever decides.</param>
/// <param name="Name">The host's word; shown, never matched.</param>
public sealed record ComponentStart(SpiffeId Id, SpiffeId Host, ComponentDigest Digest, string Name, ComponentImports Imports);
