namespace Identity.Policy.Evaluation;

/// <summary>
/// Finds the permit that came closest to a refused capability. It looks at a bounded number of rules: those that grant the capability to
/// others, those that grant other things to the caller, and those for the caller's neighbours.
/// </summary>
internal static class NearestMissFinder
{
    private const int Expired = 0;
    private const int OtherVersion = 1;
    private const int OtherBytesOrHost = 2;
    private const int OtherInterface = 3;
    private const int OtherId = 4;
    private const int OtherCapability = 5;
    private const int Neighbour = 6;

    public static NearestMiss? ForImport(in Evaluator evaluator, InterfaceName import)
    {
        Span<int> found = stackalloc int[4];
        var slash = import.Package.Length;
        var at = import.Text.IndexOf('@', StringComparison.Ordinal);
        var keys = found[..evaluator.Policy.Index.Keys.Matching(import.Text, slash, at, found)];
        return Nearest(evaluator, GrantedToOthers(evaluator, keys), clause => GapOf(clause, import));
    }

    public static NearestMiss? ForStart(in Evaluator evaluator) =>
        Nearest(evaluator, GrantedToOthers(evaluator, [CapabilityKeys.Start]), clause =>
            clause.Rule.Capabilities.Any(capability => capability is Capability.Start) ? default : new Gap(OtherCapability, "grants other things only"));

    public static NearestMiss? ForNats(in Evaluator evaluator, NatsSubject? subject, bool publish) =>
        Nearest(evaluator, evaluator.Policy.Index.SomeNatsPermits, clause => GapOf(clause, subject, publish));

    private static List<Clause> GrantedToOthers(in Evaluator evaluator, ReadOnlySpan<int> keys)
    {
        var clauses = new List<Clause>();
        foreach (var key in keys) clauses.AddRange(evaluator.Policy.Index.SomePermitsOf(key));
        return clauses;
    }

    private static NearestMiss? Nearest(in Evaluator evaluator, IReadOnlyList<Clause> grantedToOthers, Func<Clause, Gap> capabilityGap)
    {
        var best = default((Clause Clause, int Distance, int Shared, string Lacks)?);
        var candidates = evaluator.Buckets.SelectMany(bucket => bucket.SomePermits)
            .Concat(grantedToOthers)
            .Concat(evaluator.Policy.Index.SomePermitsNear(evaluator.Principal.Id));
        foreach (var clause in candidates)
        {
            var (distance, lacks) = Judge(evaluator, clause, capabilityGap(clause));
            var shared = SharedPath(clause, evaluator.Principal);
            if (best is { } known && (distance, -shared, clause.Ranked.Rank).CompareTo((known.Distance, -known.Shared, known.Clause.Ranked.Rank)) >= 0)
                continue;
            best = (clause, distance, shared, lacks);
        }

        return best is { } nearest ? new NearestMiss(nearest.Clause.Ranked.Reference, nearest.Lacks) : null;
    }

    private static (int Distance, string Lacks) Judge(in Evaluator evaluator, Clause clause, Gap capability)
    {
        var subject = GapOf(clause, evaluator.Principal);
        var expired = clause.Rule.IsExpired(evaluator.Now) ? $"expired at {clause.Rule.Expires:yyyy-MM-ddTHH:mm:ssZ}" : null;
        if (subject.Lacks is null && capability.Lacks is null) return (Expired, expired ?? "does not apply");
        var distance = subject.Lacks is null ? capability.Distance : capability.Lacks is null ? subject.Distance : Neighbour;
        return (distance, string.Join(" and ", new[] { subject.Lacks, capability.Lacks, expired }.OfType<string>()));
    }

    private static Gap GapOf(Clause clause, Principal caller)
    {
        var subject = clause.Subject;
        if (subject.SpiffeId is { } id && id != caller.Id) return new Gap(OtherId, $"is for {id}");
        if (subject.SpiffeIdPrefix is { } prefix && !prefix.Covers(caller.Id)) return new Gap(OtherId, $"is for {prefix}/…");
        if (subject.Digest is { } digest && digest != caller.Digest) return new Gap(OtherBytesOrHost, $"is for the digest {digest}");
        if (subject.Host is { } host && host != caller.Host) return new Gap(OtherBytesOrHost, $"is for the host {host}");
        if (subject.HostPrefix is { } hosts && (caller.Host is null || !hosts.Covers(caller.Host))) return new Gap(OtherBytesOrHost, $"is for hosts under {hosts}/");
        return default;
    }

    private static Gap GapOf(Clause clause, InterfaceName import)
    {
        var nearest = new Gap(OtherCapability, $"grants nothing of {import.Package}");
        foreach (var capability in clause.Rule.Capabilities)
        {
            if (capability is not Capability.Import { Pattern: var pattern } || pattern.Package != import.Package) continue;
            if (pattern.Matches(import)) return default;
            var gap = pattern.Interface is null || pattern.Interface == import.Interface
                ? new Gap(OtherVersion, $"grants {pattern}, another version track")
                : new Gap(OtherInterface, $"grants {pattern} of that package");
            if (gap.Distance < nearest.Distance) nearest = gap;
        }

        return nearest;
    }

    private static Gap GapOf(Clause clause, NatsSubject? subject, bool publish)
    {
        var nearest = new Gap(OtherCapability, "grants no such subject");
        foreach (var capability in clause.Rule.Capabilities)
        {
            var (granted, isPublish) = capability switch
            {
                Capability.NatsPublish allowed => (allowed.Subject, true),
                Capability.NatsSubscribe allowed => (allowed.Subject, false),
                _ => (null, false),
            };
            if (granted is null) continue;
            if (subject is null || (isPublish == publish && granted.Covers(subject))) return default;
            if (nearest.Distance > OtherInterface) nearest = new Gap(OtherInterface, $"grants {capability} only");
        }

        return nearest;
    }

    private static int SharedPath(Clause clause, Principal caller)
    {
        var theirs = (clause.Subject.SpiffeId?.ToString() ?? clause.Subject.SpiffeIdPrefix?.Text).AsSpan();
        var common = theirs.CommonPrefixLength(caller.Id.ToString());
        return theirs[..common].Count('/');
    }

    /// <param name="Lacks">Null when nothing is lacking.</param>
    private readonly record struct Gap(int Distance, string? Lacks);
}
