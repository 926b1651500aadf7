using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>Whom a rule means. Every attribute that is set must match, and at least one is set.</summary>
public sealed record PolicySubject
{
    public SpiffeId? SpiffeId { get; init; }

    public SpiffeIdPrefix? SpiffeIdPrefix { get; init; }

    /// <summary>Matches components only: a process has no digest that policy could know.</summary>
    public ComponentDigest? Digest { get; init; }

    /// <summary>One of those who signed the component.</summary>
    public SignerName? Signer { get; init; }

    /// <summary>With the tag or the digest; what it does not state it does not ask for.</summary>
    public ImageReference? Image { get; init; }

    public ImagePrefix? ImagePrefix { get; init; }

    /// <summary>The SPIFFE ID of the host that runs the component; matches components only.</summary>
    public SpiffeId? Host { get; init; }

    public SpiffeIdPrefix? HostPrefix { get; init; }

    /// <summary>The Kubernetes namespace.</summary>
    public string? Namespace { get; init; }

    /// <summary>The wasmCloud lattice.</summary>
    public string? Lattice { get; init; }

    /// <summary>Labels that policy documents assign (<see cref="LabelAssignment"/>); a label that nobody assigns matches nobody.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = NoLabels;

    /// <summary>True when nothing is stated, which no rule may do.</summary>
    public bool IsEmpty => this == Anyone;

    internal static ImmutableSortedDictionary<string, string> NoLabels { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal, StringComparer.Ordinal);

    private static PolicySubject Anyone { get; } = new();

    public bool Equals(PolicySubject? other) =>
        other is not null
        && SpiffeId == other.SpiffeId && SpiffeIdPrefix == other.SpiffeIdPrefix && Digest == other.Digest && Signer == other.Signer
        && Image == other.Image && ImagePrefix == other.ImagePrefix && Host == other.Host && HostPrefix == other.HostPrefix
        && Namespace == other.Namespace && Lattice == other.Lattice
        && Labels.Count == other.Labels.Count && Labels.SequenceEqual(other.Labels);

    public override int GetHashCode()
    {
        var hash = HashCode.Combine(SpiffeId, SpiffeIdPrefix, Digest, Signer, HashCode.Combine(Image, ImagePrefix, Host, HostPrefix), Namespace, Lattice);
        // Also the labels: a list of subjects that differ in nothing else is looked up by this.
        foreach (var (name, value) in Labels) hash = HashCode.Combine(hash, name, value);
        return hash;
    }

    /// <summary>The attributes beside the SPIFFE ID that it asks for.</summary>
    internal PrincipalAttributes Asked =>
        (Digest is null ? 0 : PrincipalAttributes.Digest) | (Signer is null ? 0 : PrincipalAttributes.Signer)
        | (Image is null && ImagePrefix is null ? 0 : PrincipalAttributes.Image) | (Host is null && HostPrefix is null ? 0 : PrincipalAttributes.Host)
        | (Namespace is null ? 0 : PrincipalAttributes.Namespace) | (Lattice is null ? 0 : PrincipalAttributes.Lattice);

    /// <summary>The same without asking for these; it may then ask for nothing.</summary>
    internal PolicySubject Without(PrincipalAttributes attributes)
    {
        var drops = Asked & attributes;
        if (drops == PrincipalAttributes.None) return this;
        var (noDigest, noSigner, noImage, noHost) = (Has(PrincipalAttributes.Digest), Has(PrincipalAttributes.Signer), Has(PrincipalAttributes.Image), Has(PrincipalAttributes.Host));
        return this with
        {
            Digest = noDigest ? null : Digest,
            Signer = noSigner ? null : Signer,
            Image = noImage ? null : Image,
            ImagePrefix = noImage ? null : ImagePrefix,
            Host = noHost ? null : Host,
            HostPrefix = noHost ? null : HostPrefix,
            Namespace = Has(PrincipalAttributes.Namespace) ? null : Namespace,
            Lattice = Has(PrincipalAttributes.Lattice) ? null : Lattice,
        };

        bool Has(PrincipalAttributes attribute) => (drops & attribute) != 0;
    }

    /// <summary>
    /// Does this mean the principal? False when some attribute is another or known to be absent; otherwise
    /// <paramref name="untold"/> holds the attributes on which it depends and which the door could not tell. Labels must be expanded before.
    /// </summary>
    internal bool MayMean(Principal principal, out PrincipalAttributes untold)
    {
        untold = PrincipalAttributes.None;
        if (SpiffeId is not null && !SpiffeId.Equals(principal.Id)) return false;
        if (SpiffeIdPrefix is not null && !SpiffeIdPrefix.Covers(principal.Id)) return false;
        var unknown = principal.Unknown;
        if (Digest is not null && !IsUntold(PrincipalAttributes.Digest, unknown, ref untold) && Digest != principal.Digest) return false;
        if (Signer is not null)
        {
            if (!principal.TellsOf(Signer)) untold |= PrincipalAttributes.Signer;
            else if (!principal.IsSignedBy(Signer)) return false;
        }

        if ((Image is not null || ImagePrefix is not null) && !IsUntold(PrincipalAttributes.Image, unknown, ref untold))
        {
            if (principal.Image is not { } image || (ImagePrefix is not null && !ImagePrefix.Covers(image))) return false;
            if (Image is not null)
            {
                if (!Image.MayCover(image, out var open)) return false;
                if (open) untold |= PrincipalAttributes.Image;
            }
        }

        if ((Host is not null || HostPrefix is not null) && !IsUntold(PrincipalAttributes.Host, unknown, ref untold))
        {
            if (principal.Host is not { } host || (Host is not null && !Host.Equals(host)) || (HostPrefix is not null && !HostPrefix.Covers(host))) return false;
        }

        if (Namespace is not null && !IsUntold(PrincipalAttributes.Namespace, unknown, ref untold) && Namespace != principal.Namespace) return false;
        return Lattice is null || IsUntold(PrincipalAttributes.Lattice, unknown, ref untold) || Lattice == principal.Lattice;
    }

    // Untold: neither a match nor a mismatch.
    private static bool IsUntold(PrincipalAttributes attribute, PrincipalAttributes unknown, ref PrincipalAttributes untold)
    {
        if ((unknown & attribute) == 0) return false;
        untold |= attribute;
        return true;
    }
}

/// <summary>
/// A label that the authors of policy give to subjects: nobody else can, so no host can change it. Labels are not assigned by labels, nor
/// by signer: a rule names the signer itself.
/// </summary>
public sealed record LabelAssignment(string Name, string Value, ImmutableArray<PolicySubject> Subjects);
