using Identity.Server.Registration;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.NodeAttestation;

/// <summary>Agents and their SVIDs as the SPIRE API shows them.</summary>
internal static class AgentWire
{
    public static Types.Agent From(AgentRecord agent, Types.AgentMask? mask)
    {
        var wire = new Types.Agent { Id = SpiffeId.Parse(agent.SpiffeId).ToWire() };
        if (mask is null or { AttestationType: true }) wire.AttestationType = agent.AttestationType;
        if (mask is null or { X509SvidSerialNumber: true }) wire.X509SvidSerialNumber = agent.Serial;
        if (mask is null or { X509SvidExpiresAt: true }) wire.X509SvidExpiresAt = agent.SvidExpiresAt?.Seconds ?? 0;
        if (mask is null or { Selectors: true }) wire.Selectors.AddRange(agent.Selectors.Select(SelectorText.ToWire));
        if (mask is null or { Banned: true }) wire.Banned = agent.Banned;
        return wire;
    }

    public static Types.X509SVID From(AgentSvid svid)
    {
        var wire = new Types.X509SVID { Id = svid.Id.ToWire(), ExpiresAt = svid.ExpiresAt.ToUnixTimeSeconds() };
        wire.CertChain.AddRange(svid.Chain.Select(certificate => Google.Protobuf.ByteString.CopyFrom(certificate.Span)));
        return wire;
    }
}
