using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// Who signed a component. <c>ed25519:</c> and the 32 bytes of a public key (RFC 8032 §5.1.5) in base64url without padding is a name that proves itself:
/// whoever has the component's bytes can tell. Any other name is as whoever verified the signature calls the signer. Compared byte by byte.
/// </summary>
public sealed record SignerName
{
    public const int MaxLength = 256;

    /// <summary>Bytes of a public key.</summary>
    public const int KeySize = 32;

    private const string KeyScheme = "ed25519:";
    private const int KeyCharacters = 43;

    private SignerName(string text) => Text = text;

    public string Text { get; }

    /// <summary>Whether the name is a key, so that signatures prove it.</summary>
    public bool IsKey => Text.StartsWith(KeyScheme, StringComparison.Ordinal);

    public static SignerName Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out SignerName? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        problem = null;
        if (text is not { Length: > 0 and <= MaxLength }) problem = $"the signer's name has {text?.Length ?? 0} characters; expected 1 to {MaxLength}";
        else if (text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0) problem = $"{Quoted.From(text)} is not a signer's name; expected printable ASCII without spaces";
        // A pattern would be taken for one by its author; the names of signers are whole.
        else if (text.Contains('*', StringComparison.Ordinal)) problem = $"{Quoted.From(text)} contains a '*'; signers are named one by one";
        // In another case too: what looks like a key and is none would never be proven.
        else if (text.StartsWith(KeyScheme, StringComparison.OrdinalIgnoreCase) && WhyNoKey(text) is { } why) problem = $"{Quoted.From(text)} names no key: {why}";
        // It would be a name that no host ever tells.
        else if (text.Length == KeyCharacters && WhyNoKey(KeyScheme + text) is null) problem = $"{Quoted.From(text)} looks like a public key; write {KeyScheme}{text}";
        else value = new SignerName(text);
        return value is not null;
    }

    /// <summary>The name of whoever has the private key to this one.</summary>
    /// <param name="publicKey">32 bytes.</param>
    public static bool TryOfKey(ReadOnlySpan<byte> publicKey, [NotNullWhen(true)] out SignerName? value, [NotNullWhen(false)] out string? problem) =>
        TryParse(KeyScheme + Base64Url.EncodeToString(publicKey), out value, out problem);

    /// <param name="key">32 bytes; the public key when <see cref="IsKey"/>.</param>
    public void CopyKeyTo(Span<byte> key)
    {
        if (!IsKey || !TryDecode(Text, key)) throw new InvalidOperationException("This name is no key.");
    }

    public override string ToString() => Text;

    private static string? WhyNoKey(string text)
    {
        if (!text.StartsWith(KeyScheme, StringComparison.Ordinal)) return $"{KeyScheme} is written in lower case";
        Span<byte> key = stackalloc byte[KeySize];
        if (text.Length != KeyScheme.Length + KeyCharacters || !TryDecode(text, key))
            return $"expected {KeyScheme} and the {KeySize} bytes of a public key as {KeyCharacters} characters of base64url, without padding";
        return EdwardsPoint.WhyNoKey(key);
    }

    // One spelling for each key: the last character has two bits to spare.
    private static bool TryDecode(string text, Span<byte> key) =>
        Base64Url.DecodeFromChars(text.AsSpan(KeyScheme.Length), key, out _, out var written) == OperationStatus.Done && written == KeySize
        && Base64Url.EncodeToString(key).AsSpan().SequenceEqual(text.AsSpan(KeyScheme.Length));
}
