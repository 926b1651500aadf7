namespace Spiffe.Net;

/// <summary>The public keys this library works with; everything else is refused by name.</summary>
public enum PublicKeyKind
{
    /// <summary>None of the below; no key that was accepted has it.</summary>
    Unsupported = 0,

    /// <summary>secp256r1, as a named curve and an uncompressed point (RFC 5480 §2.1.1), as the other two.</summary>
    EcP256,

    /// <summary>secp384r1.</summary>
    EcP384,

    /// <summary>secp521r1.</summary>
    EcP521,

    /// <summary>2048 to 8192 bits, an odd exponent from 65537 to 4294967295.</summary>
    Rsa,
}
