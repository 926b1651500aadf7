using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>What a proof of possession is made for, and what the one who receives it expects (WIT-SVID §7.2).</summary>
/// <param name="Audience">
/// The request's target URI without query and fragment, or another name both sides agreed on. A receiver takes it from its configuration,
/// never from a header of the request (draft-ietf-wimse-wpt, "Audience validation").
/// </param>
[Experimental(Incubating.Wit)]
public sealed record WorkloadProofTarget(string Audience)
{
    /// <summary>The transaction token that travels in the same request; null when none does. The proof is bound to it.</summary>
    public string? TransactionToken { get; init; }

    /// <summary>Names the audience, not the token.</summary>
    public override string ToString() =>
        $"a proof for {Quoted.From(Audience)}{(TransactionToken is null ? "" : ", bound to a transaction token")}";
}
