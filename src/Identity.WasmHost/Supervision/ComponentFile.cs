using System.Security.Cryptography;

namespace Identity.WasmHost.Supervision;

/// <summary>A component as this host wants to run it. The bytes are read once: what is admitted is what is run.</summary>
internal sealed record ComponentFile(string Name, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>The agent takes no more (proto/identity/v1/admission.proto).</summary>
    public const int MaxBytes = 32 << 20;

    /// <summary><c>sha256:</c> and 64 hexadecimal digits, as the agent says it.</summary>
    public string Digest { get; } = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Bytes.Span))}";
}
