using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>Principals that a change means or does not mean; nobody can say which without something that is not told of them.</summary>
/// <param name="Principals">In the order of the inventory; many changes may share them.</param>
/// <param name="On">What is not told; nothing where the change itself is not decided.</param>
public sealed record DependingPrincipals(ImmutableArray<Principal> Principals, PrincipalAttributes On);

/// <summary>
/// Whom of an inventory changes may concern, depending on what is not told of them; of changes that were not decided everybody whom they may mean. A subject is
/// compared once with all of whom the same is told, however many changes are about it: what it asks for and these do not tell makes no difference among them.
/// </summary>
public sealed class DependingImpact
{
    private readonly Dictionary<AuthorityChange, ImmutableArray<DependingPrincipals>> _byChange = new(ReferenceEqualityComparer.Instance);

    internal DependingImpact(PolicyDiff diff, InventoryIndex inventory)
    {
        List<Alike> alike = [.. inventory.Alike.Select(same => new Alike(inventory, same))];
        foreach (var change in diff.Gained.Concat(diff.Lost))
        {
            var isUndecided = change.Kind == AuthorityChangeKind.Undecided;
            // A ceiling rises for whom the permit means that stated it, or states it now; a login changes for whom several rules mean.
            PolicySubject[] subjects = [change.Held?.Subject ?? change.Permit.Subject, .. change.Beside.Select(clause => clause.Subject), .. isUndecided && change.Lifted is { } lifted ? [lifted.Subject] : Array.Empty<PolicySubject>()];
            var asked = subjects.Aggregate(PrincipalAttributes.None, (all, subject) => all | subject.Asked);
            if (asked == PrincipalAttributes.None && !isUndecided) continue;
            ImmutableArray<DependingPrincipals> found = [.. alike.SelectMany(some => some.Find(subjects, asked, isUndecided))];
            // What could not be decided of a login may be gained and lost.
            if (!found.IsEmpty) _byChange[change] = found;
        }
    }

    /// <summary>Also those whom the change concerns for certain by something else that is told of the same identity.</summary>
    public ImmutableArray<DependingPrincipals> Of(AuthorityChange change) => _byChange.GetValueOrDefault(change, []);

    private sealed class Alike(InventoryIndex inventory, AlikePrincipals principals)
    {
        private readonly Dictionary<Subjects, Dictionary<PrincipalAttributes, ImmutableArray<Principal>>> _meant = [];
        private readonly Dictionary<(ImmutableArray<Principal> Principals, PrincipalAttributes On), DependingPrincipals> _known = [];

        // Of a told image the tag or the digest may be left open; of keys that are told others than keys are.
        private readonly PrincipalAttributes _maybeUntold =
            principals.Unknown | PrincipalAttributes.Image | ((principals.Unknown & PrincipalAttributes.NamedSigner) != 0 ? PrincipalAttributes.Signer : 0);

        public IEnumerable<DependingPrincipals> Find(PolicySubject[] subjects, PrincipalAttributes asked, bool isUndecided)
        {
            if (!isUndecided && (asked & _maybeUntold) == 0) yield break;
            var told = new Subjects([.. subjects.Select(subject => subject.Without(principals.Unknown)).Distinct()]);
            if (!_meant.TryGetValue(told, out var byUntold)) _meant.Add(told, byUntold = MeantByAll(told.All));
            foreach (var (untold, meant) in byUntold)
            {
                var on = isUndecided ? PrincipalAttributes.None : untold | (asked & principals.Unknown);
                if (on == PrincipalAttributes.None && !isUndecided) continue;
                if (!_known.TryGetValue((meant, on), out var depending)) _known.Add((meant, on), depending = new DependingPrincipals(meant, on));
                yield return depending;
            }
        }

        private Dictionary<PrincipalAttributes, ImmutableArray<Principal>> MeantByAll(ImmutableArray<PolicySubject> subjects)
        {
            var found = new Dictionary<PrincipalAttributes, List<Principal>>();
            foreach (var (at, first) in principals.Meant(subjects[0]))
            {
                var (principal, all, isMeant) = (inventory[at], first, true);
                for (var i = 1; i < subjects.Length && isMeant; i++)
                {
                    isMeant = subjects[i].MayMean(principal, out var untold);
                    all |= untold;
                }

                if (!isMeant) continue;
                if (!found.TryGetValue(all, out var same)) found.Add(all, same = []);
                same.Add(principal);
            }

            return found.ToDictionary(same => same.Key, same => same.Value.ToImmutableArray());
        }
    }

    private readonly record struct Subjects(ImmutableArray<PolicySubject> All)
    {
        public bool Equals(Subjects other) => All.AsSpan().SequenceEqual(other.All.AsSpan());

        public override int GetHashCode() => HashCode.Combine(All[0], All.Length);
    }
}
