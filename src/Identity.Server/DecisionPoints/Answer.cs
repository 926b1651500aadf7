using System.Collections.Immutable;
using Identity.Policy;

namespace Identity.Server.DecisionPoints;

/// <summary>The one decision's answer, as every door words it.</summary>
internal sealed record Answer
{
    /// <summary>For <c>identity why</c>; empty for a dry run.</summary>
    public required string DecisionId { get; init; }

    /// <summary>True when each verdict is, and there is one.</summary>
    public required bool Allowed { get; init; }

    /// <summary>The ledger revision it was decided at.</summary>
    public required ulong Revision { get; init; }

    /// <summary>The revision of the policy it was decided with.</summary>
    public required ulong PolicyRevision { get; init; }

    /// <summary>One sentence a person can act on.</summary>
    public required string Reason { get; init; }

    /// <summary>In the order of the questions; empty when they could not be asked.</summary>
    public ImmutableArray<Verdict> Verdicts { get; init; } = [];

    /// <summary>When the first permit that it rests on ends; null when none does.</summary>
    public DateTimeOffset? ValidUntil { get; init; }

    /// <summary>One policy document (YAML) that would turn all of it; null when none does, as where one of the questions is forbidden, or there are too many.</summary>
    public string? SmallestGrant { get; init; }

    /// <summary>What rules in mode warn had to say, and what is permitted and nats-server refuses; a sentence each.</summary>
    public IReadOnlyList<string> Warnings =>
    [
        .. Verdicts.Where(verdict => verdict.Decision.Warned).Select(verdict => $"{verdict.Request} of {verdict.Principal.Id}: rule {verdict.Decision.Warning} {verdict.Decision.WarningText}"),
        .. Verdicts.Where(verdict => verdict.RefusedOnNats is not null).Select(verdict => $"{verdict.Request} of {verdict.Principal.Id}: {verdict.RefusedOnNats}"),
    ];

    public IEnumerable<Verdict> Denied => Verdicts.Where(verdict => !verdict.Decision.Allowed);
}

/// <summary>The answer to one of the questions.</summary>
/// <param name="Explanation">Of a denial, as far as there are not too many of them; null otherwise.</param>
internal sealed record Verdict(Principal Principal, CapabilityRequest Request, CapabilityDecision Decision, Explanation? Explanation)
{
    /// <summary>Why nats-server refuses what is permitted (<see cref="NatsRights.WhyRefusedOnNats"/>), or that nobody looked; null when it does not.</summary>
    public string? RefusedOnNats { get; init; }

    /// <summary>The rule that determined it, or the one that came nearest; empty when there is none.</summary>
    public string Rule => (Decision.Determining ?? Refusal?.ForbiddenBy ?? Refusal?.NearestMiss?.Rule)?.ToString() ?? "";

    /// <summary>
    /// Policy text (YAML) that would turn it; null when none does, and where something was not told: that could have been what the nearest rule asks for, and a grant
    /// without it would be wider than that rule.
    /// </summary>
    public string? SmallestGrant => Explanation is { } why && why.Refusals.All(refusal => refusal.Untold == 0) ? why.SmallestGrant : null;

    /// <summary>Why, in one line.</summary>
    public string Text => Decision.Allowed ? $"permitted by rule {Decision.Determining}" : Refusal?.ToString() ?? $"{Request}: {Word(Decision.Reason)}";

    private Refusal? Refusal => Explanation is { Refusals: [var first, ..] } ? first : null;

    private static string Word(RefusalReason reason) => reason switch
    {
        RefusalReason.Forbidden => "a rule forbids it",
        RefusalReason.NotGrantable => "it is nothing that policy could grant",
        RefusalReason.PolicyUnreadable => "policy cannot be read whole, so nothing is granted",
        _ => "no rule permits it",
    };
}
