using Spiffe.Net;

namespace Identity.Policy;

/// <summary>A component that is about to start: who it would be, and what its bytes import.</summary>
/// <param name="Name">The host's word; shown, never matched.</param>
public sealed record ComponentStart(Principal Principal, string Name, ComponentImports Imports)
{
    /// <param name="id">The SPIFFE ID of its registration entry.</param>
    /// <param name="host">The SPIFFE ID of the host that asks, as it proved it.</param>
    /// <param name="digest">Computed from the bytes by whoever decides.</param>
    public ComponentStart(SpiffeId id, SpiffeId host, ComponentDigest digest, string name, ComponentImports imports)
        : this(Principal.Component(id, digest, host), name, imports)
    {
    }

    public SpiffeId Id
    {
        get => Principal.Id;
        init => Principal = Principal with { Id = value };
    }

    public SpiffeId? Host
    {
        get => Principal.Host;
        init => Principal = Principal with { Host = value };
    }

    public ComponentDigest? Digest
    {
        get => Principal.Digest;
        init => Principal = Principal with { Digest = value };
    }
}
