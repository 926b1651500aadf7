using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Identity.Policy;

/// <summary>What a component is, whatever it is called: <c>sha256:</c> and 64 lower-case hexadecimal digits of its bytes.</summary>
public sealed record ComponentDigest
{
    private const string Prefix = "sha256:";

    private static readonly SearchValues<char> LowerCaseHex = SearchValues.Create("0123456789abcdef");

    private ComponentDigest(string text) => Text = text;

    public string Text { get; }

    public static ComponentDigest Of(ReadOnlySpan<byte> component) =>
        new(Prefix + Convert.ToHexStringLower(SHA256.HashData(component)));

    public static ComponentDigest Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ComponentDigest? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        if (text is null || text.Length != Prefix.Length + (2 * SHA256.HashSizeInBytes) || !text.StartsWith(Prefix, StringComparison.Ordinal)
            || text.AsSpan(Prefix.Length).ContainsAnyExcept(LowerCaseHex))
        {
            problem = $"{Quoted.From(text)} is not a digest; expected sha256: and 64 lower-case hexadecimal digits";
            return false;
        }

        value = new ComponentDigest(text);
        problem = null;
        return true;
    }

    public override string ToString() => Text;
}
