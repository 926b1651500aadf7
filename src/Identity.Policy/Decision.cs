using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>May this component start? Equal when it says the same, so that a pushed policy can be compared with the one before.</summary>
public abstract record Decision
{
    private Decision() { }

    /// <summary>What would come if rules in mode shadow were enforced: those that would turn the answer about the start, an import or an export.</summary>
    public ImmutableArray<ShadowOutcome> Shadow { get; init; } = [];

    /// <param name="Grants">One for each import, in the order of the imports.</param>
    /// <param name="Nats">What it may do on NATS; denied when no rule gives it a subject (in short; ask <see cref="NatsPermissions"/> for the nearest rule).</param>
    /// <param name="DeterminingRules">The permits of the start, of what it imports and exports, and of what it may do on NATS; sorted.</param>
    /// <param name="ValidUntil">When the first of these grants expires; null when none does.</param>
    public sealed record Admitted(
        ImmutableArray<Grant> Grants,
        NatsPermissions Nats,
        ResourceCeilings Ceilings,
        ImmutableArray<RuleReference> DeterminingRules,
        DateTimeOffset? ValidUntil) : Decision
    {
        /// <summary>What may be called on it, of what it exports, in that order. What it lacks here denies the call, not the start.</summary>
        public ImmutableArray<Grant> Exports { get; init; } = [];

        /// <summary>What happens although a rule in mode warn objects, or only because one permits it.</summary>
        public ImmutableArray<RuleWarning> Warnings { get; init; } = [];

        /// <summary>True when it would not start if rules in mode shadow were enforced.</summary>
        public bool ShadowDenied { get; init; }

        /// <summary>What rules in modes warn and shadow have to say changes nothing, and does not make decisions differ.</summary>
        public bool Equals(Admitted? other) =>
            other is not null
            && Grants.AsSpan().SequenceEqual(other.Grants.AsSpan())
            && Exports.AsSpan().SequenceEqual(other.Exports.AsSpan())
            && (Nats == other.Nats || (Nats, other.Nats) is (NatsPermissions.Denied, NatsPermissions.Denied))
            && Ceilings == other.Ceilings
            && DeterminingRules.AsSpan().SequenceEqual(other.DeterminingRules.AsSpan())
            && ValidUntil == other.ValidUntil;

        public override int GetHashCode() => HashCode.Combine(Grants.Length, Ceilings, ValidUntil);
    }

    public sealed record Denied(Explanation Explanation) : Decision
    {
        public ImmutableArray<Refusal> Refusals => Explanation.Refusals;

        public bool Equals(Denied? other) => other is not null && Explanation == other.Explanation;

        public override int GetHashCode() => Explanation.GetHashCode();
    }
}

/// <summary>An import or export that policy grants, as the component spells it: link, or call, exactly these.</summary>
/// <param name="Functions">Of the interface, as the component spells them; empty for an interface of types alone, and for a function by itself.</param>
public readonly record struct Grant(string Import, ImmutableArray<string> Functions)
{
    public Grant(string import)
        : this(import, [])
    {
    }

    public bool Equals(Grant other) => Import == other.Import && Functions.AsSpan().SequenceEqual(other.Functions.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Import, Functions.Length);

    public override string ToString() => Import;
}

/// <summary>A rule in mode warn that has something to say about what is allowed.</summary>
public readonly record struct RuleWarning(string Capability, RuleReference Rule)
{
    /// <summary>True when only this rule permits it; false when the rule would forbid it.</summary>
    public bool IsPermit { get; init; }

    /// <summary>What the rule has to say, as the end of a sentence that begins with it; the same words at every door.</summary>
    public string Text => IsPermit ? "permits it in mode warn only" : "would forbid it if it were enforced";
}

/// <summary>A rule in mode shadow that would turn an answer.</summary>
public readonly record struct ShadowOutcome(string Capability, RuleReference Rule, bool WouldAllow);
