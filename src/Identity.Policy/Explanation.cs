using System.Collections.Immutable;
using System.Text;

namespace Identity.Policy;

/// <summary>Why the answer is as it is, and when it is no, the smallest change that turns it.</summary>
/// <param name="Subject">Whom it is about.</param>
/// <param name="Refusals">In the order in which the capabilities were asked for; empty exactly when the answer is yes.</param>
/// <param name="SmallestGrant">A policy document (YAML) that would turn the answer, or null when no grant can.</param>
public sealed record Explanation(string Subject, ImmutableArray<Refusal> Refusals, string? SmallestGrant)
{
    /// <summary>What else there is to say, a sentence each: what permits it, what rules in mode warn and shadow would have.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>The whole explanation for a person, one fact a line.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        foreach (var refusal in Refusals) text.Append(refusal).Append('\n');
        foreach (var note in Notes) text.Append(note).Append('\n');
        if (SmallestGrant is not null) text.Append("the smallest grant that would turn this:\n").Append(SmallestGrant);
        return text.ToString();
    }

    public override string ToString() => ToText();

    public bool Equals(Explanation? other) =>
        other is not null && Subject == other.Subject && Refusals.AsSpan().SequenceEqual(other.Refusals.AsSpan())
        && SmallestGrant == other.SmallestGrant && Notes.AsSpan().SequenceEqual(other.Notes.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Subject, Refusals.Length);
}

/// <summary>One capability that was asked for and not granted.</summary>
/// <param name="Capability">The import as the component spells it, or the capability's name.</param>
/// <param name="ForbiddenBy">Set when a rule forbids it; then no grant helps.</param>
/// <param name="NearestMiss">The permit that came closest; null when policy has none.</param>
public sealed record Refusal(string Capability, RefusalReason Reason, string Detail, RuleReference? ForbiddenBy = null, NearestMiss? NearestMiss = null)
{
    /// <summary>What the answer depends on and the door could not tell.</summary>
    public PrincipalAttributes Untold { get; init; }

    public override string ToString() => NearestMiss is null
        ? $"{Capability}: {Detail}"
        : $"{Capability}: {Detail}; nearest is rule {NearestMiss.Rule}, which {NearestMiss.Lacks}";
}

/// <param name="Lacks">What keeps the rule from applying, as the end of a sentence: <c>"is for … only"</c>.</param>
public sealed record NearestMiss(RuleReference Rule, string Lacks);

public enum RefusalReason
{
    /// <summary>No rule permits it.</summary>
    NotGranted = 0,

    /// <summary>A rule forbids it.</summary>
    Forbidden,

    /// <summary>It is nothing that a policy could grant: not an instance, or not named as an interface.</summary>
    NotGrantable,

    /// <summary>Policy itself cannot be read whole, so nothing is granted.</summary>
    PolicyUnreadable,
}
