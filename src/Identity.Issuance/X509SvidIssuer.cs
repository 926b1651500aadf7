using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>The only code that signs X509-SVIDs: <see cref="Prepare"/> decides what it would sign, <see cref="Issue"/> signs exactly that, once.</summary>
public sealed class X509SvidIssuer(X509Authority authority, IssuanceProfile profile)
{
    private const int KeyIdentifierLength = 20;

    private readonly X509SvidWriter _writer = new(authority);
    private readonly SerialNumber _serialNumbers = new();

    public X509Authority Authority => authority;

    public X509SvidPreparation Prepare(X509SvidRequest request, DateTimeOffset now)
    {
        if (X509SvidRequestCheck.FindProblem(request, authority.TrustDomain) is { } problem) return new X509SvidPreparation.Refused(problem);

        // 1. The lifetime: never beyond the profile, never beyond the authority, in whole seconds.
        var lifetime = request.Lifetime ?? profile.DefaultX509Lifetime;
        if (lifetime < IssuanceProfile.ShortestLifetime) return Refuse($"a lifetime of {lifetime} was asked for; the shortest is {IssuanceProfile.ShortestLifetime}");
        if (lifetime > profile.MaxX509Lifetime) lifetime = profile.MaxX509Lifetime;
        var notAfter = Earlier(now + lifetime - Clamp(request.Jitter, lifetime / 10), authority.NotAfter);
        var notBefore = Later(now - Backdating.Of(lifetime), authority.NotBefore);
        notBefore = WholeSeconds(notBefore);
        notAfter = WholeSeconds(notAfter);
        if (now < authority.NotBefore || notAfter <= now)
            return Refuse($"the authority of {authority.TrustDomain} is valid from {authority.NotBefore:O} to {authority.NotAfter:O}, not at {now:O}");

        // 2. The whole certificate but for its signature, every byte of it read back.
        var serialNumber = _serialNumbers.Next();
        var keyHash = request.PublicKey.ComputeSha256();
        // Any number that follows from the key will do, and nobody looks for a leaf by it (RFC 5280 §4.2.1.2): the hash that is recorded anyway.
        var content = new X509SvidContent(request, serialNumber, keyHash.AsMemory(0, KeyIdentifierLength), notBefore, notAfter);
        var signedPart = _writer.Write(content);
        if (X509SvidLint.FindProblem(signedPart, content, authority) is { } flaw) return Refuse(flaw);
        return new X509SvidPreparation.Prepared(
            new X509SvidDraft(this, request.Id, serialNumber, keyHash, notBefore, notAfter, signedPart));
    }

    /// <summary>Signs a draft of this issuer. A second time, or a draft of another issuer, is a bug and throws.</summary>
    public IssuedX509Svid Issue(X509SvidDraft draft)
    {
        if (draft.Issuer != this) throw new InvalidOperationException("the draft was prepared by another issuer");
        if (!draft.TryClaim()) throw new InvalidOperationException($"the draft with serial number {draft.SerialNumber} was issued before");

        Span<byte> signature = stackalloc byte[authority.Key.Algorithm.MaxSignatureLength];
        var length = authority.Signer.Sign(draft.SignedPart, signature, SignatureEncoding.X509);
        var leaf = _writer.Seal(draft.SignedPart, signature[..length]);
        return new IssuedX509Svid(draft.Id, draft.SerialNumber, draft.NotBefore, draft.NotAfter, [leaf, .. authority.Intermediates], authority.Root);
    }

    private static X509SvidPreparation.Refused Refuse(string reason) => new(reason);

    private static TimeSpan Clamp(TimeSpan jitter, TimeSpan most) => jitter < TimeSpan.Zero ? TimeSpan.Zero : Min(jitter, most);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    // X.509 times have no fraction; rounding down keeps both ends inside what was decided.
    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
