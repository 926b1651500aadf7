using Identity.Policy;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What an edit makes of the policy in force at one revision and moment. Compiled and compared when first asked, and once: a change is judged, described and
/// fingerprinted while other changes of policy wait.
/// </summary>
internal sealed class PolicyEffect
{
    private readonly Lazy<CapabilityPolicy> _after;
    private readonly Lazy<DifferenceSummary> _difference;
    private readonly Lazy<string?> _excess;

    // Reading documents for a role costs as much as they are long.
    private readonly Dictionary<PolicyPerson, string?> _uncovered;
    private readonly Dictionary<PolicyPerson, string?> _beyondShare;

    public PolicyEffect(ControlPlaneState state, PolicyEdit edit, DateTimeOffset now)
    {
        (State, Edit, Now, _uncovered, _beyondShare) = (state, edit, now, [], []);
        _after = new(() => edit.ApplyTo(state), LazyThreadSafetyMode.None);
        _excess = new(() => PolicyUse.WhyTooMuch(state, edit), LazyThreadSafetyMode.None);
        _difference = new(() => Compare(state.Policy, _after.Value, now), LazyThreadSafetyMode.None);
    }

    private PolicyEffect(PolicyEffect known, ControlPlaneState state, DateTimeOffset now, Lazy<DifferenceSummary> difference) =>
        (State, Edit, Now, _after, _excess, _beyondShare, _difference, _uncovered) =
        (state, known.Edit, now, known._after, known._excess, known._beyondShare, difference, known._uncovered);

    public ControlPlaneState State { get; }

    public PolicyEdit Edit { get; }

    public DateTimeOffset Now { get; }

    public CapabilityPolicy After => _after.Value;

    public DifferenceSummary Difference => _difference.Value;

    /// <summary>Whether what is known of it is true in another state and at a later moment: no policy and no role changed, no rule expired.</summary>
    public bool HoldsIn(ControlPlaneState other, DateTimeOffset at) =>
        PolicyProposals.Base(other) == PolicyProposals.Base(State) && (!_difference.IsValueCreated || at < Difference.HoldsUntil);

    /// <summary>The same, in a state and at a moment in which it <see cref="HoldsIn"/>.</summary>
    public PolicyEffect In(ControlPlaneState other, DateTimeOffset at) => new(this, other, at, _difference);

    /// <summary>The same, compared before.</summary>
    public PolicyEffect With(DifferenceSummary difference) => new(this, State, Now, new(difference));

    /// <summary>Why so many documents, or so large, may not be in force together; null when they may.</summary>
    public string? Excess => _excess.Value;

    /// <summary>Why this person may not make the change, and an administrator may: it fills what all policies share beyond the part they have of it; null where it does not.</summary>
    public string? WhyBeyondShare(PolicyPerson author) =>
        PolicyGate.IsAdmin(author) ? null
        : _beyondShare.TryGetValue(author, out var known) ? known : _beyondShare[author] = PolicyUse.WhyBeyondShare(State, Edit, After, author);

    /// <summary>Why no role lets this person make the change; null when one does.</summary>
    public string? WhyUncovered(PolicyPerson person) =>
        _uncovered.TryGetValue(person, out var known) ? known : _uncovered[person] = PolicyGate.FindProblem(State, Edit, person);

    public static DifferenceSummary Compare(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) => DifferenceSummary.Of(
        AuthorityDifference.Between(before, after, now),
        before.Clauses.Concat(after.Clauses).Select(clause => clause.Expires).Where(end => end > now).Min() ?? DateTimeOffset.MaxValue);
}

/// <summary>
/// What one change would do, over all attempts to write it: compared anew only when a policy or a role changed meanwhile. What else is written to a busy ledger
/// decides nothing about it, and must not keep it out for ever.
/// </summary>
internal sealed class PolicyEffects(TimeProvider time)
{
    private PolicyEffect? _newest;

    /// <param name="edit">Made of nothing but policies and roles of the state.</param>
    public PolicyEffect In(ControlPlaneState state, Func<PolicyEdit> edit)
    {
        var now = time.GetUtcNow();
        return _newest = _newest is { } known && known.HoldsIn(state, now) ? known.In(state, now) : new PolicyEffect(state, edit(), now);
    }
}
