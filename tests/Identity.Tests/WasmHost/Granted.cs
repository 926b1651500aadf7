using Identity.Policy;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.Tests.WasmHost;

/// <summary>What an agent grants when policy gives all that the bytes ask for.</summary>
internal static class Granted
{
    public static GrantedInterface[] Imports(byte[] component, IEnumerable<string> names)
    {
        ComponentReader.TryRead(component, out var read, out _);
        return [.. names.Select(name => new GrantedInterface(name, [.. read?.Imports.Where(import => import.Name == name).SelectMany(import => import.Functions) ?? []]))];
    }

    public static GrantedInterface[] Exports(byte[] component)
    {
        if (!ComponentReader.TryRead(component, out var read, out _)) return [];
        string[] bare = [.. read.Exports.Where(export => export.Kind == ImportKind.Function).Select(export => export.Name)];
        return
        [
            new GrantedInterface("", bare),
            .. read.Exports.Where(export => export.Kind == ImportKind.Instance).Select(export => new GrantedInterface(export.Name, [.. export.Functions])),
        ];
    }
}
