using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>What one clause of a policy means, as a region. Clauses that mean nothing (an ID outside of its own prefix) have none.</summary>
internal sealed record ClauseRegion(PolicyClause Clause, Region Region)
{
    public bool IsPermit => Clause.Effect == RuleEffect.Permit;

    /// <summary>
    /// The regions of a clause: none, one, or for a forbid several. One about an image has two, since whoever cannot tell the image cannot tell its tag; and one about a
    /// stream, a consumer or a bucket has those of what it takes of the others (<see cref="NatsRights"/>).
    /// </summary>
    public static IEnumerable<ClauseRegion> Of(PolicyClause clause) => clause.Effect == RuleEffect.Permit
        ? Of(clause, clause.Capability)
        : NatsJetStream.AlsoForbidden(clause.Capability).Prepend(clause.Capability).SelectMany(capability => Of(clause, capability));

    /// <summary>Whom a clause means and when, whatever it is about, in parts that have nobody in common.</summary>
    public static IEnumerable<Region> CallersOf(PolicyClause clause) => Of(clause, RegionKind.Joint, []).Select(part => part.Region);

    private static IEnumerable<ClauseRegion> Of(PolicyClause clause, Capability capability) =>
        CapabilityRegions.Of(capability, clause.Effect == RuleEffect.Permit) is var (kind, what) ? Of(clause, kind, what) : [];

    private static IEnumerable<ClauseRegion> Of(PolicyClause clause, RegionKind kind, ValueSet[] what)
    {
        var permits = clause.Effect == RuleEffect.Permit;
        if (SubjectRegions.Of(clause.Subject, permits) is { } who && Whole(clause, kind, who, what) is { } region) yield return new ClauseRegion(clause, region);
        if (permits || (clause.Subject.Image is null && clause.Subject.ImagePrefix is null)) yield break;
        if (SubjectRegions.Of(clause.Subject with { Image = null, ImagePrefix = null }, permits) is not { } anyImage) yield break;
        anyImage[Dimensions.Repository] = Dimensions.UntoldRepository;
        yield return new ClauseRegion(clause, Whole(clause, kind, anyImage, what)!.Value);
    }

    private static Region? Whole(PolicyClause clause, RegionKind kind, ValueSet[] who, ValueSet[] what)
    {
        // The last moment at which it says something; a forbid never ends.
        if (clause.Effect == RuleEffect.Permit && clause.Expires is { } expires)
        {
            if (expires.UtcTicks == 0) return null;
            who[Dimensions.Time] = RangeSet.Of(0, (UInt128)(expires.UtcTicks - 1));
        }

        return new Region(kind, [.. who, .. what]);
    }
}

/// <summary>Whom a subject means, dimension by dimension.</summary>
internal static class SubjectRegions
{
    /// <summary>Null when nobody can be meant. What an attribute lacks never matches a permit; what a door cannot tell matches a forbid.</summary>
    public static ValueSet[]? Of(PolicySubject subject, bool permits)
    {
        var values = Dimensions.Anyone.ToArray();
        var untold = permits ? Lacking.None : Lacking.Unknown;
        // An image whose reference leaves its tag open may be the one that is meant.
        var unstated = permits ? Lacking.None : Lacking.Absent;
        return Narrow(values, Dimensions.Id, subject.SpiffeId is { } id ? Node(id.ToString(), TreeExtent.Exact, Lacking.None) : null)
            && Narrow(values, Dimensions.Id, subject.SpiffeIdPrefix is { } prefix ? Node(prefix.Text, TreeExtent.AndBelow, Lacking.None) : null)
            && Narrow(values, Dimensions.Digest, subject.Digest is { } digest ? TextSet.Of(digest.Text, untold) : null)
            && Narrow(values, Dimensions.Signers, subject.Signer is { } signer ? SignerSet.Including([signer.Text], orUnknown: !permits) : null)
            && Narrow(values, Dimensions.Repository, subject.Image is { } image ? TreeSet.Of(Dimensions.Repositories, new TreePattern(image.Repository, TreeExtent.Exact)) : null)
            && Narrow(values, Dimensions.Tag, subject.Image?.Tag is { } tag ? TextSet.Of(tag, unstated) : null)
            && Narrow(values, Dimensions.ManifestDigest, subject.Image?.Digest is { } manifest ? TextSet.Of(manifest.Text, unstated) : null)
            && Narrow(values, Dimensions.Repository, subject.ImagePrefix is { } images ? TreeSet.Of(Dimensions.Repositories, new TreePattern(images.Text, TreeExtent.AndBelow)) : null)
            && Narrow(values, Dimensions.Host, subject.Host is { } host ? Node(host.ToString(), TreeExtent.Exact, untold) : null)
            && Narrow(values, Dimensions.Host, subject.HostPrefix is { } hosts ? Node(hosts.Text, TreeExtent.AndBelow, untold) : null)
            && Narrow(values, Dimensions.Namespace, subject.Namespace is { } name ? TextSet.Of(name, untold) : null)
            && Narrow(values, Dimensions.Lattice, subject.Lattice is { } lattice ? TextSet.Of(lattice, untold) : null)
            ? values : null;
    }

    private static TreeSet Node(string spiffeId, TreeExtent extent, Lacking untold) =>
        TreeSet.Of(Dimensions.SpiffeIds, new TreePattern(Dimensions.PathOf(spiffeId), extent), untold);

    private static bool Narrow(ValueSet[] values, int dimension, ValueSet? pattern)
    {
        if (pattern is null) return true;
        // The first to speak of a dimension stands for itself, so that equal patterns can be told by reference later.
        if (ReferenceEquals(values[dimension], Dimensions.Anyone[dimension])) values[dimension] = pattern;
        else if (values[dimension].Intersect(pattern) is { } both) values[dimension] = both;
        else return false;
        return true;
    }
}
