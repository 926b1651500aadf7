using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>
/// Signs and distrusts the result. A faulty RSA signature can give the key away, and a remote signer may answer with anything: those are
/// verified every time. A local EC key is verified at load, at its first signature and at every <see cref="SampleEvery"/>th after it, since
/// verifying costs two and a half times the signing. A signature that does not verify ends the use of the key. RFC 0005 has the reasons.
/// </summary>
internal sealed class CheckedSigner(IAuthorityKey key)
{
    /// <summary>A counter and not chance: a fault that stays is found after at most this many signatures, which the fault then names.</summary>
    public const int SampleEvery = 256;

    private readonly bool _isSampled = key is LocalAuthorityKey && key.Algorithm != SigningAlgorithm.Rs256;
    private int _signatures = -1;
    private volatile bool _isFaulty;

    public SigningAlgorithm Algorithm => key.Algorithm;

    /// <exception cref="SignatureFaultException">This signature, or an earlier one, did not verify; the destination holds nothing.</exception>
    public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding)
    {
        if (_isFaulty) throw new SignatureFaultException(UnverifiedBefore);
        var written = key.Sign(data, destination, encoding);
        var isDue = !_isSampled || (uint)Interlocked.Increment(ref _signatures) % SampleEvery == 0;
        if (!isDue || key.Algorithm.Verify(key.PublicKey, data, destination[..written], encoding)) return written;
        _isFaulty = true;
        CryptographicOperations.ZeroMemory(destination);
        throw new SignatureFaultException(UnverifiedBefore);
    }

    private int UnverifiedBefore => _isSampled ? SampleEvery - 1 : 0;
}
