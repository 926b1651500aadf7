using Identity.Issuance;
using Identity.Server.Authority;
using Spiffe.Net;

namespace Identity.Server.NodeAttestation;

/// <summary>An agent's X509-SVID, signed and recorded, but not yet given to anyone.</summary>
internal sealed record AgentSvid(SpiffeId Id, IReadOnlyList<ReadOnlyMemory<byte>> Chain, string Serial, DateTimeOffset ExpiresAt);

/// <summary>Asks the authority for an agent's SVID. Of the CSR only the key counts; names in it are not read.</summary>
internal sealed class AgentSvidSigner(SigningAuthority authority)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    /// <returns>The SVID, or null and what is wrong with the CSR, fit to be told to the agent.</returns>
    public async Task<(AgentSvid? Svid, string Problem)> SignAsync(SpiffeId id, ReadOnlyMemory<byte> csr, CancellationToken cancellation)
    {
        if (!CertificateSigningRequest.TryParse(csr, out var request, out var csrProblem)) return (null, $"csr: {csrProblem}");
        var signing = await authority.SignX509Async(
            new X509SigningRequest(id, request.PublicKey, Requester: id.ToString()) { Lifetime = Lifetime }, cancellation);
        return signing switch
        {
            X509Signing.Issued(var svid) => (new AgentSvid(id, svid.Chain, svid.SerialNumber.ToLowerInvariant(), svid.NotAfter), ""),
            X509Signing.Refused(var reason) => (null, reason),
            _ => (null, "no answer"),
        };
    }
}
