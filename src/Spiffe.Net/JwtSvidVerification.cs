namespace Spiffe.Net;

/// <summary>A JWT-SVID that may be believed, or why it may not. Only <see cref="JwtSvidVerifier"/> makes the first; there is no third.</summary>
// Not a record: those have a copy constructor that anybody may derive through, and `with` would put another token into a verdict.
public abstract class JwtSvidVerification
{
    private JwtSvidVerification()
    {
    }

    /// <summary>A token that was verified.</summary>
    public sealed class Verified : JwtSvidVerification
    {
        internal Verified(JwtSvid svid) => Svid = svid;

        /// <summary>Signed by a key of its trust domain's bundle, meant for the audience asked for, and in time when it was asked.</summary>
        public JwtSvid Svid { get; }

        /// <summary>Whose token it is.</summary>
        public SpiffeId Id => Svid.Id;
    }

    /// <summary>A token that is not to be believed.</summary>
    /// <param name="reason">Names the flaw without repeating the token.</param>
    public sealed class Refused(string reason) : JwtSvidVerification
    {
        /// <summary>Names the flaw without repeating the token.</summary>
        public string Reason => reason;
    }
}
