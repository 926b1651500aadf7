using Google.Protobuf.Collections;
using Identity.Policy;
using Identity.Policy.Analysis;
using Identity.V1;
using Spiffe.Net;
using Decision = Identity.V1.Decision;
using PolicyRule = Identity.Policy.PolicyRule;
using Principal = Identity.Policy.Principal;

namespace Identity.Cli.Commands.Policy;

/// <summary>
/// What the decisions of a server tell of what is needed: what was denied, and what only permits in mode warn allow. These are taken as gone, so that with
/// what is suggested in force they can be.
/// </summary>
internal sealed class SeenDecisions
{
    // Notes of one kind; the rest is counted.
    private const int MostNamed = 32;
    private const int MostRights = 4;

    // A decision names who asked, and at most the bytes.
    private const PrincipalAttributes NotSeen =
        PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice;

    private static readonly string ByWarnOnly = new RuleWarning("", default) { IsPermit = true }.Text;

    private readonly CapabilityPolicy _lasting;
    private readonly DateTimeOffset _now;
    private readonly Dictionary<string, PolicyRule> _rules;
    private readonly List<Observation> _observations = [];
    private readonly SortedSet<string> _forbidden = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _refusedLogins = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, SortedSet<string>> _warnedLogins = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _reportedOfOthers = new(StringComparer.Ordinal);
    private int _ofOthers;
    private int _untold;
    private int _strangers;
    private int _several;

    private SeenDecisions(CapabilityPolicy policy, DateTimeOffset now)
    {
        (_lasting, _now) = (Lasting(policy), now);
        _rules = policy.Documents.SelectMany(document => document.Rules.Select(rule => (Name: $"{document.Name}/{rule.Name}", Rule: rule))).ToDictionary(one => one.Name, one => one.Rule, StringComparer.Ordinal);
    }

    /// <summary>The policy without its permits in mode warn.</summary>
    public static CapabilityPolicy Lasting(CapabilityPolicy policy) =>
        policy.Documents.Any(document => document.Rules.Any(IsForNow))
            ? CapabilityPolicy.Create(policy.Documents.Select(document => document with { Rules = [.. document.Rules.Where(rule => !IsForNow(rule))] }), policy.Revision)
            : policy;

    /// <param name="policy">What is in force, or shall be.</param>
    /// <param name="isAnyDigest">Of bytes that are not told nothing is granted unless any will do.</param>
    /// <param name="isUnprovenToo">Otherwise nothing that somebody asked for who may be anybody.</param>
    public static (IReadOnlyList<Observation> Observations, IReadOnlyList<string> Notes) Read(
        IEnumerable<Decision> decisions, CapabilityPolicy policy, DateTimeOffset now, bool isAnyDigest, bool isUnprovenToo)
    {
        var seen = new SeenDecisions(policy, now);
        foreach (var decision in decisions)
        {
            if (!SpiffeId.TryParse(decision.Subject, out var id, out _)) seen.AddSeveral(decision, isAnyDigest, isUnprovenToo);
            else if (decision.Kind == DecisionKind.NatsLogin) seen.AddLogin(decision, id);
            else seen.Add(decision, id, isAnyDigest, isUnprovenToo);
        }

        return (seen._observations, [.. seen.Notes()]);
    }

    private static bool IsForNow(PolicyRule rule) => rule is { Effect: RuleEffect.Permit, Mode: RuleMode.Warn };

    // A workload of several components, each of which asked for something of its own.
    private void AddSeveral(Decision decision, bool isAnyDigest, bool isUnprovenToo)
    {
        var principals = decision.Reasons.Concat(decision.Warnings).Select(reason => reason.Principal).Concat(decision.Shadow.Select(shadow => shadow.Principal)).Distinct(StringComparer.Ordinal);
        var (isUnproven, isUntold) = (false, false);
        foreach (var principal in principals)
        {
            var own = decision.Clone();
            Keep(own.Reasons, reason => reason.Principal == principal);
            Keep(own.Warnings, reason => reason.Principal == principal);
            Keep(own.Shadow, shadow => shadow.Principal == principal);
            if (SpiffeId.TryParse(principal, out var id, out _))
            {
                var (strangers, untold) = (_strangers, _untold);
                Add(own, id, isAnyDigest, isUnprovenToo);
                // It is one decision.
                (isUnproven, isUntold) = (isUnproven || _strangers > strangers, isUntold || _untold > untold);
                (_strangers, _untold) = (strangers, untold);
            }
            else if (own.Allowed ? own.Warnings.Any(IsByWarnOnly) : own.Reasons.Count > 0)
            {
                // One of before decisions told who asked for what.
                _several++;
            }
        }

        (_strangers, _untold) = (_strangers + (isUnproven ? 1 : 0), _untold + (isUntold ? 1 : 0));

        static void Keep<T>(RepeatedField<T> all, Func<T, bool> isKept)
        {
            List<T> kept = [.. all.Where(isKept)];
            all.Clear();
            all.AddRange(kept);
        }
    }

