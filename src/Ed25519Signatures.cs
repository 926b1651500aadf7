using NSec.Cryptography;

namespace Identity;

/// <summary>Verifies Ed25519 signatures (RFC 8032) with libsodium, which refuses keys of small order and encodings with a second spelling. Compiled into each process that tells signers.</summary>
internal static class Ed25519Signatures
{
    /// <summary>Throws now when libsodium cannot be loaded, and not when the first signed component comes.</summary>
    public static void RequireLibrary() => Verify(new byte[32], default, new byte[64]);

    /// <summary>False for anything that is no key or no signature.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        PublicKey.TryImport(SignatureAlgorithm.Ed25519, publicKey, KeyBlobFormat.RawPublicKey, out var key) && key is not null
        && SignatureAlgorithm.Ed25519.Verify(key, message, signature);
}
