using System.Collections.Immutable;
using Identity.Policy;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.NatsAuthCallout;
using Spiffe.Net;
using Decision = Identity.Policy.Decision;

namespace Identity.Server.ComponentPolicy;

/// <summary>Would a candidate deny something that runs under the policy in force? Answers with the sentence for a person, or null.</summary>
/// <param name="narrows">Whether the candidate takes anything from anybody: what takes nothing denies nothing, whatever runs.</param>
/// <param name="touchesNats">Whether it may make nats-server be told otherwise: by rules that only permit as well (<see cref="NatsPermissions.MayDiffer"/>).</param>
/// <param name="mayVerify">Asked before so many signatures are tried: a change that is only tried takes nothing of the share of whoever brought the component. Null for no bound.</param>
internal sealed class StageTrial(CapabilityPolicy current, CapabilityPolicy candidate, bool narrows, bool touchesNats, DateTimeOffset now, Func<int, bool>? mayVerify = null)
{
    // Ends of rules that are looked at, one after the other. Each but the last takes nothing from whoever is tried.
    private const int MaxEnds = 8;

    // Looked for when they are needed: a policy may have 200,000 clauses.
    private SignerName[] Names => field ??= [.. candidate.Clauses.Select(clause => clause.Subject.Signer).OfType<SignerName>().Where(signer => !signer.IsKey).Distinct()];

    /// <summary>Those that either policy names.</summary>
    public ImmutableArray<SignerName> SignerKeys { get; } = [.. current.SignerKeys.Union(candidate.SignerKeys)];

    /// <summary>
    /// Whom to look for among those who lose something, with the caller they stand for. The comparison of policies knows callers of whom every signer is told, or none;
    /// of a component signers are told as far as they are keys. What it loses, it loses as nobody else signed it, or, by a forbid, as all the others did.
    /// </summary>
    public IEnumerable<KeyValuePair<Principal, Principal>> WhomToCompare(Principal caller)
    {
        var told = caller with { Unknown = caller.Unknown & ~PrincipalAttributes.NamedSigner };
        yield return new(told, caller);
        if (told != caller && Names.Length > 0) yield return new(told with { Signers = [.. told.Signers, .. Names] }, caller);
    }

    /// <summary>The moment it is tried at.</summary>
    public DateTimeOffset Now => now;

    /// <summary>The same policies at another moment.</summary>
    public StageTrial At(DateTimeOffset moment) => new(current, candidate, narrows, touchesNats, moment, mayVerify);

    /// <summary>Whether it can be said now who signed it, as far as either policy asks; a little later it can, or nobody ever tells.</summary>
    public bool Knows(ReportedAdmission admission) => (!narrows && !touchesNats) || admission.Signers.TryLearn(SignerKeys, mayVerify ?? (_ => true));

    /// <summary>What is only asked: a yes that would become a no.</summary>
    public string? WhyDenied(Principal principal, CapabilityRequest request) =>
        Denies(principal, request) ? $"{principal.Id} would be denied {First(NatsRights.Explain(candidate, principal, request, now))}" : null;

    /// <summary>The same without the sentence, which costs more.</summary>
    public bool Denies(Principal principal, CapabilityRequest request) =>
        NatsRights.Decide(current, principal, request, now).Allowed && !NatsRights.Decide(candidate, principal, request, now).Allowed;

    /// <summary>A workload that a door let through, and that its host asks nobody about again: what it was given with its start.</summary>
    public string? WhyDenied(AllowedWorkload workload)
    {
        if (!narrows || workload.Asks is not { } asks) return null;
        foreach (var (principal, requests) in asks.Questions)
        {
            foreach (var request in requests)
            {
                if (WhyDenied(principal, request) is { } why) return $"{workload.Text} may run, and {why}";
            }
        }

        return null;
    }

    /// <summary>What such a workload is not denied now and would be later.</summary>
    public string? WhyDeniedLater(AllowedWorkload workload) => !narrows || workload.Asks is not { } asks ? null : FirstLater(
        at => asks.Questions.SelectMany(question => question.Requests.Select(request => NatsRights.Decide(candidate, question.Principal, request, at).ValidUntil)).Min(),
        later => later.WhyDenied(workload));

