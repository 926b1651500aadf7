using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Takes documents apart into clauses: one for each rule, subject and capability, labels expanded.</summary>
internal static class ClauseBuilder
{
    /// <summary>Of one policy. Enough for 10,000 rules of 20 pairs each, few enough to hold and to search.</summary>
    public const int MaxClauses = 200_000;

    /// <param name="labelSteps">Of <paramref name="usage"/>'s, those that the rules of each document took; none where there are none.</param>
    /// <param name="usage">What of the limits that all documents share is used; no use where they are unreadable.</param>
    /// <param name="unreadable">Why the clauses would not be what was meant; then there are none.</param>
    public static ImmutableArray<PolicyClause> Build(ImmutableArray<PolicyDocument> documents, out PolicyUsage usage, out ImmutableDictionary<string, int> labelSteps, out string? unreadable)
    {
        unreadable = null;
        usage = default;
        labelSteps = ImmutableDictionary<string, int>.Empty;
        var labels = new LabelExpansion(documents);
        var clauses = ImmutableArray.CreateBuilder<PolicyClause>();
        var rules = documents
            .SelectMany(document => Whole(document.Rules).Select(rule => (Reference: new RuleReference(document.Name, rule.Name), Rule: rule)))
            .OrderBy(named => named.Reference);
        var rank = 0;
        var keys = new HashSet<SignerName>();
        var steps = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (reference, rule) in rules)
        {
            var before = labels.Steps;
            if ((Add(clauses, reference, rule, rank++, labels) ?? CountKeys(rule, reference, keys)) is not { } problem)
            {
                if (labels.Steps > before) steps[reference.Policy] = steps.GetValueOrDefault(reference.Policy) + labels.Steps - before;
                continue;
            }

            unreadable = problem;
            return [];
        }

        usage = new PolicyUsage(clauses.Count, labels.Steps, keys.Count);
        labelSteps = steps.ToImmutableDictionary(StringComparer.Ordinal);
        return clauses.DrainToImmutable();
    }

    private static string? Add(ImmutableArray<PolicyClause>.Builder clauses, RuleReference reference, PolicyRule rule, int rank, LabelExpansion labels)
    {
        if (rule.Mode == RuleMode.Off) return null;
        var permits = rule.Effect == RuleEffect.Permit;
        // The parser refuses what cannot be evaluated; a rule built in code is not trusted to be whole. A permit then grants nothing, and
        // a forbid might have meant anything.
        if (FindProblem(rule) is { } problem)
            return permits || rule.Mode is RuleMode.Shadow or RuleMode.Warn ? null : $"the forbid {reference} cannot be evaluated: {problem}";
        foreach (var stated in rule.Subjects)
        {
            foreach (var subject in labels.Expand(stated).SelectMany(subject => permits ? [subject] : Spellings(subject)))
            {
                foreach (var capability in rule.Capabilities)
                {
                    if (permits && capability.WhyNotGrantable() is not null) continue;
                    if (clauses.Count == MaxClauses) return TooMany(MaxClauses, reference);
                    clauses.Add(new PolicyClause(reference, permits ? RuleEffect.Permit : RuleEffect.Forbid, rule.Mode, permits ? rule.Expires : null, subject, capability)
                    {
                        Ceilings = permits ? rule.Ceilings : StatedCeilings.None,
                        Rank = rank,
                    });
                }
            }

            if (labels.IsExhausted) return TooMany(LabelExpansion.MaxSteps, reference);
        }

        return null;
    }

    private static string? CountKeys(PolicyRule rule, RuleReference reference, HashSet<SignerName> keys)
    {
        if (rule.Mode == RuleMode.Off) return null;
        foreach (var subject in Whole(rule.Subjects))
        {
            if (subject?.Signer is { IsKey: true } key) keys.Add(key);
        }

        return keys.Count > CapabilityPolicy.MaxSignerKeys
            ? $"rules name more than {CapabilityPolicy.MaxSignerKeys} keys of signers; sign with fewer keys, or split the trust domain: rule {reference} is beyond" : null;
    }

    private static string TooMany(int most, RuleReference reference) =>
        $"rules, subjects, capabilities and labels make more than {most} combinations; split or simplify rule {reference} and those like it";

    // What may have been meant by a prefix is forbidden.
    private static IEnumerable<PolicySubject> Spellings(PolicySubject subject) =>
        subject.ImagePrefix?.OfficialImage is { } official ? [subject, subject with { ImagePrefix = official }] : [subject];

    private static string? FindProblem(PolicyRule rule)
    {
        if (rule.Subjects.IsDefaultOrEmpty) return "it names no subject";
        if (rule.Capabilities.IsDefaultOrEmpty) return "it names no capability";
        return rule.Subjects.Any(subject => subject is null || subject.IsEmpty) ? "one of its subjects states nothing" : null;
    }

    private static ImmutableArray<T> Whole<T>(ImmutableArray<T> items) => items.IsDefault ? [] : items;
}
