using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A WIT-SVID that may be believed to be the presenter's, or why it may not.</summary>
[Experimental(Incubating.Wit)]
public abstract record WitSvidVerification
{
    private WitSvidVerification()
    {
    }

    /// <param name="Proof">Shown to be made with the key the token is bound to. Its <see cref="WorkloadProof.TokenId"/> is for those who allow each proof once.</param>
    public sealed record Verified(WitSvid Svid, WorkloadProof Proof) : WitSvidVerification
    {
        /// <summary>Who presented the token.</summary>
        public SpiffeId Id => Svid.Id;
    }

    /// <param name="Reason">Names the flaw without repeating token or proof.</param>
    public sealed record Refused(string Reason) : WitSvidVerification;
}
