using System.Collections.Immutable;
using Identity.Policy.Analysis.Logins;

namespace Identity.Policy.Analysis;

/// <summary>
/// What one policy allows that another does not, exactly: over every caller, request and moment from now on, also those that nobody has
/// thought of. Rules in mode shadow or off, and forbids in mode warn, decide nothing and so count for nothing.
/// </summary>
/// <param name="Gained">What the second policy allows and the first does not; where it allows a component to consume more; and what NATS logins are told more than that explains.</param>
/// <param name="Lost">The same the other way round.</param>
public sealed record PolicyDiff(ImmutableArray<AuthorityChange> Gained, ImmutableArray<AuthorityChange> Lost)
{
    /// <summary>Proof that both policies allow the same to everybody, now and later, and that nats-server is told the same.</summary>
    public bool IsEmpty => Gained.IsEmpty && Lost.IsEmpty;

    /// <summary>False when some of the changes could not be decided within the bounds of work; these are <see cref="AuthorityChangeKind.Undecided"/>.</summary>
    public bool IsComplete => Gained.Concat(Lost).All(change => change.Kind != AuthorityChangeKind.Undecided);

    internal Authority Was { get; private init; } = Authority.None;

    internal Authority Will { get; private init; } = Authority.None;

    /// <summary>In the order of seconds of work at most; what is not decided by then is told as undecided.</summary>
    public const long DefaultWork = WorkBudget.OfDifference;

    /// <param name="now">The comparison is about this moment and all later ones.</param>
    /// <param name="work">Steps that it may cost: about one comparison of two small sets each.</param>
    public static PolicyDiff Between(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now, long work = DefaultWork) =>
        Between(before, after, now, new WorkBudget(work));

    /// <summary>True unless the second policy is proven to allow nothing, to nobody, that the first does not.</summary>
    public static bool Widens(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) => !Between(before, after, now).Gained.IsEmpty;

    internal static PolicyDiff Between(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now, WorkBudget work)
    {
        var (was, will) = (new Authority(before.Clauses, now, work), new Authority(after.Clauses, now, work));
        var (gained, lost) = (new AuthorityGain(was, will, work).Find(), new AuthorityGain(will, was, work).Find());
        var logins = LoginChanges.Between(was, will, work);
        return new PolicyDiff([.. gained, .. logins.Gained], [.. lost, .. logins.Lost]) { Was = was, Will = will };
    }

    /// <summary>
    /// Whom of an inventory the changes of what is allowed concern, each with something the principal itself may now ask for, or no longer. Not those of ceilings,
    /// nor what was not decided.
    /// </summary>
    public PolicyImpact On(InventoryIndex inventory) => new(ImpactFinder.Find(Gained, inventory), ImpactFinder.Find(Lost, inventory));

    /// <inheritdoc cref="On(InventoryIndex)"/>
    public PolicyImpact On(IReadOnlyList<Principal> inventory) => On(new InventoryIndex(inventory));

    /// <summary>Who of an inventory may consume more, or less, each with something it may ask for, alone or when it starts, that shows it.</summary>
    public PolicyImpact CeilingsOn(InventoryIndex inventory) =>
        new(CeilingImpact.Find(Was, Will, Gained, inventory), CeilingImpact.Find(Will, Was, Lost, inventory));

    /// <inheritdoc cref="CeilingsOn(InventoryIndex)"/>
    public PolicyImpact CeilingsOn(IReadOnlyList<Principal> inventory) => CeilingsOn(new InventoryIndex(inventory));

    /// <summary>Whom of an inventory the changes may concern besides: they depend on what is not told of it, or were not decided.</summary>
    public DependingImpact DependingOn(InventoryIndex inventory) => new(this, inventory);
}
