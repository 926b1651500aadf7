using System.Security.Cryptography;
using System.Text;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Server.ComponentPolicy;

/// <summary>What one policy lets anybody do, or tells nats-server, that another does not, exactly (<see cref="PolicyDiff"/>), in lines for a person.</summary>
internal sealed class AuthorityDifference
{
    private readonly PolicyDiff _diff;
    private readonly List<PolicyClause> _lifted;

    private readonly CapabilityPolicy _before;
    private readonly CapabilityPolicy _after;

    private AuthorityDifference(PolicyDiff diff, CapabilityPolicy before, CapabilityPolicy after)
    {
        _diff = diff;
        _lifted = Lifted(before, after);
        (_before, _after) = (before, after);
        IsReadable = before.Unreadable is null && after.Unreadable is null;
    }

    /// <summary>One line each: what somebody may do now, and the forbids that are gone, also where nobody is permitted what they held back.</summary>
    public IEnumerable<string> Gained => _diff.Gained.Select(Line).Concat(_lifted.Select(clause => $"no longer forbidden: {clause.Capability} [{clause.Rule}]"));

    /// <summary>One line each.</summary>
    public IEnumerable<string> Lost => _diff.Lost.Select(Line);

    /// <summary>False when one of the two policies cannot be read; then nobody can say what changes.</summary>
    public bool IsReadable { get; }

    /// <summary>What could not be decided within the bounds of work counts as wider.</summary>
    public bool Widens => !IsReadable || !_diff.Gained.IsEmpty;

    /// <summary>
    /// Whether a forbid is gone, though perhaps nobody is permitted what it held back: it may have stood there against permits to come. Compared by
    /// what forbids say, so that taking one apart into two counts as well.
    /// </summary>
    public bool LiftsForbids => !IsReadable || _lifted.Count > 0;

    /// <summary>The policies whose forbids hold back nothing of what is gained any more, be it that another took somebody's label away; all that forbid when that could not be decided.</summary>
    public IEnumerable<string> LiftedFrom => (IsReadable && _diff.IsComplete ? _diff.Gained.Select(change => change.Lifted).OfType<PolicyClause>().Concat(_lifted) : Forbids(_before)).Select(clause => clause.Rule.Policy).Distinct();

    /// <summary>Forbids that their own policy does not say any more, each with the policies that do.</summary>
    public IEnumerable<MovedForbids> Moved()
    {
        var after = Forbids(_after).ToLookup(clause => (clause.Subject, clause.Capability), clause => clause.Rule.Policy);
        return Forbids(_before).Select(clause => (From: clause.Rule.Policy, StillIn: after[(clause.Subject, clause.Capability)].Distinct().Order(StringComparer.Ordinal).ToList()))
            .Where(forbid => !forbid.StillIn.Contains(forbid.From))
            .DistinctBy(forbid => (forbid.From, string.Join(' ', forbid.StillIn)))
            .Select(forbid => new MovedForbids(forbid.From, [.. forbid.StillIn]));
    }

    public bool Narrows => !IsReadable || !_diff.Lost.IsEmpty;

    /// <summary>Whether it takes away anything of these kinds, or may.</summary>
    public bool TakesAnyOf(IReadOnlySet<string> kinds) => !IsReadable || _diff.Lost.Any(change => kinds.Contains(change.Permit.Capability.Kind));

    /// <summary>What these lose, each with something of it that they may ask for and the moment it is lost at; null where nobody can say what they lose.</summary>
    public IEnumerable<(PolicyClause Permit, Principal? Principal, CapabilityRequest? Request, DateTimeOffset At)> LossesOf(IReadOnlyList<Principal> principals) =>
        (_diff with { Gained = [] }).On(principals).Lost
            .Select(impact => (impact.Change.Permit, (Principal?)impact.Principal, (CapabilityRequest?)impact.Request, impact.At))
            .Concat(_diff.Lost.Where(change => change.Kind == AuthorityChangeKind.Undecided).Select(change => (change.Permit, (Principal?)null, (CapabilityRequest?)null, default(DateTimeOffset))));

    public static AuthorityDifference Between(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now, long work = PolicyDiff.DefaultWork) =>
        new(PolicyDiff.Between(before, after, now, work), before, after);

    /// <summary>
    /// SHA-256 over all of it, exceptions included: the same when the change means the same on another base. Where not all of it could be decided, nobody knows
    /// what it means on another base, and it is over both policies whole.
    /// </summary>
    public byte[] Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(Whole(_diff.Gained));
        Add(Whole(_diff.Lost));
        Add(_lifted.Select(Clause).Order(StringComparer.Ordinal));
        Add([$"{IsReadable}"]);
        if (!_diff.IsComplete || !IsReadable)
        {
            Add(_before.Clauses.Select(Clause));
            Add(_after.Clauses.Select(Clause));
        }

        return hash.GetHashAndReset();

        // No line has a line break; an empty one ends a list.
        void Add(IEnumerable<string> lines)
        {
            foreach (var line in lines) hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
            hash.AppendData("\n"u8);
        }
    }

    private static List<PolicyClause> Lifted(CapabilityPolicy before, CapabilityPolicy after)
    {
        var kept = Forbids(after).Select(clause => (clause.Subject, clause.Capability)).ToHashSet();
        return [.. Forbids(before).Where(clause => !kept.Contains((clause.Subject, clause.Capability)))];
    }

    private static IEnumerable<PolicyClause> Forbids(CapabilityPolicy policy) =>
        policy.Clauses.Where(clause => clause is { Effect: RuleEffect.Forbid, Mode: RuleMode.Enforce });

    private static string Line(AuthorityChange change) =>
        $"{change}{(change.Until is { } until ? $" until {until:u}" : "")} [{change.Rule}]"
        + $"{(change.Kind == AuthorityChangeKind.Undecided ? " (too much work to decide; taken as a change)" : change.Example is { } example ? $", for example {example.Principal.Id} {example.What}" : "")}";

    private static IEnumerable<string> Whole(IEnumerable<AuthorityChange> changes) => changes.Select(change =>
        $"{change.Kind} {Clause(change.Permit)} {(change.Lifted is { } lifted ? Clause(lifted) : "")} {(change.Held is { } held ? Clause(held) : "")} {change.Ceiling} "
        + string.Join(';', change.Except.Select(Clause).Order(StringComparer.Ordinal)) + (change.Login is { } login ? Whole(login) : "")).Order(StringComparer.Ordinal);

    // Of each sort of callers, who they are by the rules that mean them.
    private static string Whole(LoginChange login) => $" {login.IsWhole} {login.IsOfUntoldNames} {string.Join(';', login.Subjects)} " + string.Join(';', login.Rules
        .Select(rules => $"{string.Join(',', rules.Inside.Select(Clause).Order(StringComparer.Ordinal))}/{string.Join(',', rules.Outside.Select(Clause).Order(StringComparer.Ordinal))}")
        .Order(StringComparer.Ordinal));

    private static string Clause(PolicyClause clause) =>
        $"{clause.Rule} {clause.Effect} {clause.Mode} {clause.Subject} {clause.Capability} {clause.Ceilings} {clause.Expires:O}";
}
