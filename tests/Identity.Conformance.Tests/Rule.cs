using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>
/// The trait that ties a test to the rules it shows, for example <c>--filter-trait rule=SID-03</c>. docs/conformance.md says which
/// rule of which specification an ID stands for.
/// </summary>
internal static class Rule
{
    public const string Trait = "rule";

    public static TheoryDataRow<T> Row<T>(string rule, T value) => new TheoryDataRow<T>(value).WithTrait(Trait, rule);

    public static TheoryDataRow<T1, T2> Row<T1, T2>(string rule, T1 first, T2 second) => new TheoryDataRow<T1, T2>(first, second).WithTrait(Trait, rule);
}
