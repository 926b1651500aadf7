using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>
/// The trait that ties a test to the rules it shows, for example <c>--filter-trait rule=SID-03</c>. The rules are in the
/// folder Rules; docs/conformance.md is made from both, and the build fails when a rule lacks its test.
/// </summary>
internal static class Rule
{
    public const string Trait = "rule";

    /// <summary>
    /// The trait of a test that is skipped where a foreign program is not to be had. It names the program. What else a test may be skipped for want of is named by the trait
    /// <c>needs</c>.
    /// </summary>
    public const string Peer = "peer";

    public static TheoryDataRow<T> Row<T>(string rule, T value) => new TheoryDataRow<T>(value).WithTrait(Trait, rule);

    public static TheoryDataRow<T1, T2> Row<T1, T2>(string rule, T1 first, T2 second) => new TheoryDataRow<T1, T2>(first, second).WithTrait(Trait, rule);
}
