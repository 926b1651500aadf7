using Google.Protobuf;
using Google.Protobuf.Collections;
using Identity.Server.Ledger;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.Bundles;

/// <summary>What to trust, as the SPIRE API spells it.</summary>
internal static class BundleWire
{
    // One too many is enough for the bundle to say so.
    private const int AtMost = TrustBundle.MaxAuthorities + 1;

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

    /// <summary>Says what is wrong with a foreign bundle; null when every key in it can be used.</summary>
    public static string? FindProblem(Types.Bundle wire, TrustDomain trustDomain)
    {
        if (wire.RefreshHint is < 0 or > int.MaxValue) return $"refresh_hint is {wire.RefreshHint} seconds; expected 0 to {int.MaxValue}";
        if (wire.JwtAuthorities.Any(key => key.ExpiresAt < 0) || wire.WitAuthorities.Any(key => key.ExpiresAt < 0)) return "a key's expires_at is before 1970";

        var jwt = new List<JwtAuthority>();
        foreach (var key in wire.JwtAuthorities.Take(AtMost))
        {
            if (!JwtAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out var flaw)) return flaw;
            jwt.Add(authority);
        }

        var wit = new List<WitAuthority>();
        foreach (var key in wire.WitAuthorities.Take(AtMost))
        {
            if (!WitAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out var flaw)) return flaw;
            wit.Add(authority);
        }

        return TrustBundle.TryCreate(trustDomain, [.. wire.X509Authorities.Select(a => a.Asn1.Memory)], jwt, wit, wire.SequenceNumber, null, out _, out var problem)
            ? null
            : problem;
    }

    /// <summary>Leaves in an answer what the caller wants. As SPIRE: no mask means everything, and the trust domain is always there.</summary>
    public static Types.Bundle Apply(Types.BundleMask? mask, Types.Bundle bundle)
    {
        var copy = bundle.Clone();
        if (mask is null) return copy;
        if (!mask.X509Authorities) copy.X509Authorities.Clear();
        if (!mask.JwtAuthorities) copy.JwtAuthorities.Clear();
        if (!mask.WitAuthorities) copy.WitAuthorities.Clear();
        if (!mask.RefreshHint) copy.RefreshHint = 0;
        if (!mask.SequenceNumber) copy.SequenceNumber = 0;
        return copy;
    }

    /// <summary>The stored bundle with the masked fields of an update laid over it.</summary>
    public static Types.Bundle Overlay(Types.BundleMask? mask, Types.Bundle stored, Types.Bundle update)
    {
        if (mask is null) return update;
        var merged = stored.Clone();
        if (mask.X509Authorities) Replace(merged.X509Authorities, update.X509Authorities);
        if (mask.JwtAuthorities) Replace(merged.JwtAuthorities, update.JwtAuthorities);
        if (mask.WitAuthorities) Replace(merged.WitAuthorities, update.WitAuthorities);
        if (mask.RefreshHint) merged.RefreshHint = update.RefreshHint;
        if (mask.SequenceNumber) merged.SequenceNumber = update.SequenceNumber;
        return merged;
    }

    private static void Replace<T>(RepeatedField<T> field, IEnumerable<T> values)
    {
        field.Clear();
        field.AddRange(values);
    }
}
