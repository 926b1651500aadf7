using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Identity.V1;
using Spiffe.Net;
using Principal = Identity.Policy.Principal;

namespace Identity.Server.DecisionPoints.Grpc;

/// <summary>A principal as a caller tells of it: what it leaves out is unknown, unless it says that there is none.</summary>
internal static class PrincipalWire
{
    private const int MaxSigners = 64;

    private static readonly ImmutableArray<(PrincipalAttribute Wire, PrincipalAttributes Attribute)> Words =
    [
        (PrincipalAttribute.Digest, PrincipalAttributes.Digest), (PrincipalAttribute.Signer, PrincipalAttributes.Signer), (PrincipalAttribute.Image, PrincipalAttributes.Image),
        (PrincipalAttribute.Host, PrincipalAttributes.Host), (PrincipalAttribute.Namespace, PrincipalAttributes.Namespace), (PrincipalAttribute.Lattice, PrincipalAttributes.Lattice),
    ];

    public static bool TryRead(DecisionPrincipal? wire, [NotNullWhen(true)] out Principal? principal, [NotNullWhen(false)] out string? problem)
    {
        principal = null;
        if (wire is null)
        {
            problem = "principal is missing";
            return false;
        }

        if (wire.Signers.Count > MaxSigners)
        {
            problem = $"principal has {wire.Signers.Count} signers; at most {MaxSigners} are read";
            return false;
        }

        if (!TryReadAbsent(wire, out var absent, out problem)) return false;
        var told = new PrincipalTold(wire.SpiffeId)
        {
            Digest = NullIfEmpty(wire.Digest),
            Signers = wire.Signers.Count > 0 ? wire.Signers : null,
            Image = NullIfEmpty(wire.Image),
            Host = NullIfEmpty(wire.Host),
            Namespace = NullIfEmpty(wire.Namespace),
            Lattice = NullIfEmpty(wire.Lattice),
            KnownAbsent = absent,
        };
        return told.TryRead(out principal, out problem);
    }

    /// <summary>What <see cref="TryRead"/> reads again, as far as this message can tell it: signers that are known only as far as they are keys it cannot.</summary>
    public static DecisionPrincipal Write(Principal principal)
    {
        var wire = new DecisionPrincipal { SpiffeId = principal.Id.ToString() };
        if (IsTold(PrincipalAttributes.Digest, principal.Digest)) wire.Digest = principal.Digest!.Text;
        if (IsTold(PrincipalAttributes.Signer, principal.Signers.IsDefaultOrEmpty ? null : principal.Signers)) wire.Signers.AddRange(principal.Signers.Select(signer => signer.Text));
        if (IsTold(PrincipalAttributes.Image, principal.Image)) wire.Image = principal.Image!.ToString();
        if (IsTold(PrincipalAttributes.Host, principal.Host)) wire.Host = principal.Host!.ToString();
        if (IsTold(PrincipalAttributes.Namespace, principal.Namespace)) wire.Namespace = principal.Namespace;
        if (IsTold(PrincipalAttributes.Lattice, principal.Lattice)) wire.Lattice = principal.Lattice;
        return wire;

        bool IsTold(PrincipalAttributes attribute, object? value)
        {
            if ((principal.Unknown & attribute) != 0) return false;
            if (value is null) wire.KnownAbsent.Add(Words.Single(word => word.Attribute == attribute).Wire);
            return value is not null;
        }
    }

    private static bool TryReadAbsent(DecisionPrincipal wire, out PrincipalAttributes absent, [NotNullWhen(false)] out string? problem)
    {
        absent = PrincipalAttributes.None;
        problem = null;
        foreach (var attribute in wire.KnownAbsent)
        {
            var one = Words.FirstOrDefault(word => word.Wire == attribute).Attribute;
            if (one == PrincipalAttributes.None)
            {
                problem = $"known_absent names {(int)attribute}, which is no attribute";
                return false;
            }

            absent |= one;
        }

        return true;
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
