using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>Principals that a change means or does not mean; nobody can say which without something that is not told of them.</summary>
/// <param name="Principals">In the order of their IDs; many changes may share them.</param>
/// <param name="On">What is not told; nothing where the change itself is not decided.</param>
public sealed record DependingPrincipals(ImmutableArray<Principal> Principals, PrincipalAttributes On);

/// <summary>
/// Whom of an inventory changes may concern, depending on what is not told of them; of changes that were not decided everybody whom they may mean. A subject is
/// compared once with all of whom the same is told, however many changes are about it: what it asks for and these do not tell makes no difference among them.
/// </summary>
public sealed class DependingImpact
{
    private readonly Dictionary<AuthorityChange, ImmutableArray<DependingPrincipals>> _byChange = new(ReferenceEqualityComparer.Instance);

    internal DependingImpact(PolicyDiff diff, IReadOnlyList<Principal> inventory)
    {
        List<Alike> alike = [.. inventory.GroupBy(principal => principal.Unknown).Select(same => new Alike(same.Key, same))];
        foreach (var change in diff.Gained.Concat(diff.Lost))
        {
            var isUndecided = change.Kind == AuthorityChangeKind.Undecided;
            // A ceiling rises for whom the permit means that stated it, or states it now; a login changes for whom several rules mean.
            PolicySubject[] subjects = [change.Held?.Subject ?? change.Permit.Subject, .. change.Beside.Select(clause => clause.Subject), .. isUndecided && change.Lifted is { } lifted ? [lifted.Subject] : Array.Empty<PolicySubject>()];
            var asked = subjects.Aggregate(PrincipalAttributes.None, (all, subject) => all | subject.Asked);
            if (asked == PrincipalAttributes.None && !isUndecided) continue;
            ImmutableArray<DependingPrincipals> found = [.. alike.SelectMany(some => some.Find(subjects, asked, isUndecided))];
            if (!found.IsEmpty) _byChange[change] = found;
        }
    }

    /// <summary>Also those whom the change concerns for certain by something else that is told of the same identity.</summary>
    public ImmutableArray<DependingPrincipals> Of(AuthorityChange change) => _byChange.GetValueOrDefault(change, []);

    /// <summary>Principals of whom the same is not told.</summary>
    private sealed class Alike(PrincipalAttributes unknown, IEnumerable<Principal> principals)
    {
        private readonly PrincipalIndex _index = new(principals);
        private readonly Dictionary<Subjects, Meant> _meant = [];

        // Of a told image the tag or the digest may be left open; of keys that are told others than keys are.
        private readonly PrincipalAttributes _maybeUntold =
            unknown | PrincipalAttributes.Image | ((unknown & PrincipalAttributes.NamedSigner) != 0 ? PrincipalAttributes.Signer : 0);

        public IEnumerable<DependingPrincipals> Find(PolicySubject[] subjects, PrincipalAttributes asked, bool isUndecided)
        {
            if (!isUndecided && (asked & _maybeUntold) == 0) return [];
            var told = new Subjects([.. subjects.Select(subject => subject.Without(unknown)).Distinct()]);
            if (!_meant.TryGetValue(told, out var meant)) _meant.Add(told, meant = new Meant(_index, told.All));
            return meant.Of(asked & unknown, isUndecided);
        }
    }

    /// <summary>Whom subjects mean together, by what of it is untold.</summary>
    private sealed class Meant
    {
        private readonly Dictionary<PrincipalAttributes, ImmutableArray<Principal>> _byUntold;
        private readonly Dictionary<(PrincipalAttributes Untold, PrincipalAttributes On), DependingPrincipals> _known = [];

        public Meant(PrincipalIndex index, ImmutableArray<PolicySubject> subjects)
        {
            var found = new Dictionary<PrincipalAttributes, ImmutableArray<Principal>.Builder>();
            foreach (var principal in index.Candidates(subjects[0]))
            {
                var all = PrincipalAttributes.None;
                var isMeant = true;
                foreach (var subject in subjects)
                {
                    isMeant = subject.MayMean(principal, out var untold);
                    if (!isMeant) break;
                    all |= untold;
                }

                if (!isMeant) continue;
                if (!found.TryGetValue(all, out var same)) found.Add(all, same = ImmutableArray.CreateBuilder<Principal>());
                same.Add(principal);
            }

            _byUntold = found.ToDictionary(same => same.Key, same => same.Value.DrainToImmutable());
        }

        /// <param name="always">What is asked for and told of none of them.</param>
        public IEnumerable<DependingPrincipals> Of(PrincipalAttributes always, bool isUndecided)
        {
            foreach (var (untold, principals) in _byUntold)
            {
                var on = isUndecided ? PrincipalAttributes.None : untold | always;
                if (on == PrincipalAttributes.None && !isUndecided) continue;
                if (!_known.TryGetValue((untold, on), out var depending)) _known.Add((untold, on), depending = new DependingPrincipals(principals, on));
                yield return depending;
            }
        }
    }

    private readonly record struct Subjects(ImmutableArray<PolicySubject> All)
    {
        public bool Equals(Subjects other) => All.AsSpan().SequenceEqual(other.All.AsSpan());

        public override int GetHashCode() => HashCode.Combine(All[0], All.Length);
    }
}
