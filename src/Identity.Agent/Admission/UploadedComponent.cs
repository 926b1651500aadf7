using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>What a host wants to start, as the agent established it: the bytes are gone, their digest and imports stay.</summary>
internal sealed record UploadedComponent(SpiffeId Host, string Name, ComponentDigest Digest, ComponentImports Imports)
{
    /// <summary>The digest is attested; the name is the host's word.</summary>
    public IReadOnlySet<string> Selectors { get; } =
        new HashSet<string>(StringComparer.Ordinal) { $"wasm:digest:{Digest.Text}", $"wasm:name:{Name}" };
}
