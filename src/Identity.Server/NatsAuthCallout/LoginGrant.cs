using System.Collections.Immutable;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>What an identity that has proven itself may do on NATS, as registration and policy have it at one moment.</summary>
internal abstract record LoginGrant
{
    private LoginGrant() { }

    /// <param name="Until">Ask again then; null when nothing it rests on has an end.</param>
    public sealed record Allowed(NatsSide Publish, NatsSide Subscribe, DateTimeOffset? Until, ImmutableArray<RuleReference> DeterminingRules) : LoginGrant
    {
        /// <summary>How it may answer requests; null when it may not.</summary>
        public NatsResponses? Responses { get; init; }

        /// <summary>As of <see cref="NatsPermissions.Allowed"/>.</summary>
        public NatsSide SubscribeOnOlder { get; init; } = Subscribe;

        /// <summary>What one nats-server is told. The grant itself is of all of them: a cluster may have servers of both kinds, between which sessions move.</summary>
        public NatsSide SubscribeOn(NatsServerKind server) => server == NatsServerKind.Current ? Subscribe : SubscribeOnOlder;

        /// <summary>Whether both permit the same for as long; which rules say so makes no difference.</summary>
        public bool Equals(Allowed? other) =>
            other is not null && Publish == other.Publish && Subscribe == other.Subscribe && SubscribeOnOlder == other.SubscribeOnOlder && Responses == other.Responses && Until == other.Until;

        public override int GetHashCode() => HashCode.Combine(Publish, Subscribe, Until);
    }

    /// <param name="Explanation">Set when policy refused.</param>
    public sealed record Refused(LoginRefusal Cause, string Reason, Explanation? Explanation = null) : LoginGrant;

    public static LoginGrant For(SpiffeId id, LoginFacts facts, DateTimeOffset now) => facts.StandingOf(id) switch
    {
        LoginStanding.Workload workload => Of(id, NatsPermissions.For(facts.Policy, id, now), workload.Until),
        LoginStanding.AdmittedComponent component => Of(id, NatsPermissions.For(facts.Policy, component.PrincipalOf(id, facts.Policy), now), null),
        LoginStanding.Refused standing => new Refused(LoginRefusal.Standing, $"{id} is refused: {standing.Reason}"),
        _ => new Refused(LoginRefusal.Standing, $"{id} has no standing"),
    };

    /// <summary>What rules in modes shadow and warn have to say about the answer to <see cref="For"/>. Asked at logins only, not whenever a session is looked at again.</summary>
    public static NatsNotes NotesFor(SpiffeId id, LoginFacts facts, DateTimeOffset now) => facts.StandingOf(id) switch
    {
        LoginStanding.Workload => NatsNotes.About(facts.Policy, Principal.Process(id), now),
        LoginStanding.AdmittedComponent component => NatsNotes.About(facts.Policy, component.PrincipalOf(id, facts.Policy), now),
        _ => NatsNotes.None,
    };

    private static LoginGrant Of(SpiffeId id, NatsPermissions permissions, DateTimeOffset? registeredUntil) => permissions switch
    {
        NatsPermissions.Allowed allowed => new Allowed(
            allowed.Publish, allowed.Subscribe, registeredUntil < (allowed.ValidUntil ?? DateTimeOffset.MaxValue) ? registeredUntil : allowed.ValidUntil,
            allowed.DeterminingRules)
        {
            Responses = allowed.Responses,
            SubscribeOnOlder = allowed.SubscribeOnOlder,
        },
        NatsPermissions.Denied denied => new Refused(LoginRefusal.Policy, $"policy gives {id} no NATS subject", denied.Explanation),
        _ => new Refused(LoginRefusal.Policy, $"policy has no answer for {id}"),
    };
}
