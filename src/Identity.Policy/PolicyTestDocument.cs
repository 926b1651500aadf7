using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>One <c>kind: PolicyTest</c> document: what its author expects of the policies beside it.</summary>
public sealed record PolicyTestDocument(string Name, ImmutableArray<PolicyTestCase> Cases);

/// <summary>One expectation.</summary>
public sealed record PolicyTestCase
{
    public required string Name { get; init; }

    public required Principal Principal { get; init; }

    public required CapabilityRequest Request { get; init; }

    public required bool Allow { get; init; }

    /// <summary>The rule that has to decide; null when any may.</summary>
    public RuleReference? By { get; init; }

    /// <summary>When it is asked; null means when the test is run.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>In the file, from 1.</summary>
    public int Line { get; init; }
}
