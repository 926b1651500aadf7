using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>Something that was asked for: at the door of a component, on NATS, by a shadow decision.</summary>
public sealed record Observation(Principal Principal, CapabilityRequest Request)
{
    /// <summary>What whoever saw it does not tell of the caller. Where a rule permits it already to those of whom that is so, a grant that does not ask for it would undo the rule.</summary>
    public PrincipalAttributes Untold { get; init; }
}

/// <summary>A policy that would have allowed what was seen.</summary>
/// <param name="Source">The document (YAML), comments included; null when there is nothing to grant.</param>
/// <param name="Left">What it does not grant although it was seen, each with why.</param>
public sealed record PolicySuggestion(string? Source, ImmutableArray<string> Left)
{
    /// <summary>Why nothing is written although there is something to grant: it would be no document, or could not be in force beside the others. Null otherwise.</summary>
    public string? Problem { get; init; }
}

/// <summary>
/// Writes the least policy that would have allowed what was seen: these identities, with these bytes where they were known, these
/// capabilities. Prefixes and wildcards are never invented; only the accesses to one stream, consumer or key are put together, and what
/// another seen capability covers is left out. The same observations in any order give the same text.
/// </summary>
public static class PolicySuggest
{
    // As many capabilities as the parser takes of one rule.
    private const int MaxPerRule = 1_000;

    /// <param name="policy">What is in force: what it allows already is left out, what it forbids cannot be granted.</param>
    /// <param name="name">Of the suggested document.</param>
    /// <param name="pinDigest">Grant to the very bytes that were seen, where they are known.</param>
    public static PolicySuggestion For(
        CapabilityPolicy policy, IEnumerable<Observation> observations, DateTimeOffset now, string name = "suggested", bool pinDigest = true)
    {
        var left = new SortedSet<string>(StringComparer.Ordinal);
        var seen = new SortedDictionary<string, Grantee>(StringComparer.Ordinal);
        foreach (var observation in observations)
        {
            var (principal, request) = observation;
            var decision = NatsRights.Decide(policy, principal, request, now);
            if (decision.Allowed)
            {
                // No permit would help.
                if (NatsRights.WhyRefusedOnNats(policy, principal, request, now) is { } refused) left.Add($"{principal.Id}: {request} (rule {decision.Determining} permits it, but {refused})");
                continue;
            }

            var capability = request.ToCapability();
            if (decision.Reason != RefusalReason.NotGranted || capability.WhyNotGrantable() is not null)
            {
                left.Add($"{principal.Id}: {request} ({(decision.Reason == RefusalReason.Forbidden ? $"rule {decision.Determining} forbids it" : capability.WhyNotGrantable() ?? "policy cannot be read")})");
                continue;
            }

            if (WithMore(policy, observation, now) is var (permit, untold))
            {
                left.Add($"{principal.Id}: {request} (rule {permit.Rule} permits it depending on the {DecisionExplainer.NamesOf(untold)}, which {DecisionExplainer.WasOrWere(untold)} not seen; meet the rule, or write what you mean by hand)");
                continue;
            }

            var digest = pinDigest && (principal.Unknown & PrincipalAttributes.Digest) == 0 ? principal.Digest : null;
            var key = $"{principal.Id} {digest?.Text}";
            if (!seen.TryGetValue(key, out var grantee)) seen.Add(key, grantee = new Grantee(principal.Id, digest, [], []));
            grantee.Capabilities.Add(capability);
            if (NatsSubjects.IsAbout(capability)) grantee.Callers.Add(principal);
        }

        return Fitting(policy, seen.Values, name, now, left);
    }

    /// <summary>What the door asks when identity-host starts a component: what its bytes import, and the one export that is called.</summary>
    /// <param name="wholeInterfaces">
    /// Where the grant is to outlive these bytes: the next ones may import other functions of the same interfaces. Otherwise the functions are those that
    /// these bytes import, and no others.
    /// </param>
    public static IEnumerable<Observation> ToStart(ComponentStart start, bool wholeInterfaces = false)
    {
        if (start.Imports.Imports.IsEmpty) yield return new Observation(start.Principal, new CapabilityRequest.Start());
        foreach (var import in start.Imports.Imports)
        {
            // First the interface, then its functions.
            var asked = InventoryCheck.Asks(import).ToList();
            var least = wholeInterfaces || asked.Count < 2 ? asked.Take(1) : asked.Skip(1);
            foreach (var request in least) yield return new Observation(start.Principal, request);
        }

        if (HostCalls.FirstOf(HostCalls.All, start.Imports) is { } called) yield return new Observation(start.Principal, called);
    }