    /// <summary>A running component: the start as it would be decided now, what may be called on it, what it may consume, and what it may say on NATS.</summary>
    public string? WhyDenied(ReportedAdmission admission)
    {
        if (!narrows && !touchesNats) return null;
        if (!Knows(admission)) return $"{admission.SpiffeId} runs on {admission.Host}, and who signed it could not be tried yet: nobody can say whether it would be denied";
        if (admission.PrincipalFor(SignerKeys) is not { } principal) return null;
        if (!narrows) return StageLosses.Of(admission.SpiffeId, NatsPermissions.For(current, principal, now), NatsPermissions.For(candidate, principal, now));
        if (admission.Imports is not { } imports)
        {
            return $"{admission.SpiffeId} runs on {admission.Host}, and its agent does not tell what it imports: nobody can say whether it would be denied";
        }

        var start = new ComponentStart(principal, admission.Name, imports);
        if (ComponentAdmission.Decide(current, start, now) is not Decision.Admitted before) return null;
        return ComponentAdmission.Decide(candidate, start, now) switch
        {
            Decision.Admitted after => StageLosses.Of(admission.SpiffeId, before, after),
            Decision.Denied denied => $"{admission.SpiffeId} runs on {admission.Host} and would be denied: {First(denied.Explanation)}",
            _ => $"{admission.SpiffeId} runs on {admission.Host}, and there is no decision about it",
        };
    }

    /// <summary>What a running component is not denied now and would be later, when a rule ends that the candidate puts an end to.</summary>
    public string? WhyDeniedLater(ReportedAdmission admission)
    {
        if (!narrows || admission.Imports is not { } imports || admission.PrincipalFor(SignerKeys) is not { } principal) return null;
        var start = new ComponentStart(principal, admission.Name, imports);
        return FirstLater(
            at => (ComponentAdmission.Decide(candidate, start, at) as Decision.Admitted)?.ValidUntil,
            later => later.WhyDenied(admission));
    }

    /// <summary>The same of somebody logged in to NATS.</summary>
    public string? WhyDeniedLater(SpiffeId id, LoginFacts facts) => !touchesNats ? null : FirstLater(
        at => (LoginGrant.For(id, facts with { Policy = candidate }, at) as LoginGrant.Allowed)?.Until,
        later => later.WhyDenied(id, facts));

    /// <summary>Somebody logged in to NATS.</summary>
    public string? WhyDenied(SpiffeId id, LoginFacts facts)
    {
        if (!touchesNats || LoginGrant.For(id, facts with { Policy = current }, now) is not LoginGrant.Allowed before) return null;
        return LoginGrant.For(id, facts with { Policy = candidate }, now) switch
        {
            LoginGrant.Allowed after => StageLosses.Of(id, before, after),
            LoginGrant.Refused refused => $"{id} is logged in to NATS and would be refused: {(refused.Explanation is { } why ? First(why) : refused.Reason)}",
            _ => $"{id} is logged in to NATS, and there is no decision about it",
        };
    }

    /// <summary>Somebody was given a token. A component needs a permit for its audience; a process may ask for any that no rule forbids it.</summary>
    /// <param name="component">Null for a process.</param>
    public string? WhyDenied(SpiffeId id, string audience, Principal? component)
    {
        if (!CapabilityRequest.TryParse("audience", audience, out var request, out _)) return null;
        if (component is not null) return WhyDenied(component, request);
        var process = Principal.Process(id);
        if (IsRefused(current, process, request) || !IsRefused(candidate, process, request)) return null;
        return $"{id} would be denied {First(PolicyDecision.Explain(candidate, process, request, now))}";
    }

    private string? FirstLater(Func<DateTimeOffset, DateTimeOffset?> endAfter, Func<StageTrial, string?> whyDenied)
    {
        var at = now;
        for (var ends = 0; ends < MaxEnds && endAfter(at) is { } end && end > at; ends++)
        {
            at = end;
            if (whyDenied(At(at)) is { } why) return $"{why}, from {at:u} on";
        }

        return null;
    }

    private bool IsRefused(CapabilityPolicy policy, Principal process, CapabilityRequest request) =>
        !PolicyDecision.DecideUnlessForbidden(policy, process, request, now).Allowed;

    private static string First(Explanation explanation) => explanation.Refusals is [var first, ..] ? first.ToString() : "it is not granted";
}
