using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Wire = Identity.V1.ComponentSignatures;

namespace Identity.Server.ComponentPolicy;

/// <summary>The signatures of a component as whoever has its bytes tells them; verified here, with the keys that policy names.</summary>
internal static class ReportedSignatures
{
    // Most components carry none.
    private static readonly VerifiedSigners Unsigned = new(ComponentSignatures.None, Ed25519Signatures.Verify);

    /// <param name="wire">Null when they are not told.</param>
    /// <param name="mayVerify">As <see cref="VerifiedSigners"/> asks.</param>
    public static bool TryRead(Wire? wire, Func<int, bool>? mayVerify, [NotNullWhen(true)] out VerifiedSigners? signers, [NotNullWhen(false)] out string? problem)
    {
        (signers, problem) = (VerifiedSigners.NotTold, null);
        if (wire is null) return true;
        signers = null;
        if (wire.Signatures.Count > ComponentSignatures.MaxSignatures) problem = $"{wire.Signatures.Count} signatures are told; at most {ComponentSignatures.MaxSignatures} are read";
        else if (ComponentSignatures.TryCreate(wire.Hashes.Span, [.. wire.Signatures.Select(signature => signature.ToByteArray())], out var signatures, out problem))
            signers = signatures.IsEmpty ? Unsigned : new VerifiedSigners(signatures, Ed25519Signatures.Verify, mayVerify);
        return signers is not null;
    }
}
