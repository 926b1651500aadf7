using System.Collections.Immutable;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary>
/// Whom of the registered identities a difference concerns. An entry tells an identity, and of a component its host and perhaps its digest: a permit that asks
/// for more may mean it or not, and then it is counted apart.
/// </summary>
internal sealed class RegisteredImpact
{
    private readonly PolicyDiff _diff;
    private readonly ImmutableArray<Principal> _inventory;
    private readonly PolicyImpact _allowed;
    private readonly PolicyImpact _ceilings;
    private readonly ILookup<object, string> _concerned;
    private readonly Dictionary<object, (IReadOnlyList<string> Ids, PrincipalAttributes On)> _depending = new(ReferenceEqualityComparer.Instance);

    public RegisteredImpact(PolicyDiff diff, ImmutableArray<Principal> inventory)
    {
        (_diff, _inventory, _allowed, _ceilings) = (diff, inventory, diff.On(inventory), diff.CeilingsOn(inventory));
        _concerned = ((ImmutableArray<PrincipalImpact>[])[_allowed.Gained, _allowed.Lost, _ceilings.Gained, _ceilings.Lost])
            .SelectMany(impacts => impacts).ToLookup(impact => (object)impact.Change, impact => impact.Principal.Id.ToString(), ReferenceEqualityComparer.Instance);
        foreach (var change in diff.Gained.Concat(diff.Lost)) _depending[change] = FindDepending(change);
    }

    /// <summary>Who may do that more, or less, whatever else they are.</summary>
    public IReadOnlyList<string> Concerned(AuthorityChange change) => [.. _concerned[change].Distinct()];

    /// <summary>Who may be meant besides, and what that depends on; of what could not be decided everybody it may mean.</summary>
    public (IReadOnlyList<string> Ids, PrincipalAttributes On) Depending(AuthorityChange change) => _depending.GetValueOrDefault(change, ([], PrincipalAttributes.None));

    /// <summary>Sentences for a person; none when nobody is registered.</summary>
    public IEnumerable<string> Summary()
    {
        var known = _inventory.Select(principal => principal.Id).Distinct().Count();
        if (known == 0) yield break;
        var ceilings = _diff.Gained.Concat(_diff.Lost).Any(change => change.Kind == AuthorityChangeKind.Ceiling)
            ? $"; {Ids(_ceilings.Gained).Count} may consume more and {Ids(_ceilings.Lost).Count} less" : "";
        yield return $"Of {Answer.Count(known, "registered identity", "registered identities")} {Ids(_allowed.Gained).Count} may do more and {Ids(_allowed.Lost).Count} less{ceilings}.";

        var (mayGain, mayLose) = (Without(_diff.Gained, [.. _allowed.Gained, .. _ceilings.Gained]), Without(_diff.Lost, [.. _allowed.Lost, .. _ceilings.Lost]));
        if (mayGain + mayLose > 0)
        {
            var on = _depending.Values.Aggregate(PrincipalAttributes.None, (all, one) => all | one.On);
            yield return $"Depending on {Words(on)}, which entries do not tell, {mayGain} more may gain something and {mayLose} lose something.";
        }

        var undecided = _diff.Gained.Concat(_diff.Lost).Where(IsUndecided).SelectMany(change => Depending(change).Ids).Distinct(StringComparer.Ordinal).Count();
        if (!_diff.IsComplete) yield return $"What could not be decided may concern {undecided} of them.";
    }

    /// <summary>For a sentence: "image and lattice".</summary>
    public static string Words(PrincipalAttributes attributes) => string.Join(
        " and ", Enum.GetValues<PrincipalAttributes>().Where(one => one != PrincipalAttributes.None && (attributes & one) == one).Select(one => one.ToString().ToLowerInvariant()));

    private static HashSet<string> Ids(IEnumerable<PrincipalImpact> impacts) => [.. impacts.Select(impact => impact.Principal.Id.ToString())];

    private static bool IsUndecided(AuthorityChange change) => change.Kind == AuthorityChangeKind.Undecided;

    private int Without(IEnumerable<AuthorityChange> changes, IEnumerable<PrincipalImpact> counted)
    {
        var sure = Ids(counted);
        return changes.Where(change => !IsUndecided(change)).SelectMany(change => Depending(change).Ids).Distinct(StringComparer.Ordinal).Count(id => !sure.Contains(id));
    }

    private (IReadOnlyList<string> Ids, PrincipalAttributes On) FindDepending(AuthorityChange change)
    {
        // A ceiling rises for whom the permit means that stated it, or states it now; a login changes for whom several rules mean.
        PolicySubject[] subjects = [change.Held?.Subject ?? change.Permit.Subject, .. change.Beside.Select(clause => clause.Subject)];
        var asked = subjects.Aggregate(PrincipalAttributes.None, (all, subject) => all | AskedBy(subject));
        if (asked == PrincipalAttributes.None && !IsUndecided(change)) return ([], PrincipalAttributes.None);
        var concerned = _concerned[change].ToHashSet(StringComparer.Ordinal);
        var (ids, on) = (new SortedSet<string>(StringComparer.Ordinal), PrincipalAttributes.None);
        foreach (var principal in _inventory)
        {
            if (concerned.Contains(principal.Id.ToString()) || !Array.TrueForAll(subjects, subject => MayMean(subject, principal))) continue;
            if (IsUndecided(change) ? change.Lifted is { } lifted && !MayMean(lifted.Subject, principal) : (asked & principal.Unknown) == 0) continue;
            ids.Add(principal.Id.ToString());
            if (!IsUndecided(change)) on |= asked & principal.Unknown;
        }

        return ([.. ids], on);
    }

    private static PrincipalAttributes AskedBy(PolicySubject subject) =>
        (subject.Digest is null ? 0 : PrincipalAttributes.Digest) | (subject.Signer is null ? 0 : PrincipalAttributes.Signer)
        | (subject.Image is null && subject.ImagePrefix is null ? 0 : PrincipalAttributes.Image) | (subject.Host is null && subject.HostPrefix is null ? 0 : PrincipalAttributes.Host)
        | (subject.Namespace is null ? 0 : PrincipalAttributes.Namespace) | (subject.Lattice is null ? 0 : PrincipalAttributes.Lattice);

    // As far as the entry tells: it tells no signer, image, namespace or lattice, so these are unknown or known to be absent.
    private static bool MayMean(PolicySubject subject, Principal principal) =>
        (subject.SpiffeId is null || subject.SpiffeId.Equals(principal.Id))
        && (subject.SpiffeIdPrefix is null || subject.SpiffeIdPrefix.Covers(principal.Id))
        && (subject.Digest is null || IsOpen(PrincipalAttributes.Digest, principal) || subject.Digest.Equals(principal.Digest))
        && (subject.Host is null || IsOpen(PrincipalAttributes.Host, principal) || subject.Host.Equals(principal.Host))
        && (subject.HostPrefix is null || IsOpen(PrincipalAttributes.Host, principal) || (principal.Host is { } host && subject.HostPrefix.Covers(host)))
        && (AskedBy(subject) & ~(PrincipalAttributes.Digest | PrincipalAttributes.Host | principal.Unknown)) == 0;

    private static bool IsOpen(PrincipalAttributes attribute, Principal principal) => (principal.Unknown & attribute) != 0;
}
