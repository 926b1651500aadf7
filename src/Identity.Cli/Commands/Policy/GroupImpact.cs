using System.Collections.Immutable;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary>
/// Whom of what runs, or may, a difference concerns. Of these as much is told as is whenever something is decided about them, so that nothing depends on more;
/// what could not be decided may concern everybody it may mean.
/// </summary>
internal sealed class GroupImpact
{
    private readonly PolicyDiff _diff;
    private readonly InventoryGroup _group;
    private readonly (CapabilityPolicy Before, CapabilityPolicy After) _policies;
    private readonly ImmutableArray<SignerName> _names;
    private readonly ILookup<Principal, int> _members;
    private readonly Dictionary<AuthorityChange, SortedSet<int>> _concerned = new(ReferenceEqualityComparer.Instance);
    private readonly (long Gained, long Lost) _allowed;
    private readonly (long Gained, long Lost) _ceilings;

    public GroupImpact(PolicyDiff diff, CapabilityPolicy before, CapabilityPolicy after, InventoryGroup group)
    {
        (_diff, _policies, _group) = (diff, (before, after), group);
        _names = [.. before.Clauses.Concat(after.Clauses).Select(clause => clause.Subject.Signer).OfType<SignerName>().Where(signer => !signer.IsKey).Distinct()];
        _members = group.Members.SelectMany((member, at) => member.Principals.Select(principal => (Principal: principal, At: at))).ToLookup(one => one.Principal, one => one.At);
        Principal[] principals = [.. _members.Select(member => member.Key)];
        var compared = new Dictionary<Principal, Principal>();
        foreach (var principal in principals)
        {
            foreach (var standIn in StandIns(principal)) compared.TryAdd(standIn, principal);
        }

        var index = new InventoryIndex(principals);
        var (allowed, ceilings, undecided) = (compared.Count == principals.Length ? diff.On(index) : diff.On([.. compared.Keys]), diff.CeilingsOn(index), diff.DependingOn(index));
        _allowed = (Count(allowed.Gained), Count(allowed.Lost));
        _ceilings = (Count(ceilings.Gained), Count(ceilings.Lost));
        foreach (var change in Changes.Where(IsUndecided)) Concern(change, undecided.Of(change).SelectMany(some => some.Principals).SelectMany(principal => _members[principal]));

        long Count(IEnumerable<PrincipalImpact> impacts)
        {
            var all = new HashSet<int>();
            foreach (var impact in impacts)
            {
                var principal = compared.GetValueOrDefault(impact.Principal, impact.Principal);
                if (!Concerns(impact, principal)) continue;
                Concern(impact.Change, _members[principal]);
                all.UnionWith(_members[principal]);
            }

            return all.Sum(at => _group.Members[at].Count);
        }
    }

    public InventoryGroup Group => _group;

    /// <summary>Whom the change concerns, as a person reads it; of what was not decided whom it may.</summary>
    public IReadOnlyList<string> Concerned(AuthorityChange change) =>
        [.. _concerned.GetValueOrDefault(change, []).Select(at => _group.Members[at]).Select(member => member.Count == 1 ? member.Name : $"{member.Name} (and {member.Count - 1} that ask for the same)")];

    /// <summary>Sentences for a person.</summary>
    public IEnumerable<string> Summary()
    {
        var ceilings = Changes.Any(change => change.Kind == AuthorityChangeKind.Ceiling) ? $"; {_ceilings.Gained} may consume more and {_ceilings.Lost} less" : "";
        yield return $"Of {Answer.Count(_group.Members.Sum(member => member.Count), _group.One, _group.Many)} {_allowed.Gained} may do more and {_allowed.Lost} less{ceilings}.";
        var undecided = Changes.Where(IsUndecided).SelectMany(change => _concerned.GetValueOrDefault(change, [])).Distinct().Sum(at => _group.Members[at].Count);
        if (!_diff.IsComplete) yield return $"What could not be decided may concern {undecided} of them.";
    }

    private IEnumerable<AuthorityChange> Changes => _diff.Gained.Concat(_diff.Lost);

    private static bool IsUndecided(AuthorityChange change) => change.Kind == AuthorityChangeKind.Undecided;

    private void Concern(AuthorityChange change, IEnumerable<int> members)
    {
        if (!_concerned.TryGetValue(change, out var concerned)) _concerned.Add(change, concerned = []);
        concerned.UnionWith(members);
    }

    // A comparison knows callers of whom every signer is told, or none; of a component signers are told as far as they are keys. What differs for it differs as
    // if nobody else had signed it, or, by a forbid, as if all the others had.
    private IEnumerable<Principal> StandIns(Principal principal)
    {
        yield return principal;
        if (IsToldByKeys(principal)) yield return principal with { Signers = [.. principal.Signers, .. _names], Unknown = principal.Unknown & ~PrincipalAttributes.NamedSigner };
    }

    private bool IsToldByKeys(Principal principal) => !_names.IsEmpty && (principal.Unknown & PrincipalAttributes.NamedSigner) != 0;

    private bool Concerns(PrincipalImpact impact, Principal principal)
    {
        if (!IsToldByKeys(principal)) return true;
        if (impact.Change.Kind != AuthorityChangeKind.Authority) return impact.Principal == principal;
        return Allows(_policies.Before) != Allows(_policies.After);

        bool Allows(CapabilityPolicy policy) => NatsRights.Decide(policy, principal, impact.Request, impact.At).Allowed;
    }
}
