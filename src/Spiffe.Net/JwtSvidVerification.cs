namespace Spiffe.Net;

/// <summary>A JWT-SVID that may be believed, or why it may not.</summary>
public abstract record JwtSvidVerification
{
    private JwtSvidVerification()
    {
    }

    /// <param name="Svid">Signed by a key of its trust domain's bundle, meant for the audience asked for, and in time when it was asked.</param>
    public sealed record Verified(JwtSvid Svid) : JwtSvidVerification
    {
        /// <summary>Whose token it is.</summary>
        public SpiffeId Id => Svid.Id;
    }

    /// <param name="Reason">Names the flaw without repeating the token.</param>
    public sealed record Refused(string Reason) : JwtSvidVerification;
}
