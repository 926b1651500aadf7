using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>
/// Signs and distrusts the result: a faulty RSA signature can give the key away (RFC 3447 with CRT), and a remote signer may answer with
/// anything. Those are verified every time; a local EC key when first used and on a sample, since verifying costs twice the signing.
/// </summary>
internal sealed class CheckedSigner(IAuthorityKey key)
{
    private const int SampleEvery = 256;

    private readonly bool _sampled = key is LocalAuthorityKey && key.Algorithm != SigningAlgorithm.Rs256;
    private int _signatures = -1;

    public SigningAlgorithm Algorithm => key.Algorithm;

    public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding)
    {
        var written = key.Sign(data, destination, encoding);
        var isDue = !_sampled || (uint)Interlocked.Increment(ref _signatures) % SampleEvery == 0;
        if (!isDue || key.Algorithm.Verify(key.PublicKey, data, destination[..written], encoding)) return written;
        CryptographicOperations.ZeroMemory(destination);
        throw new CryptographicException("the authority key made a signature that its public key does not verify; nothing was issued");
    }
}
