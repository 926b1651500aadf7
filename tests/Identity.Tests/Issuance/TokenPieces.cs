using System.Buffers.Text;
using System.Text;

namespace Identity.Tests.Issuance;

/// <summary>What is signed of a token, taken apart, changed and joined again.</summary>
internal static class TokenPieces
{
    public static string Header(byte[] signedPart) => Piece(signedPart, 0);

    public static string Claims(byte[] signedPart) => Piece(signedPart, 1);

    public static byte[] Join(string header, string claims) => Encoding.ASCII.GetBytes($"{Encode(header)}.{Encode(claims)}");

    /// <summary>The text with one thing replaced, which must be there once.</summary>
    public static string Replaced(string text, string old, string by)
    {
        Assert.Equal(2, text.Split(old).Length);
        return text.Replace(old, by, StringComparison.Ordinal);
    }

    private static string Piece(byte[] signedPart, int place) => Encoding.UTF8.GetString(Base64Url.DecodeFromChars(Encoding.ASCII.GetString(signedPart).Split('.')[place]));

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}
