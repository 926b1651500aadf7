using System.Security.Claims;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// What our authentication handlers make, and nobody else can: another handler may put any claim it likes into an identity of its own, so
/// authorization asks for this type, not for a claim.
/// </summary>
internal sealed class SpiffeIdentity : ClaimsIdentity
{
    public SpiffeIdentity(SpiffeId id, string scheme)
        : base(ClaimsOf(id), scheme, SpiffeAuthentication.IdClaim, roleType: null) => Id = id;

    private SpiffeIdentity(SpiffeIdentity other)
        : base(other) => Id = other.Id;

    public SpiffeId Id { get; }

    public override ClaimsIdentity Clone() => new SpiffeIdentity(this);

    private static Claim[] ClaimsOf(SpiffeId id)
    {
        var issuer = id.TrustDomain.Id.ToString();
        return
        [
            new Claim(SpiffeAuthentication.IdClaim, id.ToString(), ClaimValueTypes.String, issuer),
            new Claim(SpiffeAuthentication.TrustDomainClaim, id.TrustDomain.ToString(), ClaimValueTypes.String, issuer),
        ];
    }
}
