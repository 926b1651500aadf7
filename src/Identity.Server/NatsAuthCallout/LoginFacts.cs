using System.Collections.Immutable;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>What the control plane knows at the moment of a login: one consistent view.</summary>
/// <param name="Policy">The policy in force.</param>
/// <param name="Bundles">Whose JWT-SVIDs are believed.</param>
/// <param name="StandingOf">What the registration says about an identity that has proven itself.</param>
/// <param name="Revision">The ledger's revision at which registration or policy last changed.</param>
internal sealed record LoginFacts(CapabilityPolicy Policy, TrustBundleSet Bundles, Func<SpiffeId, LoginStanding> StandingOf, ulong Revision)
{
    /// <summary>Whether an agent reports this admission of this component. By default none is.</summary>
    public Func<SpiffeId, string, bool> IsAdmitted { get; init; } = (_, _) => false;
}

/// <summary>How the control plane regards an identity, before policy is asked.</summary>
internal abstract record LoginStanding
{
    private LoginStanding() { }

    /// <summary>A process, known by an ordinary entry: policy alone decides.</summary>
    /// <param name="Until">When the last of its entries expires; null for never.</param>
    public sealed record Workload(DateTimeOffset? Until = null) : LoginStanding;

    /// <summary>A component that an agent reports as admitted right now.</summary>
    /// <param name="Differing">What other live admissions of the same identity have otherwise. Their sessions cannot be told apart, so these attributes are known of none.</param>
    public sealed record AdmittedComponent(ComponentDigest Digest, SpiffeId Host, PrincipalAttributes Differing = PrincipalAttributes.None) : LoginStanding
    {
        /// <summary>Who signed it.</summary>
        public VerifiedSigners Signers { get; init; } = VerifiedSigners.NotTold;

        /// <summary>Who signed the live admissions of the same identity, this one among them: their sessions cannot be told apart, so known is what is so of all.</summary>
        public ImmutableArray<VerifiedSigners> SignersOfAll { get; init; } = [];

        /// <param name="policy">Says whose signatures are looked for.</param>
        public Principal PrincipalOf(SpiffeId id, CapabilityPolicy policy)
        {
            var component = Principal.Component(id, Digest, Host);
            var principal = Signers.Tell(component, policy.SignerKeys);
            var differ = SignersOfAll.Any(signers => !signers.Tell(component, policy.SignerKeys).Equals(principal)) ? PrincipalAttributes.Signer : PrincipalAttributes.None;
            return principal with { Unknown = principal.Unknown | Differing | differ };
        }
    }

    /// <summary>No registration, banned, or a component without a live admission.</summary>
    /// <param name="Reason">The end of the sentence "… is refused: ".</param>
    /// <param name="IsUnreported">That no agent reports it is all that is missing; shortly after a start that may be because the agents are not back yet.</param>
    public sealed record Refused(string Reason, bool IsUnreported = false) : LoginStanding;
}
