namespace Identity.Policy.Evaluation;

/// <summary>Finds the permit that came closest to a refused request, and what keeps it from applying.</summary>
internal static class NearestClause
{
    private const int Expired = 0;
    private const int Untold = 1;
    private const int Part = 2;
    private const int OtherVersion = 3;
    private const int OtherAttribute = 4;
    private const int OtherInterface = 5;
    private const int OtherId = 6;
    private const int OtherCapability = 7;
    private const int Neighbour = 8;

    /// <param name="request">Null for anything on NATS.</param>
    /// <param name="untold">What the nearest rule depends on and the door could not tell.</param>
    public static NearestMiss? Find(IEnumerable<PolicyClause> clauses, Principal principal, CapabilityRequest? request, DateTimeOffset now, out PrincipalAttributes untold)
    {
        untold = PrincipalAttributes.None;
        var best = default(Candidate?);
        foreach (var clause in clauses)
        {
            if (clause.Effect != RuleEffect.Permit) continue;
            var (distance, lacks) = Judge(clause, principal, request, now, out var open);
            var shared = SharedPath(clause.Subject, principal);
            // Of what one caller is granted of the same kind, what looks most like what was asked for.
            var alike = distance is Part or OtherInterface && request is not null ? Alike(clause.Capability.Value, request.ToCapability().Value) : 0;
            var candidate = new Candidate(clause, distance, shared, alike, lacks);
            if (best is { } known && candidate.CompareTo(known) >= 0) continue;
            best = candidate;
            untold = distance == Untold ? open : PrincipalAttributes.None;
        }

        return best is { } nearest ? new NearestMiss(nearest.Clause.Rule, nearest.Lacks) : null;
    }

    private static (int Distance, string Lacks) Judge(PolicyClause clause, Principal principal, CapabilityRequest? request, DateTimeOffset now, out PrincipalAttributes untold)
    {
        var subject = GapOf(clause.Subject, principal, out untold);
        var capability = GapOf(clause.Capability, request);
        var expired = clause.IsExpired(now) ? $"expired at {clause.Expires:yyyy-MM-ddTHH:mm:ssZ}" : null;
        var shadow = clause.Mode == RuleMode.Shadow ? "is in mode shadow" : null;
        if (subject.Lacks is null && capability.Lacks is null) return (Expired, string.Join(" and ", new[] { expired, shadow }.OfType<string>()));
        var distance = subject.Lacks is null ? capability.Distance : capability.Lacks is null ? subject.Distance : Neighbour;
        return (distance, string.Join(" and ", new[] { subject.Lacks, capability.Lacks, expired, shadow }.OfType<string>()));
    }

    private static Gap GapOf(PolicySubject subject, Principal principal, out PrincipalAttributes untold)
    {
        if (subject.MayMean(principal, out untold)) return untold == 0 ? default : new Gap(Untold, DecisionExplainer.DependsOn(untold, principal));
        if (subject.SpiffeId is { } id && id != principal.Id) return new Gap(OtherId, $"is for {id}");
        if (subject.SpiffeIdPrefix is { } prefix && !prefix.Covers(principal.Id)) return new Gap(OtherId, $"is for {prefix}/…");
        var told = ~principal.Unknown;
        if (subject.Digest is { } digest && (told & PrincipalAttributes.Digest) != 0 && digest != principal.Digest) return new Gap(OtherAttribute, $"is for the digest {digest}");
        if (subject.Signer is { } signer && principal.TellsOf(signer) && !principal.IsSignedBy(signer)) return new Gap(OtherAttribute, $"is for what '{signer}' signed{(principal.SignatureNote is { } note ? $", and it {note}" : "")}");
        if ((told & PrincipalAttributes.Image) != 0)
        {
            if (subject.ImagePrefix is { } images && (principal.Image is null || !images.Covers(principal.Image))) return new Gap(OtherAttribute, $"is for images under {images}");
            if (subject.Image is { } image && (principal.Image is null || !image.Covers(principal.Image))) return new Gap(OtherAttribute, $"is for the image {image}");
        }

        if ((told & PrincipalAttributes.Host) != 0)
        {
            if (subject.Host is { } host && host != principal.Host) return new Gap(OtherAttribute, $"is for the host {host}");
            if (subject.HostPrefix is { } hosts && (principal.Host is null || !hosts.Covers(principal.Host))) return new Gap(OtherAttribute, $"is for hosts under {hosts}/");
        }

        return subject.Namespace is { } name && (told & PrincipalAttributes.Namespace) != 0 && name != principal.Namespace
            ? new Gap(OtherAttribute, $"is for the namespace {name}") : new Gap(OtherAttribute, $"is for the lattice {subject.Lattice}");
    }

    private static Gap GapOf(Capability capability, CapabilityRequest? request)
    {
        if (request is null) return CapabilityText.NatsKinds.Contains(capability.Kind) ? default : new Gap(OtherCapability, "grants no subject");
        if (capability.Matches(request)) return default;
        var (pattern, asked) = (capability, request) switch
        {
            (Capability.Import import, CapabilityRequest.Import one) => (import.Pattern, one.Interface),
            (Capability.Export export, CapabilityRequest.Export one) => (export.Pattern, one.Interface),
            _ => (null, null),
        };
        if (pattern is not null && asked is not null && pattern.Package == asked.Package)
        {
            if (pattern.Interface is not null && pattern.Interface != asked.Interface) return new Gap(OtherInterface, $"grants {pattern} of that package");
            return pattern.IsAbout(asked) ? new Gap(OtherInterface, $"grants {pattern} only") : new Gap(OtherVersion, asked.Version is null ? $"grants {pattern}, and none was asked for by version" : $"grants {pattern}, another version track");
        }

        if (capability.Touches(request)) return new Gap(Part, $"grants {capability} only");
        if (request is CapabilityRequest.Import { Interface.Package: var package }) return new Gap(OtherCapability, $"grants nothing of {package}");
        if (request.ToCapability().Kind != capability.Kind)
            return new Gap(OtherCapability, request is CapabilityRequest.NatsPublish or CapabilityRequest.NatsSubscribe ? "grants no such subject" : "grants other things only");
        return new Gap(OtherInterface, $"grants {capability} only");
    }

    private static int Alike(ReadOnlySpan<char> granted, ReadOnlySpan<char> asked)
    {
        var end = 0;
        while (end < granted.Length && end < asked.Length && granted[^(end + 1)] == asked[^(end + 1)]) end++;
        return Math.Max(end, granted.CommonPrefixLength(asked));
    }

    private static int SharedPath(PolicySubject subject, Principal principal)
    {
        var theirs = (subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text).AsSpan();
        var common = theirs.CommonPrefixLength(principal.Id.ToString());
        return theirs[..common].Count('/');
    }

    private readonly record struct Candidate(PolicyClause Clause, int Distance, int Shared, int Alike, string Lacks)
    {
        // Of the clauses of one rule, the first by what is told of them: in which order the rule lists whom it means, and what, says nothing.
        public int CompareTo(Candidate other)
        {
            var order = (Distance, -Shared, -Alike, Clause.Rank).CompareTo((other.Distance, -other.Shared, -other.Alike, other.Clause.Rank));
            return order != 0 ? order : string.CompareOrdinal(Lacks, other.Lacks);
        }
    }

    /// <param name="Lacks">Null when nothing is lacking.</param>
    private readonly record struct Gap(int Distance, string? Lacks);
}
