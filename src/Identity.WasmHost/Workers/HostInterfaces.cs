namespace Identity.WasmHost.Workers;

/// <summary>
/// The interfaces this host implements itself, function by function with its exact WIT type. Everything else an admitted component may
/// import is WASI 0.2, which Wasmtime implements and type-checks.
/// </summary>
internal static class HostInterfaces
{
    /// <summary>Patch versions of WASI 0.2 are one semver track; the native linker resolves them.</summary>
    public const string WasiPrefix = "wasi:";

    public const string IdentityStore = "wasmcloud:identity/store@0.0.1";

    public const string MessagingConsumer = "wasmcloud:messaging/consumer@0.2.0";

    /// <summary>Types only; it is linked without a definition.</summary>
    public const string MessagingTypes = "wasmcloud:messaging/types@0.2.0";

    private const string Message = "record { subject: string, body: list<u8>, reply-to: option<string> }";

    private static readonly Dictionary<string, Dictionary<string, string>> Functions = new(StringComparer.Ordinal)
    {
        [IdentityStore] = new(StringComparer.Ordinal)
        {
            ["get"] = "func(audience: string) -> result<option<string>, variant { io(string), not-found, other(string) }>",
        },
        [MessagingConsumer] = new(StringComparer.Ordinal)
        {
            ["publish"] = $"func(msg: {Message}) -> result<_, string>",
            ["request"] = $"func(subject: string, body: list<u8>, timeout-ms: u32) -> result<{Message}, string>",
        },
        [MessagingTypes] = new(StringComparer.Ordinal),
    };

    public static bool IsWasi(string import) => import.StartsWith(WasiPrefix, StringComparison.Ordinal);

    /// <summary>Null when this host can serve the import as the guest declares it, else what stands against it.</summary>
    public static string? FindProblem(NativeImport import)
    {
        if (import.Kind != NativeImportKind.Instance)
            return $"import `{import.Name}` is a {import.Kind}; only whole interfaces can be granted";
        if (IsWasi(import.Name)) return null;
        if (!Functions.TryGetValue(import.Name, out var offered))
            return $"import `{import.Name}` is not implemented by this host; it offers {string.Join(", ", Functions.Keys)} and wasi:*@0.2";
        foreach (var member in import.Members)
        {
            if (member.Kind is NativeImportKind.Type) continue;
            if (member.Kind is not NativeImportKind.Function || !offered.TryGetValue(member.Name, out var signature))
                return $"import `{import.Name}` has no `{member.Name}` here; it has {string.Join(", ", offered.Keys)}";
            // Parameter names are part of WIT but not of what the linker compares; we hold guests to the published interface.
            if (member.Signature != signature)
                return $"import `{import.Name}` declares `{member.Name}` as {member.Signature}; expected {signature}";
        }

        return null;
    }
}