    private void Add(Decision decision, SpiffeId id, bool isAnyDigest, bool isUnprovenToo)
    {
        var (denied, warned) = (decision.Allowed ? [] : decision.Reasons.Select(reason => reason.Capability), decision.Warnings.Where(IsByWarnOnly).Select(warning => warning.Capability));
        var objected = Objected(decision).ToList();
        // A process may ask for any token that no rule forbids it, so against such an objection it needs no permit.
        var needed = decision.Kind == DecisionKind.WorkloadSvid ? [] : objected.Select(one => one.Capability);
        var asked = denied.Concat(warned).Concat(needed).Select(RequestOf).OfType<CapabilityRequest>().Distinct().ToList();
        if (asked.Count + objected.Count == 0) return;
        if (!decision.Proven && decision.Kind is DecisionKind.ComponentStart or DecisionKind.WorkloadSvid)
        {
            if (_reportedOfOthers.Count < MostNamed) _reportedOfOthers.Add(decision.DecidedBy);
            _ofOthers++;
            return;
        }

        if (decision is { Kind: DecisionKind.Capability, Proven: false } && !isUnprovenToo)
        {
            _strangers++;
            return;
        }

        AddObjections(id, objected);
        if (asked.Count == 0) return;
        var digest = ComponentDigest.TryParse(decision.ComponentDigest, out var told, out _) ? told : null;
        if (decision.Kind == DecisionKind.ComponentStart && digest is null && !isAnyDigest) _untold++;
        else _observations.AddRange(asked.Select(request => new Observation(new Principal { Id = id, Digest = digest }, request) { Untold = NotSeen | (digest is null ? PrincipalAttributes.Digest : 0) }));
    }

    // A login asks for all that may be had on NATS, so it says of nothing that it is used.
    private void AddLogin(Decision decision, SpiffeId id)
    {
        AddObjections(id, Objected(decision));
        var principal = new Principal { Id = id, Unknown = NotSeen | PrincipalAttributes.Digest };
        if (!decision.Allowed && decision.Reasons.Count > 0 && NatsPermissions.For(_lasting, principal, _now) is NatsPermissions.Denied) _refusedLogins.Add(id.ToString());
        foreach (var warning in decision.Warnings.Where(IsByWarnOnly).Where(warning => _rules.TryGetValue(warning.Rule, out var rule) && IsForNow(rule)))
        {
            if (RequestOf(warning.Capability) is not { } right || NatsRights.Decide(_lasting, principal, right, _now).Allowed) continue;
            if (!_warnedLogins.TryGetValue(id.ToString(), out var rights)) _warnedLogins.Add(id.ToString(), rights = new(StringComparer.Ordinal));
            rights.Add($"{right} ({warning.Rule})");
        }
    }

    // What forbids in modes shadow and warn would take, were they enforced.
    private static IEnumerable<(string Capability, string Rule)> Objected(Decision decision) =>
        decision.Shadow.Where(shadow => !shadow.WouldAllow).Select(shadow => (shadow.Capability, shadow.Rule))
            .Concat(decision.Warnings.Where(warning => !IsByWarnOnly(warning)).Select(warning => (warning.Capability, warning.Rule)));

    private void AddObjections(SpiffeId id, IEnumerable<(string Capability, string Rule)> objected)
    {
        foreach (var (capability, name) in objected)
        {
            if (RequestOf(capability) is { } request && _rules.TryGetValue(name, out var rule) && rule is { Effect: RuleEffect.Forbid, Mode: RuleMode.Shadow or RuleMode.Warn })
                _forbidden.Add($"{id}: {request} (rule {name} would forbid it if it were enforced)");
        }
    }

    private IEnumerable<string> Notes() =>
        Bounded(_forbidden, "no grant keeps")
            .Concat(Bounded(_refusedLogins.Select(id => $"{id}: a login on NATS was refused, and a login does not say which subjects it needs; write them (natsPublish, natsSubscribe), or name them with --seen"), "not granted"))
            .Concat(Bounded(_warnedLogins.Select(login => $"{login.Key}: logged in on NATS with {Few(login.Value)}, and a login does not say which of the subjects it uses; write them, or name them with --seen"), "not granted"))
            .Concat(Counted());

    private IEnumerable<string> Counted()
    {
        if (_strangers > 0)
            yield return $"not granted: {_strangers} {(_strangers == 1 ? "decision was" : "decisions were")} asked for at doors that prove nobody, so by anybody; look at {(_strangers == 1 ? "it" : "them")} (`identity decisions --denied`) before --unproven grants {(_strangers == 1 ? "it" : "them")}";
        if (_ofOthers > 0)
            yield return $"not granted: {_ofOthers} {(_ofOthers == 1 ? "decision was" : "decisions were")} reported about {(_ofOthers == 1 ? "an identity" : "identities")} that the agent had no entry for, by {Few(_reportedOfOthers)}; register the identity below its agent and let it ask again";
        if (_several > 0)
            yield return $"not granted: {_several} {(_several == 1 ? "decision was" : "decisions were")} about several identities, or about nobody that is known, and {(_several == 1 ? "does" : "do")} not tell who asked for what (`identity decisions --denied`)";
        if (_untold > 0) yield return $"not granted: {_untold} {(_untold == 1 ? "decision about a start does" : "decisions about starts do")} not tell of which bytes; --any-digest grants whatever they are";
    }

    private static IEnumerable<string> Bounded(IEnumerable<string> notes, string what)
    {
        var all = notes.ToList();
        foreach (var note in all.Take(MostNamed)) yield return $"{what}: {note}";
        if (all.Count > MostNamed) yield return $"{what}: {all.Count - MostNamed} more like the {MostNamed} above";
    }

    private static string Few(SortedSet<string> rights) => string.Join(", ", rights.Take(MostRights)) + (rights.Count > MostRights ? $" and {rights.Count - MostRights} more" : "");

    private static bool IsByWarnOnly(Reason warning) => warning.Explanation == ByWarnOnly;

    // The start door names an import by its interface alone.
    private static CapabilityRequest? RequestOf(string capability) =>
        CapabilityRequest.TryParse(capability, out var request, out _) || CapabilityRequest.TryParse("import", capability, out request, out _) ? request : null;
}
