using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>May this component start? Equal when it says the same, so that a pushed policy can be compared with the one before.</summary>
public abstract record Decision
{
    private Decision() { }

    /// <param name="Grants">One for each import, in the order of the imports.</param>
    /// <param name="Nats">What it may do on NATS; denied when no rule gives it a subject (in short; ask <see cref="NatsPermissions"/> for the nearest rule).</param>
    /// <param name="DeterminingRules">The permits that granted an import, or the start; sorted.</param>
    /// <param name="ValidUntil">When the first of these grants expires; null when none does.</param>
    public sealed record Admitted(
        ImmutableArray<Grant> Grants,
        NatsPermissions Nats,
        ResourceCeilings Ceilings,
        ImmutableArray<RuleReference> DeterminingRules,
        DateTimeOffset? ValidUntil) : Decision
    {
        public bool Equals(Admitted? other) =>
            other is not null
            && Grants.AsSpan().SequenceEqual(other.Grants.AsSpan())
            && (Nats == other.Nats || (Nats, other.Nats) is (NatsPermissions.Denied, NatsPermissions.Denied))
            && Ceilings == other.Ceilings
            && DeterminingRules.AsSpan().SequenceEqual(other.DeterminingRules.AsSpan())
            && ValidUntil == other.ValidUntil;

        public override int GetHashCode() => HashCode.Combine(Grants.Length, Ceilings, ValidUntil);
    }

    public sealed record Denied(Explanation Explanation) : Decision
    {
        public ImmutableArray<Refusal> Refusals => Explanation.Refusals;
    }
}

/// <summary>An import that policy grants, as the component spells it; link exactly these.</summary>
public readonly record struct Grant(string Import)
{
    public override string ToString() => Import;
}
