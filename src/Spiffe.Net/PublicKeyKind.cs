namespace Spiffe.Net;

/// <summary>The public keys this library works with; everything else is refused by name.</summary>
public enum PublicKeyKind
{
    Unsupported = 0,
    EcP256,
    EcP384,
    EcP521,

    /// <summary>2048 to 8192 bits, exponent 65537 or more.</summary>
    Rsa,
}
