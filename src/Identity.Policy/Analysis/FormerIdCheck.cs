using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds forbids that no longer hold because what they were about has another SPIFFE ID now: a provider of wasmCloud v1 was
/// <c>/wasmcloud/LATTICE/ID</c>, as a component of that id still is, and is <c>/wasmcloud/LATTICE/provider/ID</c>. All that a provider asks for is to start.
/// </summary>
internal static class FormerIdCheck
{
    private static readonly CapabilityRequest Start = new CapabilityRequest.Start();

    public static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, RuleLines lines, DateTimeOffset now)
    {
        var starts = policy.ClauseList.Where(clause => clause.Capability.Matches(Start) && !clause.IsExpired(now)).ToList();
        var told = new HashSet<(RuleReference, SpiffeId)>();
        foreach (var forbid in starts.Where(clause => clause.Effect == RuleEffect.Forbid))
        {
            if (ProviderOf(forbid.Subject) is not { } provider) continue;
            // Where nothing permits it, it is denied without the forbid.
            if (!starts.Any(clause => clause is { Effect: RuleEffect.Permit, Mode: not RuleMode.Shadow } && MayMean(clause.Subject, provider, forbid.Subject.Lattice))) continue;
            if (starts.Any(clause => clause.Effect == RuleEffect.Forbid && (clause.Mode == RuleMode.Enforce || clause.Mode == forbid.Mode) && Holds(clause.Subject, forbid.Subject, provider))) continue;
            if (!told.Add((forbid.Rule, provider))) continue;
            yield return new PolicyWarning(
                PolicyWarningKind.FormerId, forbid.Rule, lines.Of(forbid.Rule),
                $"forbids {SubjectText.Of(forbid.Subject)} to start, which is the component of that id: the provider of wasmCloud v1 that had this ID too is {provider}, and may start",
                $"forbid it to {provider} as well, unless the component alone is meant");
        }
    }

    // Exactly the ID of a component or of a former provider; a prefix above it means both, then and now, and …/provider all providers.
    private static SpiffeId? ProviderOf(PolicySubject subject)
    {
        var text = subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text;
        return text?["spiffe://".Length..].Split('/') is [var domain, "wasmcloud", var lattice, var id] && (id != "provider" || subject.SpiffeId is not null) ? SpiffeId.Parse($"spiffe://{domain}/wasmcloud/{lattice}/provider/{id}") : null;
    }

    private static bool MayMean(PolicySubject permit, SpiffeId provider, string? lattice) =>
        (permit.SpiffeId is null || permit.SpiffeId.Equals(provider)) && (permit.SpiffeIdPrefix is null || permit.SpiffeIdPrefix.Covers(provider))
        && (permit.Lattice is null || lattice is null || permit.Lattice == lattice);

    // It says of the provider what the other said of its former ID: nothing more is asked than that asked.
    private static bool Holds(PolicySubject subject, PolicySubject former, SpiffeId provider) =>
        (subject.SpiffeId is null || subject.SpiffeId.Equals(provider)) && (subject.SpiffeIdPrefix is null || subject.SpiffeIdPrefix.Covers(provider))
        && Asks(subject.Digest, former.Digest) && Asks(subject.Signer, former.Signer) && Asks(subject.Image, former.Image) && Asks(subject.ImagePrefix, former.ImagePrefix)
        && Asks(subject.Host, former.Host) && Asks(subject.HostPrefix, former.HostPrefix) && Asks(subject.Namespace, former.Namespace) && Asks(subject.Lattice, former.Lattice);

    private static bool Asks<T>(T? attribute, T? former) where T : class => attribute is null || attribute.Equals(former);
}
