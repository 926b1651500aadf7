using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Spiffe.Net;

/// <summary>A public key of a kind and size we accept, with its exact DER encoding; it says nothing about who holds the private key.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The key is public, shared by readers and living as long as its bundle; its handle has a finalizer.")]
public sealed class SubjectPublicKey
{
    private const string EcPublicKeyOid = "1.2.840.10045.2.1";
    private const string RsaOid = "1.2.840.113549.1.1.1";

    // The base library's import of a P-256 key costs two verifications, and makes each after it a little cheaper.
    private const int VerificationsBeforeImport = 4;

    private AsymmetricAlgorithm? _imported;
    private int _verifications;

    private SubjectPublicKey(ReadOnlyMemory<byte> subjectPublicKeyInfo, ReadOnlyMemory<byte> bits, PublicKeyKind kind, int size)
    {
        SubjectPublicKeyInfo = subjectPublicKeyInfo;
        Bits = bits;
        Kind = kind;
        KeySize = size;
    }

    /// <summary>DER (RFC 5280 §4.1.2.7), byte for byte as it was given.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }

    /// <summary>Never <see cref="PublicKeyKind.Unsupported"/>.</summary>
    public PublicKeyKind Kind { get; }

    /// <summary>Bits of the field or the modulus.</summary>
    public int KeySize { get; }

    /// <summary>The content of the BIT STRING, which key identifiers are computed from (RFC 5280 §4.2.1.2).</summary>
    internal ReadOnlyMemory<byte> Bits { get; }

    /// <summary>SHA-256 of <see cref="SubjectPublicKeyInfo"/>: a name for the key in records.</summary>
    public byte[] ComputeSha256() => SHA256.HashData(SubjectPublicKeyInfo.Span);

