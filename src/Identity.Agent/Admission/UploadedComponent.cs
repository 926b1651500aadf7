using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>What a host wants to start, as the agent established it: the bytes are gone, their digest and imports stay.</summary>
internal sealed record UploadedComponent(SpiffeId Host, string Name, ComponentDigest Digest, ComponentImports Imports)
{
    /// <summary>Who signed the bytes, of whomever a policy names by key.</summary>
    public VerifiedSigners Signers { get; init; } = VerifiedSigners.NotTold;

    /// <summary>What the host would call, best first.</summary>
    public IReadOnlyList<CapabilityRequest.Export> Calls { get; init; } = [];

    /// <summary>The first of them that the component exports; null when it exports none.</summary>
    public CapabilityRequest.Export? Called => HostCalls.FirstOf(Calls, Imports);

    /// <summary>The digest is attested; the name is the host's word.</summary>
    public IReadOnlySet<string> Selectors { get; } =
        new HashSet<string>(StringComparer.Ordinal) { $"wasm:digest:{Digest.Text}", $"wasm:name:{Name}" };
}
