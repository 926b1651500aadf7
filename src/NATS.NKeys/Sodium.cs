using System.Runtime.InteropServices;

namespace NATS.NKeys;

/// <summary>The five functions of libsodium that NSec ships but does not surface (NaCl's crypto_box).</summary>
internal static partial class Sodium
{
    public const int NonceBytes = 24;
    public const int MacBytes = 16;

    static Sodium()
    {
        // Idempotent: NSec calls it too. Negative means the library cannot work on this machine.
        if (Init() < 0)
            throw new InvalidOperationException("libsodium could not be initialised.");
    }

    [LibraryImport("libsodium", EntryPoint = "sodium_init")]
    private static partial int Init();

    [LibraryImport("libsodium", EntryPoint = "crypto_scalarmult_base")]
    public static partial int ScalarMultBase(Span<byte> publicKey, ReadOnlySpan<byte> privateKey);

    [LibraryImport("libsodium", EntryPoint = "crypto_box_beforenm")]
    public static partial int BoxBeforeNm(Span<byte> sharedKey, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> privateKey);

    [LibraryImport("libsodium", EntryPoint = "crypto_box_easy_afternm")]
    public static partial int BoxEasyAfterNm(
        Span<byte> cipher, ReadOnlySpan<byte> message, ulong messageLength, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> sharedKey);

    [LibraryImport("libsodium", EntryPoint = "crypto_box_open_easy_afternm")]
    public static partial int BoxOpenEasyAfterNm(
        Span<byte> message, ReadOnlySpan<byte> cipher, ulong cipherLength, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> sharedKey);
}
