using System.Buffers;
using System.Globalization;
using System.Text;

namespace Identity.Policy;

/// <summary>What people write for people and others have to judge by: it shows all that it holds.</summary>
public static class PlainText
{
    // Letters and marks that are drawn as nothing: fillers of Hangul, the blank of Braille, variation selectors, the grapheme joiner.
    private static readonly SearchValues<char> Blank =
        SearchValues.Create("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe08\ufe09\ufe0a\ufe0b\ufe0c\ufe0d\ufe0e\ufe0f");

    /// <summary>True when the text has line breaks, characters that cannot be seen, marks that turn the direction of what is shown, or is no Unicode at all.</summary>
    public static bool HasUnseen(string text)
    {
        if (text.AsSpan().ContainsAny(Blank)) return true;
        for (var at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length) != OperationStatus.Done || IsUnseen(rune)) return true;
            at += length;
        }

        return false;
    }

    // Variation selectors beyond the first sixteen are marks that nobody sees.
    private static bool IsUnseen(Rune rune) => rune.Value is >= 0xe0100 and <= 0xe01ef || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned;
}
