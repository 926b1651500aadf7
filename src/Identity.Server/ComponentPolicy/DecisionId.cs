using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Identity.Server.ComponentPolicy;

/// <summary>Names a decision: <c>d-</c> and 26 lower-case base32 characters (RFC 4648 §6), 130 random bits.</summary>
internal static partial class DecisionId
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    public static string Create() => "d-" + RandomNumberGenerator.GetString(Alphabet, 26);

    public static bool IsWellFormed(string text) => Pattern().IsMatch(text);

    [GeneratedRegex(@"\Ad-[a-z2-7]{26}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
