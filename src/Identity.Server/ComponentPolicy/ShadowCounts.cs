using System.Collections.Frozen;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What rules in mode shadow would have done to live decisions, since this process started: agents' starts, NATS logins and the decision points. Bounded:
/// rules beyond <see cref="MaxRules"/> are only counted together.
/// </summary>
internal sealed class ShadowCounts(TimeProvider time)
{
    public const int MaxRules = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<RuleReference, Count> _counts = [];
    private readonly DateTimeOffset _since = time.GetUtcNow();
    private ShadowRules? _shadows;
    private ulong _notCounted;

    /// <param name="decisionId">Of the decision it would have turned; empty when there is none.</param>
    public void Record(RuleReference rule, bool wouldAllow, string decisionId = "")
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            if (!_counts.TryGetValue(rule, out var count))
            {
                if (_counts.Count >= MaxRules)
                {
                    _notCounted++;
                    return;
                }

                _counts[rule] = count = new Count { FirstSeen = now };
            }

            if (wouldAllow) count.WouldAllow++;
            else count.WouldDeny++;
            count.LastSeen = now;
            if (decisionId.Length > 0) count.Example = decisionId;
        }
    }

    /// <summary>Counts what a decision says; only rules that are in force and in mode shadow, so that no agent fills the table with names of its own.</summary>
    public void Record(IEnumerable<Identity.V1.ShadowOutcome> outcomes, string decisionId, CapabilityPolicy policy)
    {
        foreach (var outcome in outcomes)
        {
            var slash = outcome.Rule.IndexOf('/', StringComparison.Ordinal);
            if (slash <= 0) continue;
            var rule = new RuleReference(outcome.Rule[..slash], outcome.Rule[(slash + 1)..]);
            if (IsShadow(policy, rule)) Record(rule, outcome.WouldAllow, decisionId);
        }
    }

    /// <summary>Counts what an agent reported.</summary>
    public void RecordReported(Identity.V1.Decision decision, CapabilityPolicy policy) => Record(decision.Shadow, decision.Id, policy);

    /// <summary>By rule, in ordinal order.</summary>
    public ListShadowCountsResponse List()
    {
        lock (_gate)
        {
            var response = new ListShadowCountsResponse { Since = Timestamp.FromDateTimeOffset(_since), NotCounted = _notCounted };
            response.Counts.AddRange(_counts.OrderBy(pair => pair.Key).Select(pair => new ShadowCount
            {
                Rule = string.Create(CultureInfo.InvariantCulture, $"{pair.Key}"),
                WouldAllow = pair.Value.WouldAllow,
                WouldDeny = pair.Value.WouldDeny,
                FirstSeen = Timestamp.FromDateTimeOffset(pair.Value.FirstSeen),
                LastSeen = Timestamp.FromDateTimeOffset(pair.Value.LastSeen),
                Example = pair.Value.Example,
            }));
            return response;
        }
    }

    // Looked through once for each policy: a report may name many rules.
    private bool IsShadow(CapabilityPolicy policy, RuleReference rule)
    {
        var known = Volatile.Read(ref _shadows);
        if (known is null || !ReferenceEquals(known.Policy, policy))
        {
            known = new(policy, (from document in policy.Documents from one in document.Rules where one.Mode == RuleMode.Shadow select new RuleReference(document.Name, one.Name)).ToFrozenSet());
            Volatile.Write(ref _shadows, known);
        }

        return known.Rules.Contains(rule);
    }

    private sealed record ShadowRules(CapabilityPolicy Policy, FrozenSet<RuleReference> Rules);

    private sealed class Count
    {
        public ulong WouldAllow { get; set; }

        public ulong WouldDeny { get; set; }

        public DateTimeOffset FirstSeen { get; init; }

        public DateTimeOffset LastSeen { get; set; }

        public string Example { get; set; } = "";
    }
}
