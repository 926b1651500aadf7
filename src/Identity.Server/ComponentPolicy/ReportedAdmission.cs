using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Identity.Policy;
using Identity.Server.Registration;
using Spiffe.Net;
using Entry = Spire.Api.Types.Entry;

namespace Identity.Server.ComponentPolicy;

/// <summary>An admission as its agent reported it, well formed; whether the agent may hold it is another question.</summary>
internal sealed partial record ReportedAdmission(string Id, SpiffeId SpiffeId, SpiffeId Host, string Digest, string EntryId, ulong PolicyRevision)
{
    /// <summary>What it imports and exports; null when the agent does not tell.</summary>
    public ComponentImports? Imports { get; init; }

    /// <summary>The host's word for it; shown, never matched.</summary>
    public string Name { get; init; } = "";

    /// <summary>Who signed it.</summary>
    public VerifiedSigners Signers { get; init; } = VerifiedSigners.NotTold;

    /// <summary>Who signed it as its agent tells, where that is not looked at because too many of the same identity are signed by others; null otherwise.</summary>
    public VerifiedSigners? SignersBeyond { get; init; }

    /// <summary>Whom a policy that asks for these signers speaks of; null when its digest is none.</summary>
    public Principal? PrincipalFor(ImmutableArray<SignerName> keys) =>
        ComponentDigest.TryParse(Digest, out var digest, out _) ? Signers.Tell(Principal.Component(SpiffeId, digest, Host), keys) : null;

    /// <param name="mayVerify">As <see cref="VerifiedSigners"/> asks.</param>
    public static bool TryParse(
        Identity.V1.LiveAdmission wire,
        TrustDomain trustDomain,
        [NotNullWhen(true)] out ReportedAdmission? admission,
        [NotNullWhen(false)] out string? problem,
        Func<int, bool>? mayVerify = null)
    {
        admission = null;
        if (!IsId(wire.AdmissionId))
        {
            problem = $"the admission id {Quote.From(wire.AdmissionId)} is not 1 to 128 of a-z, A-Z, 0-9, '.', '_' and '-'";
            return false;
        }

        if (!TryParseId(wire.SpiffeId, "spiffe_id", trustDomain, out var spiffeId, out problem)) return false;
        if (!TryParseId(wire.HostSpiffeId, "host_spiffe_id", trustDomain, out var host, out problem)) return false;
        if (!DigestPattern().IsMatch(wire.Digest))
        {
            problem = $"the digest {Quote.From(wire.Digest)} of admission {wire.AdmissionId} is not sha256: and 64 lower-case hexadecimal digits";
            return false;
        }

        if (wire.EntryId.Length > 128)
        {
            problem = $"the entry id of admission {wire.AdmissionId} has {wire.EntryId.Length} characters; at most 128 are allowed";
            return false;
        }

        if (!ReportedSignatures.TryRead(wire.Signatures, mayVerify, out var signers, out problem))
        {
            problem = $"admission {wire.AdmissionId}: {problem}";
            return false;
        }

        admission = new(wire.AdmissionId, spiffeId, host, wire.Digest, wire.EntryId, wire.PolicyRevision)
        {
            Imports = ReportedImports.Read(wire),
            Signers = signers,
            Name = wire.Name.Length <= 128 ? wire.Name : "",
        };
        return true;
    }

    /// <summary>What may be told of it to an operator: who runs what where. Its own id and its entry's are its agent's business.</summary>
    public Identity.V1.LiveAdmission ToWire()
    {
        var wire = new Identity.V1.LiveAdmission { SpiffeId = SpiffeId.ToString(), HostSpiffeId = Host.ToString(), Digest = Digest, Name = Name, PolicyRevision = PolicyRevision };
        if ((SignersBeyond ?? Signers) is { Signatures: { Problem: null } signatures })
        {
            wire.Signatures = new Identity.V1.ComponentSignatures { Hashes = Google.Protobuf.ByteString.CopyFrom(signatures.Hashes) };
            wire.Signatures.Signatures.AddRange(signatures.Signatures.Select(signature => Google.Protobuf.ByteString.CopyFrom(signature)));
        }

        if (Imports is null) return wire;
        wire.ImportsTold = true;
        wire.Imports.AddRange(Imports.ImportLines());
        wire.Exports.AddRange(Imports.ExportLines());
        return wire;
    }

    public static bool IsId(string text) => IdPattern().IsMatch(text);

    /// <summary>
    /// Whether one of the entries the agent may issue for is for this component: the same SPIFFE ID below the same host, a component's
    /// entry, and of this digest when it names one. An agent that was taken over can thus open no identity that is not on its node.
    /// </summary>
    public bool IsEntitledBy(Entry entry) =>
        entry.SpiffeId.ToText() == SpiffeId.ToString()
        && entry.ParentId.ToText() == Host.ToString()
        && (EntryId.Length == 0 || entry.Id == EntryId)
        && entry.Selectors.Any(selector => selector.Type == "wasm")
        && entry.Selectors.All(selector => selector.Type != "wasm" || !selector.Value.StartsWith("digest:", StringComparison.Ordinal)
            || selector.Value == $"digest:{Digest}");

    private static bool TryParseId(
        string text, string name, TrustDomain trustDomain, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        if (!SpiffeId.TryParse(text, out id, out problem))
        {
            problem = $"{name}: {problem}";
            return false;
        }

        if (id.IsMemberOf(trustDomain)) return true;
        problem = $"{name} {id} is not in this trust domain";
        return false;
    }

    [GeneratedRegex(@"\A[a-zA-Z0-9._-]{1,128}\z", RegexOptions.CultureInvariant)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"\Asha256:[0-9a-f]{64}\z", RegexOptions.CultureInvariant)]
    private static partial Regex DigestPattern();
}
