using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>
/// What rules in modes shadow and warn have to say about the rights of an identity on NATS. A login asks for all that may be had there, so a forbid says
/// what of it would be lost and a permit what would come to it. Nothing here changes an answer.
/// </summary>
/// <param name="Shadow">Each rule and right once; at most <see cref="Most"/>.</param>
/// <param name="Warnings">Each rule and right once; at most <see cref="Most"/>.</param>
public sealed record NatsNotes(ImmutableArray<ShadowOutcome> Shadow, ImmutableArray<RuleWarning> Warnings)
{
    public const int Most = 64;

    public static NatsNotes None { get; } = new([], []);

    /// <summary>None when the policy cannot be read, or names more subjects than fit into a login.</summary>
    public static NatsNotes About(CapabilityPolicy policy, Principal caller, DateTimeOffset now) =>
        policy.Unreadable is null ? NatsNoteFinder.Find(policy, caller, now) : None;
}
