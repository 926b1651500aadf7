using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A private key of the authority. It can sign and tell its public half, nothing else; disposing it ends its use. Safe for parallel calls.</summary>
public interface IAuthorityKey : IDisposable
{
    SigningAlgorithm Algorithm { get; }

    SubjectPublicKey PublicKey { get; }

    /// <summary>Hashes and signs <paramref name="data"/>; returns the bytes written.</summary>
    /// <param name="destination">Holds at least <see cref="SigningAlgorithm.MaxSignatureLength"/> bytes.</param>
    int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding);
}
