using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>
/// An authority key made a signature that its public key does not verify. Nothing was issued, and the key signs no more in this process:
/// what made one wrong may make the next one wrong, or give the key away. Never transient; a person must look.
/// </summary>
public sealed class SignatureFaultException : CryptographicException
{
    internal SignatureFaultException(int unverifiedBefore)
        : base("an authority key made a signature that its public key does not verify; nothing was issued, and it signs no more until restart"
            + (unverifiedBefore > 0 ? $"; up to {unverifiedBefore} signatures before it were not verified" : "")) =>
        UnverifiedBefore = unverifiedBefore;

    /// <summary>How many signatures before the fault may not have been verified either; 0 for keys whose every signature is.</summary>
    public int UnverifiedBefore { get; }
}
