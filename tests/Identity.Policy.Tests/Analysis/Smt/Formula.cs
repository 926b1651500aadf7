using System.Globalization;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>Words of SMT-LIB 2 that callers and requests share.</summary>
internal static class Formula
{
    /// <summary>Of a number that stands for an attribute: there is none; the door cannot tell.</summary>
    public const int Absent = -1;

    public const int Unknown = -2;

    private static readonly string[] Words = ["a", "b", "c", "d"];

    public static string And(IEnumerable<string> parts) => $"(and true {string.Join(' ', parts)})";

    public static string Or(IEnumerable<string> parts) => $"(or false {string.Join(' ', parts)})";

    public static string Is(string variable, int number) => string.Create(CultureInfo.InvariantCulture, $"(= {variable} {number})");

    public static string Declare(string sort, params IEnumerable<string> variables) => string.Concat(variables.Select(variable => $"(declare-const {variable} {sort})"));

    public static IEnumerable<string> Numbered(string variable, int count) => Enumerable.Range(0, count).Select(i => $"{variable}{i}");

    /// <summary>Names that no rule uses are numbers that no rule uses.</summary>
    public static int NumberOf(string word) => Array.IndexOf(Words, word) is >= 0 and var known ? known : 100 + word.Sum(character => character);

    public static int NumberOf(ComponentDigest digest) => int.Parse(digest.Text[^4..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    public static ComponentDigest DigestOf(int number) => ComponentDigest.Parse(string.Create(CultureInfo.InvariantCulture, $"sha256:{number + 1:x64}"));

    /// <summary>A path of segments: variables for each, and one, with <c>n</c>, for how many there are.</summary>
    /// <param name="exact">False: it or anything below it.</param>
    public static string OfPath(string variable, string[] segments, bool exact) =>
        $"(and ({(exact ? "=" : ">=")} {variable}n {segments.Length}) {string.Join(' ', segments.Select((segment, at) => Is($"{variable}{at}", NumberOf(segment))))})";
}
