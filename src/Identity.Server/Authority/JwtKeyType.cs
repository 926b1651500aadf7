using System.Diagnostics.CodeAnalysis;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Server.Authority;

/// <summary>What the keys are that sign JWT-SVIDs, by SPIRE's names.</summary>
internal sealed class JwtKeyType
{
    private readonly int _keySize;

    private JwtKeyType(string name, SigningAlgorithm algorithm, int keySize)
    {
        Name = name;
        Algorithm = algorithm;
        _keySize = keySize;
    }

    /// <summary>ES256: small and quick, and every SPIFFE implementation takes it.</summary>
    public static JwtKeyType EcP256 { get; } = new("ec-p256", SigningAlgorithm.Es256, 256);

    /// <summary>RS256, for clouds that take nothing else.</summary>
    public static JwtKeyType Rsa2048 { get; } = new("rsa-2048", SigningAlgorithm.Rs256, 2048);

    public string Name { get; }

    public SigningAlgorithm Algorithm { get; }

    public static bool TryParse(string text, [NotNullWhen(true)] out JwtKeyType? type, [NotNullWhen(false)] out string? problem)
    {
        type = text == EcP256.Name ? EcP256 : text == Rsa2048.Name ? Rsa2048 : null;
        problem = type is null ? $"\"{text}\" is not a key type; give {EcP256.Name} (ES256) or {Rsa2048.Name} (RS256)" : null;
        return type is not null;
    }

    /// <summary>Whether a key of the ledger, a DER SubjectPublicKeyInfo, is of this type.</summary>
    public bool Fits(ReadOnlyMemory<byte> subjectPublicKeyInfo) =>
        SubjectPublicKey.TryParse(subjectPublicKeyInfo, out var key, out _) && key.Kind == Algorithm.KeyKind && key.KeySize == _keySize;

    public override string ToString() => Name;
}
