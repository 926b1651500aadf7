using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What is asked about logins: each may differ in its own way, and each by other rules.</summary>
internal abstract class LoginQuestion(WorkBudget work)
{
    /// <summary>Stands for an identity's own inbox until it is known whose.</summary>
    public const string Own = "…";

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
            if (!family.MayDiffer([.. inside, .. open])) return LoginDelta.None;
            return open.Count > 0 ? null : LoginDelta.Between(Told(inside, before: true), Told(inside, before: false), Work);
        }

        public override bool Concerns(Statement statement) => family.Has(statement);

        /// <summary>The same, where others have too many subjects.</summary>
        public Func<IReadOnlyList<Audience>, IReadOnlyList<Audience>, LoginDelta?> DecideApart(LoginDelta delta) => (inside, open) =>
            !Audience.MayBeTooMany(inside.Concat(open), Work) ? delta : open.Count > 0 ? null : Audience.MayBeTooMany(inside, Work) ? LoginDelta.None : delta;

        // Of audiences that speak of other things as well only what they say of the family.
        private LoginSide Told(IReadOnlyList<Audience> audiences, bool before) =>
            new([.. audiences.SelectMany(audience => audience.Statements).Where(statement => (before ? statement.IsBefore : statement.IsAfter) && family.Has(statement)).Select(statement => statement.Clause)]);
    }

    /// <summary>Of the place where replies arrive.</summary>
    public sealed class OfInbox(WorkBudget work) : LoginQuestion(work)
    {
        public override LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open) =>
            open.Count > 0 ? null : LoginDelta.OfInbox(Side(inside, before: true), Side(inside, before: false), Own);

        public override bool Concerns(Statement statement) => LoginGain.IsOfInbox(statement);
    }

    /// <summary>Of everything, for whom one of the two policies refuses the login because of many subjects.</summary>
    public sealed class OfTooMany(WorkBudget work) : LoginQuestion(work)
    {
        public override LoginDelta? Decide(IReadOnlyList<Audience> inside, IReadOnlyList<Audience> open)
        {
            if (!Audience.MayBeTooMany(inside.Concat(open), Work)) return LoginDelta.None;
            if (NatsSubjects.Collect(Audience.ClausesOf(inside, before: true)).IsTooMany && NatsSubjects.Collect(Audience.ClausesOf(inside, before: false)).IsTooMany) return LoginDelta.None;
            return open.Count > 0 ? null : LoginDelta.Between(Side(inside, before: true), Side(inside, before: false), Work);
        }

        public override bool Concerns(Statement statement) => true;
    }
}
