using Google.Protobuf;
using Identity.Server.Ledger;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.ComponentPolicy;

/// <summary>What to trust, as the SPIRE API spells it.</summary>
internal static class BundleWire
{
    public static Types.Bundle From(TrustBundle bundle, ControlPlaneState state)
    {
        var wire = new Types.Bundle
        {
            TrustDomain = bundle.TrustDomain.Name,
            SequenceNumber = bundle.SequenceNumber ?? 0,
            RefreshHint = (long)(bundle.RefreshHint?.TotalSeconds ?? 0),
        };
        wire.X509Authorities.AddRange(bundle.X509Authorities.Select(authority =>
            new Types.X509Certificate { Asn1 = ByteString.CopyFrom(authority.RawDataMemory.Span) }));
        wire.JwtAuthorities.AddRange(bundle.JwtAuthorities.Select(authority => new Types.JWTKey
        {
            KeyId = authority.KeyId,
            PublicKey = ByteString.CopyFrom(authority.SubjectPublicKeyInfo.Span),
            ExpiresAt = state.Authorities.GetValueOrDefault(authority.KeyId)?.NotAfter?.Seconds ?? 0,
        }));
        wire.WitAuthorities.AddRange(bundle.WitAuthorities.Select(authority => new Types.WITKey
        {
            KeyId = authority.KeyId,
            PublicKey = ByteString.CopyFrom(authority.SubjectPublicKeyInfo.Span),
            ExpiresAt = state.Authorities.GetValueOrDefault(authority.KeyId)?.NotAfter?.Seconds ?? 0,
        }));
        return wire;
    }
}