    // As a document, which can be in force beside the others, and beside them refuses nobody the login for having too many subjects.
    private static PolicySuggestion Fitting(CapabilityPolicy policy, IReadOnlyCollection<Grantee> seen, string name, DateTimeOffset now, SortedSet<string> left)
    {
        while (true)
        {
            Grantee[] granted = [.. seen.Where(grantee => grantee.Capabilities.Count > 0)];
            if (granted.Length == 0) return new PolicySuggestion(null, [.. left]);
            var source = Write(name, granted, left);
            if (!PolicyParser.TryParse(source, out var document, out var problems)) return Unfit(left, $"what was seen makes no document: {problems[0]}; suggest from parts of it, each with a name of its own");
            var with = CapabilityPolicy.Create([.. policy.Documents.Where(other => other.Name != document.Name), document], policy.Revision);
            if (with.Unreadable is { } why) return Unfit(left, $"what was seen cannot be granted beside the policies that are there: {why}");
            var refused = Array.FindAll(granted, grantee => grantee.Callers.Any(caller => NatsSubjects.Collect(new Evaluator(with, caller, now)).IsTooMany));
            if (refused.Length == 0) return new PolicySuggestion(source, [.. left]);
            foreach (var grantee in refused)
            {
                left.Add($"{grantee.Id}: {grantee.Capabilities.RemoveAll(NatsSubjects.IsAbout)} rights on NATS (with them {NatsPermissions.TooMany("").Detail})");
                grantee.Callers.Clear();
            }
        }
    }

    private static PolicySuggestion Unfit(SortedSet<string> left, string problem) => new(null, [.. left]) { Problem = problem };

    // The first permit that would do for somebody who has what is not told.
    private static (PolicyClause Permit, PrincipalAttributes Untold)? WithMore(CapabilityPolicy policy, Observation observation, DateTimeOffset now)
    {
        if (observation.Untold == PrincipalAttributes.None) return null;
        var whoever = observation.Principal with { Unknown = observation.Principal.Unknown | observation.Untold };
        foreach (var clause in policy.ClauseList)
        {
            if (clause.Effect == RuleEffect.Permit && clause.Mode != RuleMode.Shadow && !clause.IsExpired(now) && clause.Capability.Matches(observation.Request)
                && clause.Subject.MayMean(whoever, out var untold) && untold != PrincipalAttributes.None)
                return (clause, untold);
        }

        return null;
    }

    private static string Write(string name, IEnumerable<Grantee> grantees, SortedSet<string> left)
    {
        var text = new StringBuilder("# Suggested from what was seen; read it before it is applied.\n");
        foreach (var line in left) text.Append(CultureInfo.InvariantCulture, $"# not granted: {line}\n");
        text.Append(CultureInfo.InvariantCulture, $"kind: CapabilityPolicy\nname: {YamlText.Of(name)}\nrules:\n");
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, digest, capabilities, _) in grantees)
        {
            foreach (var some in Merged(capabilities).Chunk(MaxPerRule))
            {
                text.Append(CultureInfo.InvariantCulture, $"  - name: {YamlText.Of(FreeName(id, taken))}\n    effect: permit\n    subjects:\n      - spiffeId: {id}\n");
                if (digest is not null) text.Append(CultureInfo.InvariantCulture, $"        digest: {digest.Text}\n");
                text.Append("    capabilities:\n");
                foreach (var capability in some) text.Append(CultureInfo.InvariantCulture, $"      - {capability.ToYaml()}\n");
            }
        }

        return text.ToString();
    }

    private static IEnumerable<Capability> Merged(List<Capability> seen)
    {
        var merged = seen.GroupBy(Place).Select(same => same.Aggregate(Together)).ToList();
        return merged
            .Where((capability, at) => !merged.Where((other, where) => where != at && other.Covers(capability) && (where < at || !capability.Covers(other))).Any())
            .OrderBy(capability => capability.ToString(), StringComparer.Ordinal);
    }

    // Accesses to one thing are one capability; everything else stands for itself.
    private static object Place(Capability capability) => capability switch
    {
        Capability.Stream stream => stream with { Access = 0 },
        Capability.Consumer consumer => consumer with { Access = 0 },
        Capability.Bucket bucket => bucket with { Access = 0 },
        _ => capability,
    };

    private static Capability Together(Capability left, Capability right) => (left, right) switch
    {
        (Capability.Stream one, Capability.Stream other) => one with { Access = one.Access | other.Access },
        (Capability.Consumer one, Capability.Consumer other) => one with { Access = one.Access | other.Access },
        (Capability.Bucket one, Capability.Bucket other) => one with { Access = one.Access | other.Access },
        _ => left,
    };

    private static string FreeName(SpiffeId id, HashSet<string> taken)
    {
        const int Longest = 64;
        var path = id.ToString();
        var last = path[(path.LastIndexOf('/') + 1)..];
        var stem = last.Length > Longest ? last[..Longest] : last;
        var name = stem;
        for (var number = 2; !taken.Add(name); number++) name = $"{stem}-{number}";
        return name;
    }

    /// <param name="Callers">Those who asked for something on NATS.</param>
    private sealed record Grantee(SpiffeId Id, ComponentDigest? Digest, List<Capability> Capabilities, HashSet<Principal> Callers);
}
