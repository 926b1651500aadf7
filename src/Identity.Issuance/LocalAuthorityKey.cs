using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>An authority key held in this process. Whoever keeps it exports it as PKCS#8; nobody else should.</summary>
public sealed class LocalAuthorityKey : IAuthorityKey
{
    private readonly AsymmetricAlgorithm _key;

    internal LocalAuthorityKey(AsymmetricAlgorithm key, SubjectPublicKey publicKey, SigningAlgorithm algorithm)
    {
        _key = key;
        PublicKey = publicKey;
        Algorithm = algorithm;
    }

    public SigningAlgorithm Algorithm { get; }

    public SubjectPublicKey PublicKey { get; }

    /// <summary>A new key for the algorithm; for RSA one of 2048 bits, SPIRE's <c>rsa-2048</c>: it is made to be replaced within days.</summary>
    public static LocalAuthorityKey Generate(SigningAlgorithm algorithm)
    {
        AsymmetricAlgorithm key = algorithm.KeyKind switch
        {
            PublicKeyKind.EcP256 => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            PublicKeyKind.EcP384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            _ => RSA.Create(2048),
        };
        return TryTake(key, out var taken, out var problem) ? taken : throw new CryptographicException(problem);
    }

    /// <param name="pkcs8">Unencrypted PKCS#8 of a P-256, P-384 or RSA key; signing with RSA is RS256.</param>
    public static bool TryImportPkcs8(
        ReadOnlySpan<byte> pkcs8, [NotNullWhen(true)] out LocalAuthorityKey? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        foreach (AsymmetricAlgorithm candidate in (AsymmetricAlgorithm[])[ECDsa.Create(), RSA.Create()])
        {
            try
            {
                candidate.ImportPkcs8PrivateKey(pkcs8, out var read);
                if (read == pkcs8.Length) return TryTake(candidate, out key, out problem);
            }
            catch (Exception e) when (e is CryptographicException or NotSupportedException)
            {
                // Not a key of this kind; the last candidate's failure is answered below.
            }

            candidate.Dispose();
        }

        problem = "the authority key is not an unencrypted PKCS#8 EC or RSA key";
        return false;
    }

    /// <summary>The private key, for its keeper to store; zero the bytes after use.</summary>
    public byte[] ExportPkcs8() => _key.ExportPkcs8PrivateKey();

    public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding) => _key switch
    {
        ECDsa ec when encoding is SignatureEncoding.X509 => SignInDer(ec, data, destination),
        ECDsa ec => ec.SignData(data, destination, Algorithm.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
        RSA rsa => rsa.SignData(data, destination, Algorithm.Hash, RSASignaturePadding.Pkcs1),
        _ => throw new CryptographicException("the authority key is of no known kind"),
    };

    public void Dispose() => _key.Dispose();

    // The base library's own way to DER takes an eighth longer and allocates; the two numbers are public, so nothing here need be hidden.
    private int SignInDer(ECDsa key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Span<byte> numbers = stackalloc byte[96];
        var half = key.SignData(data, numbers, Algorithm.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation) / 2;
        var der = new DerWriter(stackalloc byte[Algorithm.MaxSignatureLength]);
        var end = der.Mark;
        der.WriteUnsigned(numbers[half..(2 * half)]);
        der.WriteUnsigned(numbers[..half]);
        der.Wrap(DerWriter.Sequence, end);
        der.Written.CopyTo(destination);
        return der.Written.Length;
    }

    private static bool TryTake(AsymmetricAlgorithm key, [NotNullWhen(true)] out LocalAuthorityKey? taken, [NotNullWhen(false)] out string? problem)
    {
        taken = null;
        if (SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out problem))
        {
            var algorithm = publicKey.Kind switch
            {
                PublicKeyKind.EcP256 => SigningAlgorithm.Es256,
                PublicKeyKind.EcP384 => SigningAlgorithm.Es384,
                PublicKeyKind.Rsa => SigningAlgorithm.Rs256,
                _ => null,
            };
            if (algorithm is not null) taken = new LocalAuthorityKey(key, publicKey, algorithm);
            problem = taken is null ? $"an authority does not sign with {publicKey.Kind}; expected P-256, P-384 or RSA" : null;
        }

        if (taken is null) key.Dispose();
        return taken is not null;
    }
}