    /// <summary>Refuses what is not exactly one DER SubjectPublicKeyInfo of a kind and size of <see cref="PublicKeyKind"/>, and EC points off their curve.</summary>
    /// <param name="subjectPublicKeyInfo">DER; copied.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> subjectPublicKeyInfo,
        [NotNullWhen(true)] out SubjectPublicKey? key,
        [NotNullWhen(false)] out string? problem)
    {
        // A copy, so that nobody can change the key after it was checked by writing to the buffer it came in.
        if (!TryReadWithoutImport(subjectPublicKeyInfo.ToArray(), out key, out problem)) return false;
        try
        {
            // The import checks that an EC point lies on its curve.
            key._imported = key.Import();
            return true;
        }
        catch (CryptographicException)
        {
            key = null;
            problem = "the public key is not valid: its numbers do not form a key";
            return false;
        }
    }

    /// <summary>Checks kind and size only; enough where the first verification finds out whether the numbers form a key.</summary>
    internal static bool TryReadWithoutImport(
        ReadOnlyMemory<byte> subjectPublicKeyInfo,
        [NotNullWhen(true)] out SubjectPublicKey? key,
        [NotNullWhen(false)] out string? problem)
    {
        key = null;
        try
        {
            var outer = new AsnReader(subjectPublicKeyInfo, AsnEncodingRules.DER);
            var info = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var algorithm = info.ReadSequence();
            if (!info.TryReadPrimitiveBitString(out var unused, out var bits) || unused != 0)
            {
                problem = "the public key is not a whole number of bytes";
                return false;
            }

            info.ThrowIfNotEmpty();
            var oid = algorithm.ReadObjectIdentifier();
            var (kind, size) = oid switch
            {
                EcPublicKeyOid => ReadCurve(algorithm, bits.Span),
                RsaOid => ReadModulusSize(algorithm, bits),
                _ => (PublicKeyKind.Unsupported, 0),
            };
            if (kind is PublicKeyKind.Unsupported)
            {
                problem = oid switch
                {
                    EcPublicKeyOid => "the EC public key is not an uncompressed point on P-256, P-384 or P-521",
                    RsaOid => "the RSA public key must have 2048 to 8192 bits and an odd exponent from 65537 to 4294967295",
                    _ => $"the public key algorithm {Quoted.From(oid)} is not supported; expected EC or RSA",
                };
                return false;
            }

            key = new SubjectPublicKey(subjectPublicKeyInfo, bits, kind, size);
            problem = null;
            return true;
        }
        catch (AsnContentException)
        {
            problem = "the public key is not a DER SubjectPublicKeyInfo";
            return false;
        }
    }

    /// <summary>
    /// The kind that the key's algorithm and named curve say it is of, without a look at the key itself. <see cref="PublicKeyKind.Unsupported"/> for algorithms and curves that
    /// are unknown here, which are no flaw of the key; null for what is no SubjectPublicKeyInfo.
    /// </summary>
    internal static PublicKeyKind? FindAnnouncedKind(ReadOnlyMemory<byte> subjectPublicKeyInfo)
    {
        try
        {
            var outer = new AsnReader(subjectPublicKeyInfo, AsnEncodingRules.DER);
            var info = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var algorithm = info.ReadSequence();
            info.ReadBitString(out _);
            info.ThrowIfNotEmpty();
            return algorithm.ReadObjectIdentifier() switch
            {
                EcPublicKeyOid => algorithm.PeekTag() == Asn1Tag.ObjectIdentifier ? FindCurve(algorithm.ReadObjectIdentifier()).Kind : PublicKeyKind.Unsupported,
                RsaOid => PublicKeyKind.Rsa,
                _ => PublicKeyKind.Unsupported,
            };
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    /// <summary>False for a wrong signature, for one that is not well formed, and for numbers that do not form a key.</summary>
    internal bool Verify(
        ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash, RSASignaturePadding? padding, DSASignatureFormat format)
    {
        if (_imported is null && Kind is PublicKeyKind.EcP256 && hash == HashAlgorithmName.SHA256 && format is DSASignatureFormat.Rfc3279DerSequence
            && Interlocked.Increment(ref _verifications) <= VerificationsBeforeImport
            && NativeP256.Verify(SubjectPublicKeyInfo.Span, data, signature) is not NativeVerdict.Unavailable and var verdict)
        {
            return verdict is NativeVerdict.Genuine;
        }

        try
        {
            return (_imported ??= Import()) switch
            {
                ECDsa ec => ec.VerifyData(data, signature, hash, format),
                RSA rsa when padding is not null => rsa.VerifyData(data, signature, hash, padding),
                _ => false,
            };
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Lets go of the imported key at once instead of at some collection; it is imported again when needed. Not for keys that others hold.</summary>
    internal void ReleaseImported() => Interlocked.Exchange(ref _imported, null)?.Dispose();

    internal ECParameters ExportEcParameters() => ((ECDsa)(_imported ??= Import())).ExportParameters(false);

    internal RSAParameters ExportRsaParameters() => ((RSA)(_imported ??= Import())).ExportParameters(false);

    private AsymmetricAlgorithm Import()
    {
        AsymmetricAlgorithm key = Kind is PublicKeyKind.Rsa ? RSA.Create() : ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(SubjectPublicKeyInfo.Span, out _);
        return key;
    }

    private static (PublicKeyKind Kind, int Size) ReadCurve(AsnReader algorithm, ReadOnlySpan<byte> point)
    {
        // RFC 5480 §2.1.1: named curves only; explicit parameters let an attacker choose the curve (CVE-2020-0601).
        if (!algorithm.HasData || algorithm.PeekTag() != Asn1Tag.ObjectIdentifier) return default;
        var (kind, size) = FindCurve(algorithm.ReadObjectIdentifier());
        algorithm.ThrowIfNotEmpty();
        var uncompressed = point.Length == 1 + (2 * ((size + 7) / 8)) && point[0] == 0x04;
        return uncompressed ? (kind, size) : default;
    }

    private static (PublicKeyKind Kind, int Size) FindCurve(string oid) => oid switch
    {
        "1.2.840.10045.3.1.7" => (PublicKeyKind.EcP256, 256),
        "1.3.132.0.34" => (PublicKeyKind.EcP384, 384),
        "1.3.132.0.35" => (PublicKeyKind.EcP521, 521),
        _ => default,
    };

    private static (PublicKeyKind Kind, int Size) ReadModulusSize(AsnReader algorithm, ReadOnlyMemory<byte> bits)
    {
        algorithm.ReadNull();
        algorithm.ThrowIfNotEmpty();
        var outer = new AsnReader(bits, AsnEncodingRules.DER);
        var numbers = outer.ReadSequence();
        outer.ThrowIfNotEmpty();
        var modulus = numbers.ReadIntegerBytes().Span;
        var size = modulus[0] == 0 ? (modulus.Length - 1) * 8 : modulus[0] < 0x80 ? BitLength(modulus) : 0;

        // NIST SP 800-89 §5.3.3: odd and above 2^16; the upper bound keeps a stranger from making verification slow.
        var goodExponent = numbers.TryReadUInt32(out var exponent) && exponent >= 65537 && exponent % 2 == 1;
        numbers.ThrowIfNotEmpty();
        return size is >= 2048 and <= 8192 && goodExponent ? (PublicKeyKind.Rsa, size) : default;
    }

    private static int BitLength(ReadOnlySpan<byte> positive) =>
        (positive.Length * 8) - (System.Numerics.BitOperations.LeadingZeroCount((uint)positive[0]) - 24);
}
