using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using NSec.Cryptography;

namespace NATS.NKeys;

/// <summary>
/// An Ed25519 key that signs, or a public key alone that only verifies. NATS.Client.Core binds to this type by name:
/// FromSeed, Sign and GetPublicKey keep their signatures. Safe to share between threads until disposed.
/// </summary>
public sealed class KeyPair : IDisposable
{
    public const int SignatureLength = 64;

    private readonly Key? _key;
    private readonly PublicKey _publicKey;
    private readonly string _publicText;

    private KeyPair(NKeyPrefix prefix, Key? key, PublicKey publicKey)
    {
        _key = key;
        _publicKey = publicKey;
        Prefix = prefix;
        _publicText = NKey.EncodePublicKey(prefix, publicKey.Export(KeyBlobFormat.RawPublicKey));
    }

    public NKeyPrefix Prefix { get; }

    public bool CanSign => _key is not null;

    public static KeyPair CreatePair(NKeyPrefix prefix)
    {
        RequireSigning(prefix);
        Span<byte> seed = stackalloc byte[NKey.KeyBytes];
        RandomNumberGenerator.Fill(seed);
        return FromRawSeed(prefix, seed);
    }

    /// <exception cref="FormatException">The text is not a seed of a signing key; the message does not repeat it.</exception>
    public static KeyPair FromSeed(ReadOnlySpan<char> seed)
    {
        Span<byte> raw = stackalloc byte[NKey.KeyBytes];
        if (!NKey.TryDecodeSeed(seed, out var prefix, raw, out var problem))
            throw new FormatException($"This is not an nkey seed: {problem}.");
        if (prefix == NKeyPrefix.Curve)
            throw new FormatException("This seed is of a curve key (SX), which cannot sign: read it with CurveKeyPair.");
        return FromRawSeed(prefix, raw);
    }

    /// <exception cref="FormatException">The text is not a public signing key.</exception>
    public static KeyPair FromPublicKey(ReadOnlySpan<char> publicKey) =>
        TryFromPublicKey(publicKey, out var pair, out var problem)
            ? pair
            : throw new FormatException($"This is not an nkey public key: {problem}.");

    public static bool TryFromPublicKey(ReadOnlySpan<char> text, [NotNullWhen(true)] out KeyPair? pair, out string problem)
    {
        pair = null;
        Span<byte> raw = stackalloc byte[NKey.KeyBytes];
        if (!NKey.TryDecodePublicKey(text, out var prefix, raw, out problem))
            return false;
        if (prefix == NKeyPrefix.Curve)
        {
            problem = "a curve key (X) cannot verify signatures";
            return false;
        }

        if (!PublicKey.TryImport(SignatureAlgorithm.Ed25519, raw, KeyBlobFormat.RawPublicKey, out var imported) || imported is null)
        {
            problem = "its bytes are not a point on the curve";
            return false;
        }

        pair = new KeyPair(prefix, null, imported);
        return true;
    }

    public string GetPublicKey() => _publicText;

    public string GetSeed()
    {
        var raw = Signing.Export(KeyBlobFormat.RawPrivateKey);
        try
        {
            return NKey.EncodeSeed(Prefix, raw);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(raw);
        }
    }

    public void Sign(ReadOnlyMemory<byte> message, Memory<byte> signature) => Sign(message.Span, signature.Span);

    public void Sign(ReadOnlySpan<byte> message, Span<byte> signature) => SignatureAlgorithm.Ed25519.Sign(Signing, message, signature);

    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        signature.Length == SignatureLength && SignatureAlgorithm.Ed25519.Verify(_publicKey, message, signature);

    public override string ToString() => _publicText;

    public void Dispose() => _key?.Dispose();

    private Key Signing => _key ?? throw new InvalidOperationException($"{_publicText} is a public key alone: it verifies, it cannot sign.");

    private static KeyPair FromRawSeed(NKeyPrefix prefix, Span<byte> raw)
    {
        try
        {
            // Exportable, because whoever makes a key must be able to keep it; GetSeed is the one way out.
            var key = Key.Import(SignatureAlgorithm.Ed25519, raw, KeyBlobFormat.RawPrivateKey,
                new KeyCreationParameters { ExportPolicy = KeyExportPolicies.AllowPlaintextExport });
            return new KeyPair(prefix, key, key.PublicKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(raw);
        }
    }

    private static void RequireSigning(NKeyPrefix prefix)
    {
        if (prefix == NKeyPrefix.Curve || !Enum.IsDefined(prefix))
            throw new ArgumentOutOfRangeException(nameof(prefix), prefix, "A signing key is an account, cluster, server, operator or user key.");
    }
}
