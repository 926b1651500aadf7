using System.Collections.Immutable;
using System.Numerics;
using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds rules that permit on NATS what nobody can use, or nobody at an older nats-server, in the sentences of <see cref="NatsReach"/>. Of each subject of a rule somebody is asked about
/// who is nothing but what the subject states: the rules that mean him mean everybody whom the subject means.
/// </summary>
public static class NatsUseCheck
{
    // A token, a segment, a name that no rule speaks of.
    private const string Fresh = "x-whichever";

    // Clauses that are looked at, for all subjects together: some seconds.
    private const int MaxWork = 20_000_000;

    public static ImmutableArray<PolicyWarning> Find(CapabilityPolicy policy, DateTimeOffset now)
    {
        if (policy.Unreadable is not null) return [];
        var lines = new RuleLines(policy);
        var warned = new HashSet<(RuleReference, string)>();
        var found = ImmutableArray.CreateBuilder<PolicyWarning>();
        var work = 0L;
        foreach (var subject in policy.ClauseList.Where(clause => IsInForce(clause, now)).GroupBy(clause => clause.Subject))
        {
            var caller = Witness(subject.Key);
            var said = policy.ClauseIndex.NatsClausesAbout(caller).Count;
            if ((work += said * ((long)said + subject.Count())) > MaxWork)
            {
                var rule = subject.First().Rule;
                found.Add(new PolicyWarning(PolicyWarningKind.Undecided, rule, lines.Of(rule), "from here on, it was not checked whether nats-server can be told what is permitted: that is too much work", "check parts of the policy by themselves"));
                break;
            }

            var reach = NatsReach.Of(policy, caller, now);
            foreach (var clause in subject)
            {
                foreach (var request in OneByOne(clause.Capability))
                {
                    // What a forbid takes by name is found elsewhere.
                    if (!NatsRights.Decide(policy, caller, request, now).Allowed) continue;
                    if (reach.WhyRefused(request) is { } why) Warn(PolicyWarningKind.Unusable, clause, why, "mend that, or remove it from the rule: nobody can use it");
                    else if (reach.WhyRefusedOnOlder(request) is { } older) Warn(PolicyWarningKind.OlderServers, clause, older, "mend that, or upgrade those servers; where there are none it is of no concern");
                }
            }
        }

        return found.DrainToImmutable();

        void Warn(PolicyWarningKind kind, PolicyClause clause, string why, string advice)
        {
            if (warned.Add((clause.Rule, why))) found.Add(new PolicyWarning(kind, clause.Rule, lines.Of(clause.Rule), $"permits {clause.Capability}, and {why}", advice));
        }
    }

    private static bool IsInForce(PolicyClause clause, DateTimeOffset now) =>
        clause.Effect == RuleEffect.Permit && clause.Mode != RuleMode.Shadow && !clause.IsExpired(now) && NatsSubjects.IsAbout(clause.Capability);

    private static Principal Witness(PolicySubject subject) => new()
    {
        Id = subject.SpiffeId ?? Below(subject.SpiffeIdPrefix) ?? SpiffeId.Parse($"spiffe://{Fresh}.invalid/{Fresh}"),
        Digest = subject.Digest,
        Signers = subject.Signer is { } signer ? [signer] : [],
        Image = subject.Image ?? (subject.ImagePrefix is { } images && ImageReference.TryParse($"{images.Text}/{Fresh}:{Fresh}", out var image, out _) ? image : null),
        Host = subject.Host ?? Below(subject.HostPrefix),
        Namespace = subject.Namespace,
        Lattice = subject.Lattice,
    };

    private static SpiffeId? Below(SpiffeIdPrefix? prefix) =>
        prefix is null ? null : SpiffeId.TryParse($"{prefix.Text}/{Fresh}", out var id, out _) ? id : SpiffeId.Parse(prefix.Text);

    // One thing that it permits with each access, for wildcards one that no rule names.
    private static IEnumerable<CapabilityRequest> OneByOne(Capability capability) => capability switch
    {
        Capability.NatsPublish publish => [new CapabilityRequest.NatsPublish(One(publish.Subject))],
        Capability.NatsSubscribe subscribe => [new CapabilityRequest.NatsSubscribe(One(subscribe.Subject), subscribe.Queue)],
        Capability.NatsRespond => [new CapabilityRequest.NatsRespond()],
        Capability.Stream stream => Bits((int)stream.Access).Select(bit => new CapabilityRequest.Stream(stream.Name, (StreamAccess)bit)),
        Capability.Consumer consumer => Bits((int)consumer.Access).Select(bit => new CapabilityRequest.Consumer(consumer.StreamName, consumer.Name, (ConsumerAccess)bit)),
        Capability.Bucket bucket => Bits((int)bucket.Access).Select(bit => (BucketAccess)bit)
            .Select(access => new CapabilityRequest.Bucket(bucket.Name, access == BucketAccess.Manage ? bucket.Keys : One(bucket.Keys), access)),
        _ => [],
    };

    private static NatsSubject One(NatsSubject subject) =>
        subject.HasWildcard ? NatsSubject.Raw(string.Join('.', subject.Text.Split('.').Select(token => token is "*" or ">" ? Fresh : token))) : subject;

    private static IEnumerable<int> Bits(int flags)
    {
        for (var rest = (uint)flags; rest != 0; rest &= rest - 1) yield return 1 << BitOperations.TrailingZeroCount(rest);
    }
}
