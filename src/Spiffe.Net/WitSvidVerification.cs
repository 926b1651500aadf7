using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A WIT-SVID that may be believed to be the presenter's, or why it may not. Only <see cref="WitSvidVerifier"/> makes the first; there is no third.</summary>
// Not a record: those have a copy constructor that anybody may derive through, and `with` would put another token into a verdict.
[Experimental(Incubating.Wit)]
public abstract class WitSvidVerification
{
    private WitSvidVerification()
    {
    }

    /// <summary>A token that was verified, and shown to be the presenter's.</summary>
    public sealed class Verified : WitSvidVerification
    {
        internal Verified(WitSvid svid, WorkloadProof proof) => (Svid, Proof) = (svid, proof);

        /// <summary>Signed by a key of its trust domain's bundle, and in time when it was asked.</summary>
        public WitSvid Svid { get; }

        /// <summary>Shown to be made with the key the token is bound to. Its <see cref="WorkloadProof.TokenId"/> is for those who allow each proof once.</summary>
        public WorkloadProof Proof { get; }

        /// <summary>Who presented the token.</summary>
        public SpiffeId Id => Svid.Id;
    }

    /// <summary>A token that is not to be believed.</summary>
    /// <param name="reason">Names the flaw without repeating token or proof.</param>
    public sealed class Refused(string reason) : WitSvidVerification
    {
        /// <summary>Names the flaw without repeating token or proof.</summary>
        public string Reason => reason;
    }
}
