using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A key that signs JWT-SVIDs of one trust domain until it ends. Does not own the key.</summary>
public sealed class JwtSigningAuthority
{
    private JwtSigningAuthority(TrustDomain trustDomain, IAuthorityKey key, JwtAuthority published, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        TrustDomain = trustDomain;
        Key = key;
        Signer = new CheckedSigner(key);
        Public = published;
        NotBefore = notBefore;
        NotAfter = notAfter;
    }

    public TrustDomain TrustDomain { get; }

    /// <summary>What the bundle publishes.</summary>
    public JwtAuthority Public { get; }

    /// <summary>SHA-256 of the public key, base64url: two keys never share it.</summary>
    public string KeyId => Public.KeyId;

    public DateTimeOffset NotBefore { get; }

    /// <summary>No token outlives it.</summary>
    public DateTimeOffset NotAfter { get; }

    internal IAuthorityKey Key { get; }

    /// <summary>One for all issuers of this authority, so that a fault stops every one of them.</summary>
    internal CheckedSigner Signer { get; }

    public static bool TryCreate(
        TrustDomain trustDomain,
        IAuthorityKey key,
        DateTimeOffset notBefore,
        DateTimeOffset notAfter,
        [NotNullWhen(true)] out JwtSigningAuthority? authority,
        [NotNullWhen(false)] out string? problem)
    {
        authority = null;
        if (notAfter <= notBefore)
        {
            problem = $"the JWT authority ends at {notAfter:O}, before it begins at {notBefore:O}";
            return false;
        }

        var keyId = Base64Url.EncodeToString(key.PublicKey.ComputeSha256());
        if (!JwtAuthority.TryCreate(keyId, key.PublicKey.SubjectPublicKeyInfo, out var published, out problem)) return false;

        // A key that signs wrongly is found here, not by the first workload.
        var signature = new byte[key.Algorithm.MaxSignatureLength];
        var written = key.Sign("probe"u8, signature, SignatureEncoding.Jws);
        if (!key.Algorithm.Verify(key.PublicKey, "probe"u8, signature.AsSpan(0, written), SignatureEncoding.Jws))
        {
            problem = "the JWT authority key makes signatures that its public key does not verify";
            return false;
        }

        authority = new JwtSigningAuthority(trustDomain, key, published, notBefore, notAfter);
        return true;
    }
}
