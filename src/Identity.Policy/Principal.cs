using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>What a door may know about a caller besides its SPIFFE ID.</summary>
[Flags]
public enum PrincipalAttributes
{
    None = 0,
    Digest = 1,
    Signer = 2,
    Image = 4,
    Host = 8,
    Namespace = 16,
    Lattice = 32,

    /// <summary>Of the signers only those whose names are no keys: what signatures prove is told, what somebody would have to say is not.</summary>
    NamedSigner = 64,
}

/// <summary>
/// Whom a decision is about. What is null and not <see cref="Unknown"/> it is known not to have: a process has no digest. A permit never
/// matches what is absent or unknown; a forbid about an unknown attribute does.
/// </summary>
public sealed record Principal
{
    public required SpiffeId Id { get; init; }

    public ComponentDigest? Digest { get; init; }

    /// <summary>Everybody whose signature on the component was verified.</summary>
    public ImmutableArray<SignerName> Signers { get; init; } = [];

    public ImageReference? Image { get; init; }

    /// <summary>The SPIFFE ID of the host that runs the component.</summary>
    public SpiffeId? Host { get; init; }

    /// <summary>The Kubernetes namespace.</summary>
    public string? Namespace { get; init; }

    /// <summary>The wasmCloud lattice.</summary>
    public string? Lattice { get; init; }

    /// <summary>
    /// What its signatures came to, for an explanation: "carries no signature". Null where nobody looked. No part of whom the decision is about: two that differ
    /// in nothing else are equal.
    /// </summary>
    public string? SignatureNote { get; init; }

    /// <summary>What this door cannot tell. Its values above are then not looked at.</summary>
    public PrincipalAttributes Unknown { get; init; }

    /// <summary>A workload that is a process: it has no digest, signer, image or host, and nobody says in which namespace or lattice it runs.</summary>
    public static Principal Process(SpiffeId id) => new() { Id = id, Unknown = PrincipalAttributes.Namespace | PrincipalAttributes.Lattice };

    /// <summary>A component of which only the bytes and the host are known.</summary>
    public static Principal Component(SpiffeId id, ComponentDigest digest, SpiffeId host) => new()
    {
        Id = id,
        Digest = digest,
        Host = host,
        Unknown = PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice,
    };

    /// <summary>The same with those whose keys are known to have signed it; of other names nothing is known.</summary>
    /// <param name="proven">Every key that a decision may ask for was tried.</param>
    public Principal SignedBy(ImmutableArray<SignerName> proven) =>
        this with { Signers = proven, Unknown = (Unknown & ~PrincipalAttributes.Signer) | PrincipalAttributes.NamedSigner };

    public bool Equals(Principal? other) =>
        other is not null
        && Id.Equals(other.Id) && Digest == other.Digest && Image == other.Image && Equals(Host, other.Host)
        && Namespace == other.Namespace && Lattice == other.Lattice && Unknown == other.Unknown
        && SignersOf(this).SequenceEqual(SignersOf(other));

    public override int GetHashCode() => HashCode.Combine(Id, Digest, Image, Host, Namespace, Lattice, Unknown, SignersOf(this).Length);

    internal bool TellsOf(SignerName signer) =>
        (Unknown & PrincipalAttributes.Signer) == 0 && (signer.IsKey || (Unknown & PrincipalAttributes.NamedSigner) == 0);

    internal bool IsSignedBy(SignerName signer)
    {
        if (Signers.IsDefault) return false;
        foreach (var one in Signers)
        {
            if (one == signer) return true;
        }

        return false;
    }

    private static ReadOnlySpan<SignerName> SignersOf(Principal principal) => principal.Signers.IsDefault ? [] : principal.Signers.AsSpan();
}
