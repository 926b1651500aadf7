using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Spiffe.Net;

/// <summary>What a signature check by <see cref="NativeP256"/> came to.</summary>
internal enum NativeVerdict
{
    /// <summary>This machine has no libcrypto of the version we know; ask the base library.</summary>
    Unavailable,

    /// <summary>The bytes are not a point on the curve.</summary>
    NotAKey,

    /// <summary>The signature is not of this key over this data, or not DER.</summary>
    Wrong,

    Genuine,
}

/// <summary>
/// Verifies one signature of a P-256 key that is used once. The base library's import costs four signatures here: it makes the curve anew
/// and multiplies the point by the group order, which says nothing on a curve of cofactor 1 (NIST SP 800-186 §3.2.1.3; SP 800-56A r3 §5.6.2.3.4).
/// The libcrypto that the base library itself uses checks by this route that the point lies on the curve, and verifies. RFC 0005 has the reasons.
/// </summary>
internal static unsafe partial class NativeP256
{
    private const string Library = "libcrypto.so.3";
    private const int SubjectPublicKeyInfoLength = 91;

    // SubjectPublicKeyInfo of an uncompressed P-256 point, up to the 0x04 that begins the point (RFC 5480 §2).
    private static ReadOnlySpan<byte> Prefix =>
    [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
        0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    // The generator of the curve (SP 800-186 §3.2.1.3): some valid key, whose curve every other key here borrows.
    private static ReadOnlySpan<byte> Generator =>
    [
        0x04,
        0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63, 0xA4, 0x40, 0xF2,
        0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96,
        0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16,
        0x2B, 0xCE, 0x33, 0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5,
    ];

    private static readonly Lazy<nint> Curve = new(LoadCurve);

    /// <param name="subjectPublicKeyInfo">Exactly the one DER form of an uncompressed P-256 key; of anything else: <see cref="NativeVerdict.Unavailable"/>.</param>
    /// <param name="signature">DER, of the SHA-256 of <paramref name="data"/>.</param>
    public static NativeVerdict Verify(ReadOnlySpan<byte> subjectPublicKeyInfo, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (subjectPublicKeyInfo.Length != SubjectPublicKeyInfoLength || !subjectPublicKeyInfo.StartsWith(Prefix) || Curve.Value == 0)
            return NativeVerdict.Unavailable;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(data, hash);
        var point = subjectPublicKeyInfo[Prefix.Length..];
        nint key = 0, context = 0;
        try
        {
            key = NewKey();
            if (key == 0 || CopyParameters(key, Curve.Value) != 1) return Failed(NativeVerdict.Unavailable);
            if (SetPoint(key, point, point.Length) != 1) return Failed(NativeVerdict.NotAKey);
            context = NewContext(key, 0);
            if (context == 0 || BeginVerifying(context) != 1) return Failed(NativeVerdict.Unavailable);
            return Verify(context, signature, signature.Length, hash, hash.Length) == 1 ? NativeVerdict.Genuine : Failed(NativeVerdict.Wrong);
        }
        finally
        {
            FreeContext(context);
            FreeKey(key);
        }
    }

    private static nint LoadCurve()
    {
        if (!OperatingSystem.IsLinux()) return 0;
        try
        {
            ReadOnlySpan<byte> encoded = [.. Prefix, .. Generator];
            fixed (byte* start = encoded)
            {
                var position = start;
                var curve = ReadPublicKey(0, &position, new CLong(encoded.Length));
                if (curve == 0) ClearErrors();
                return curve;
            }
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return 0;
        }
    }

    // Errors wait in a queue of the thread, where the base library would find ours and take them for its own.
    private static NativeVerdict Failed(NativeVerdict verdict)
    {
        ClearErrors();
        return verdict;
    }

    [LibraryImport(Library, EntryPoint = "d2i_PUBKEY")]
    private static partial nint ReadPublicKey(nint reuse, byte** position, CLong length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new")]
    private static partial nint NewKey();

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_copy_parameters")]
    private static partial int CopyParameters(nint to, nint from);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_set1_encoded_public_key")]
    private static partial int SetPoint(nint key, ReadOnlySpan<byte> point, nint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_CTX_new")]
    private static partial nint NewContext(nint key, nint engine);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_verify_init")]
    private static partial int BeginVerifying(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_verify")]
    private static partial int Verify(nint context, ReadOnlySpan<byte> signature, nint signatureLength, ReadOnlySpan<byte> hash, nint hashLength);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_CTX_free")]
    private static partial void FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_free")]
    private static partial void FreeKey(nint key);

    [LibraryImport(Library, EntryPoint = "ERR_clear_error")]
    private static partial void ClearErrors();
}
