using System.Formats.Asn1;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>The only code that signs X509-SVIDs: <see cref="Prepare"/> decides what it would sign, <see cref="Issue"/> signs exactly that, once.</summary>
public sealed class X509SvidIssuer(X509Authority authority, IssuanceProfile profile)
{
    private static readonly TimeSpan LongestBackdating = TimeSpan.FromMinutes(2);

    private readonly X509SvidWriter _writer = new(authority);
    private readonly CheckedSigner _signer = new(authority.Key);

    public X509Authority Authority => authority;

    public X509SvidPreparation Prepare(X509SvidRequest request, DateTimeOffset now)
    {
        if (X509SvidRequestCheck.FindProblem(request, authority.TrustDomain) is { } problem) return new X509SvidPreparation.Refused(problem);

        // 1. The lifetime: never beyond the profile, never beyond the authority, in whole seconds.
        var lifetime = request.Lifetime ?? profile.DefaultX509Lifetime;
        if (lifetime < IssuanceProfile.ShortestLifetime) return Refuse($"a lifetime of {lifetime} was asked for; the shortest is {IssuanceProfile.ShortestLifetime}");
        if (lifetime > profile.MaxX509Lifetime) lifetime = profile.MaxX509Lifetime;
        var notAfter = Earlier(now + lifetime - Clamp(request.Jitter, lifetime / 10), authority.NotAfter);
        var notBefore = Later(now - Min(LongestBackdating, lifetime / 10), authority.NotBefore);
        notBefore = WholeSeconds(notBefore);
        notAfter = WholeSeconds(notAfter);
        if (now < authority.NotBefore || notAfter <= now)
            return Refuse($"the authority of {authority.TrustDomain} is valid from {authority.NotBefore:O} to {authority.NotAfter:O}, not at {now:O}");

        // 2. The whole certificate but for its signature, read back by the code that verifies other people's.
        var serialNumber = SerialNumber.Draw();
        var signedPart = _writer.Write(request, serialNumber, notBefore, notAfter);
        if (X509SvidLint.FindProblem(signedPart, request, authority, serialNumber, notBefore, notAfter) is { } flaw) return Refuse(flaw);
        return new X509SvidPreparation.Prepared(
            new X509SvidDraft(this, request.Id, serialNumber, request.PublicKey.ComputeSha256(), notBefore, notAfter, signedPart));
    }

    /// <summary>Signs a draft of this issuer. A second time, or a draft of another issuer, is a bug and throws.</summary>
    public IssuedX509Svid Issue(X509SvidDraft draft)
    {
        if (draft.Issuer != this) throw new InvalidOperationException("the draft was prepared by another issuer");
        if (!draft.TryClaim()) throw new InvalidOperationException($"the draft with serial number {draft.SerialNumber} was issued before");

        Span<byte> signature = stackalloc byte[authority.Key.Algorithm.MaxSignatureLength];
        var length = _signer.Sign(draft.SignedPart, signature, SignatureEncoding.X509);
        var leaf = Seal(draft.SignedPart, signature[..length]);
        return new IssuedX509Svid(draft.Id, draft.SerialNumber, draft.NotBefore, draft.NotAfter, [leaf, .. authority.Intermediates], authority.Root);
    }

    private byte[] Seal(ReadOnlySpan<byte> signedPart, ReadOnlySpan<byte> signature)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, initialCapacity: signedPart.Length + signature.Length + 32);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(signedPart);
            writer.WriteEncodedValue(authority.Key.Algorithm.AlgorithmIdentifier.Span);
            writer.WriteBitString(signature);
        }

        return writer.Encode();
    }

    private static X509SvidPreparation.Refused Refuse(string reason) => new(reason);

    private static TimeSpan Clamp(TimeSpan jitter, TimeSpan most) => jitter < TimeSpan.Zero ? TimeSpan.Zero : Min(jitter, most);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    // X.509 times have no fraction; rounding down keeps both ends inside what was decided.
    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
