using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>One <c>kind: CapabilityPolicy</c> document, checked whole.</summary>
public sealed record PolicyDocument
{
    /// <summary>Unique among the documents that are in force together.</summary>
    public required string Name { get; init; }

    public required ImmutableArray<PolicyRule> Rules { get; init; }

    /// <summary>What it calls whom; holds for the rules of every document that is in force.</summary>
    public ImmutableArray<LabelAssignment> Labels { get; init; } = [];

    /// <summary>The text it was read from, comments included, so that it can be stored and shown as its author wrote it.</summary>
    public required string Source { get; init; }
}

/// <summary>What is wrong with a document, where (counted from 1), and the nearest word we would have understood.</summary>
public sealed record PolicyProblem(int Line, int Column, string Text, string? Suggestion = null)
{
    public override string ToString() =>
        Suggestion is null ? $"line {Line}, column {Column}: {Text}" : $"line {Line}, column {Column}: {Text}; did you mean '{Suggestion}'?";
}
