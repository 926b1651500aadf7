namespace Spiffe.Net;

/// <summary>A JWT-SVID that may be believed, or why it may not.</summary>
public abstract record JwtSvidVerification
{
    private JwtSvidVerification()
    {
    }

    public sealed record Verified(JwtSvid Svid) : JwtSvidVerification
    {
        public SpiffeId Id => Svid.Id;
    }

    /// <param name="Reason">Names the flaw without repeating the token.</param>
    public sealed record Refused(string Reason) : JwtSvidVerification;
}
