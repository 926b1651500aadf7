using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What is asked about logins: each may differ in its own way, and each by other rules.</summary>
internal abstract class LoginQuestion(WorkBudget work)
{
    /// <summary>See <see cref="CellSearch"/>.</summary>
    public abstract LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open);

    /// <summary>Whether a statement can be behind the answer.</summary>
    public abstract bool Concerns(Statement statement);

    public bool IsChangedBy(Audience audience) => audience.Changed.Any(Concerns);

    protected WorkBudget Work => work;

    protected static LoginSide Side(IEnumerable<Audience> audiences, bool before) => new(Audience.ClausesOf(audiences, before));

    /// <summary>Of one family of subjects.</summary>
    public sealed class OfFamily(Family family, WorkBudget work) : LoginQuestion(work)
    {
        public override LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open)
        {
            if (!family.MayDiffer([.. inside, .. open], Work)) return LoginDelta.None;
            return open.Count > 0 ? null : LoginDelta.OfRights(Told(inside, before: true), Told(inside, before: false), Work);
        }

        public override bool Concerns(Statement statement) => family.Has(statement);

        /// <summary>The same, where others have too many subjects.</summary>
        public Func<IReadOnlyList<Audience>, IReadOnlyList<Audience>, LoginDelta?> DecideApart(LoginDelta delta) => (inside, open) =>
            !Audience.MayBeTooMany(inside.Concat(open), Work) ? delta : open.Count > 0 ? null : Audience.MayBeTooMany(inside, Work) ? LoginDelta.None : delta;

        // Of audiences that speak of other things as well only what they say of the family.
        private LoginSide Told(IReadOnlyList<Audience> audiences, bool before) =>
            new([.. audiences.SelectMany(audience => audience.Statements).Where(statement => (before ? statement.IsBefore : statement.IsAfter) && family.Has(statement)).Select(statement => statement.Clause)]);
    }

    /// <summary>Of what comes with being let in at all: the place where replies arrive, and answers.</summary>
    public sealed class OfGiven(WorkBudget work) : LoginQuestion(work)
    {
        public override LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open)
        {
            List<Audience> all = [.. inside, .. open];
            var isOpen = open.Count > 0;
            if (!Audience.MayBeCut(all, Work))
            {
                if (!MayDiffer(all)) return LoginDelta.None;
                var (was, will) = (IsLetIn(inside, open, before: true), IsLetIn(inside, open, before: false));
                // Who is let in before and after answers by a right alone.
                if (was == will && was is { } both && (!both || !Said(all).Any(statement => statement is { IsChanged: true, IsOfInbox: true }))) return LoginDelta.None;
                isOpen &= was is null || will is null || Said(open).Any(statement => statement.IsOfInbox || IsOfAnswers(statement)) || Audience.MayBeTooMany(all, Work);
            }

            if (isOpen) return null;
            var (before, after) = (Side(inside, before: true), Side(inside, before: false));
            // Where a login is refused whole, that is told of all of it together.
            return before.IsTooMany || after.IsTooMany ? LoginDelta.None : LoginDelta.OfGiven(before, after, Work);
        }

        public override bool Concerns(Statement statement) => !IsOfAnswers(statement);

        private static IEnumerable<Statement> Said(IEnumerable<Audience> audiences) => audiences.SelectMany(audience => audience.Statements);

        private static bool IsOfAnswers(Statement statement) => statement.Clause.Capability is Capability.NatsRespond;

        // By a permit, or by a forbid of all that one grants, or of where replies arrive.
        private bool MayDiffer(List<Audience> all)
        {
            foreach (var statement in Said(all))
            {
                if (!statement.IsChanged) continue;
                if (statement.IsOfInbox || (statement.Permits && statement.Subjects.Count > 0)) return true;
                if (statement.Permits || statement.Subjects.Count == 0) continue;
                Work.Take(all.Count);
                if (Said(all).Any(permit => permit.Permits && permit.Subjects.Any(subject => statement.Forbids(subject)))) return true;
            }

            return false;
        }

        // Whoever is permitted a subject that no single forbid covers; null while that depends on whom.
        private bool? IsLetIn(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open, bool before)
        {
            var (sure, perhaps) = (Forbids(inside), Forbids(open));
            if (Permitted(inside).Any(subject => !IsForbidden(subject, sure) && !IsForbidden(subject, perhaps))) return true;
            return Permitted(inside).Concat(Permitted(open)).Any(subject => !IsForbidden(subject, sure)) ? null : false;

            List<Statement> Forbids(IReadOnlyList<Audience> some) => [.. Said(some).Where(statement => IsSaid(statement) && !statement.Permits && statement.Subjects.Count > 0)];

            IEnumerable<LoginSubject> Permitted(IReadOnlyList<Audience> some) => Said(some).Where(statement => IsSaid(statement) && statement.Permits).SelectMany(statement => statement.Subjects);

            bool IsSaid(Statement statement) => before ? statement.IsBefore : statement.IsAfter;

            bool IsForbidden(LoginSubject subject, List<Statement> forbids)
            {
                Work.Take(forbids.Count);
                return forbids.Exists(forbid => forbid.Forbids(subject));
            }
        }
    }

    /// <summary>Of everything, for whom one of the two policies refuses the login because of many subjects, or may leave some out.</summary>
    public sealed class OfTooMany(WorkBudget work) : LoginQuestion(work)
    {
        public override LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open)
        {
            if (!Audience.MayBeTooMany(inside.Concat(open), Work)) return LoginDelta.None;
            if (NatsSubjects.Collect(Audience.ClausesOf(inside, before: true)).IsTooMany && NatsSubjects.Collect(Audience.ClausesOf(inside, before: false)).IsTooMany) return LoginDelta.None;
            if (open.Count > 0) return null;
            var (before, after) = (Side(inside, before: true), Side(inside, before: false));
            return before.IsTooMany || after.IsTooMany ? LoginDelta.OfAll(before, after, Work) : LoginDelta.OfRights(before, after, Work);
        }

        public override bool Concerns(Statement statement) => true;
    }
}
