using System.Text;
using Wasmtime;
using Wasmtime.Components;
using static Identity.WasmHost.Workers.WasmtimeNative;

namespace Identity.WasmHost.Workers;

/// <summary>What a compiled component imports, as Wasmtime sees it. Numbers are those of <c>wasmtime_component_item_kind_t</c>.</summary>
internal enum NativeImportKind : byte
{
    Component = 0,
    Instance = 1,
    Module = 2,
    Function = 3,
    Resource = 4,
    CoreFunction = 5,
    Type = 6,
}

/// <summary>A member of an imported instance. <paramref name="Signature"/> is WIT text for a function, empty for a type or resource.</summary>
internal sealed record NativeMember(string Name, NativeImportKind Kind, string Signature);

/// <summary>One top-level import: the only authority a component can be given.</summary>
/// <param name="IsAnnotated">It carries <c>implements</c> or <c>external-id</c>, which the engine's configuration should have refused.</param>
internal sealed record NativeImport(string Name, NativeImportKind Kind, IReadOnlyList<NativeMember> Members, bool IsAnnotated)
{
    public IEnumerable<string> Functions => Members.Where(member => member.Kind == NativeImportKind.Function).Select(member => member.Name);
}

/// <summary>One top-level export: what could be called from outside.</summary>
internal sealed record NativeExport(string Name, NativeImportKind Kind, IReadOnlyList<NativeMember> Members)
{
    /// <param name="of">The interface; empty for a function that is exported by itself.</param>
    public bool Has(string of, string function) => of.Length == 0
        ? Kind == NativeImportKind.Function && Name == function
        : Kind == NativeImportKind.Instance && Name == of && Members.Any(member => member.Kind == NativeImportKind.Function && member.Name == function);
}

/// <summary>Reads the authoritative lists of imports and exports from the very component that will be instantiated.</summary>
internal static unsafe class NativeImports
{
    private delegate T Reading<out T>(nint type, nint engine);

    public static IReadOnlyList<NativeImport> Read(Engine engine, Component component) => Borrow(engine, component, ReadImports);

    public static IReadOnlyList<NativeExport> ReadExports(Engine engine, Component component) => Borrow(engine, component, ReadExports);

    internal static string Text(byte* name, nuint length) => Encoding.UTF8.GetString(new ReadOnlySpan<byte>(name, checked((int)length)));

    private static T Borrow<T>(Engine engine, Component component, Reading<T> read)
    {
        using var engineHandle = new Borrowed(HandleOf(engine));
        using var componentHandle = new Borrowed(HandleOf(component));
        var type = ComponentType(componentHandle.Pointer);
        try
        {
            return read(type, engineHandle.Pointer);
        }
        finally
        {
            DeleteComponentType(type);
        }
    }

    private static List<NativeExport> ReadExports(nint type, nint engine)
    {
        var exports = new List<NativeExport>();
        var count = ExportCount(type, engine);
        for (nuint i = 0; i < count; i++)
        {
            if (!ExportAt(type, engine, i, out var name, out var length, out var external))
                throw new InvalidOperationException($"export {i} of {count} cannot be read");
            TypeOfExtern(external, out var item);
            var kind = (NativeImportKind)item.Kind;
            exports.Add(new NativeExport(Text(name, length), kind, kind == NativeImportKind.Instance ? ReadMembers(item.Pointer, engine) : []));
            DeleteExtern(external);
            DeleteItem(ref item);
        }

        return exports;
    }

    private static List<NativeImport> ReadImports(nint type, nint engine)
    {
        var imports = new List<NativeImport>();
        var count = ImportCount(type, engine);
        for (nuint i = 0; i < count; i++)
        {
            // Fail closed: an import that cannot be read would be one that nobody decided on.
            if (!ImportAt(type, engine, i, out var name, out var length, out var external))
                throw new InvalidOperationException($"import {i} of {count} cannot be read");
            var annotated = ImplementsOfExtern(external, out _) != null || ExternalIdOfExtern(external, out _) != null;
            TypeOfExtern(external, out var item);
            var kind = (NativeImportKind)item.Kind;
            imports.Add(new NativeImport(
                Text(name, length), kind, kind == NativeImportKind.Instance ? ReadMembers(item.Pointer, engine) : [], annotated));
            // The name borrows from the type; the extern goes first (facts of the C API: extern, item, then type).
            DeleteExtern(external);
            DeleteItem(ref item);
        }

        return imports;
    }

    private static List<NativeMember> ReadMembers(nint instance, nint engine)
    {
        var members = new List<NativeMember>();
        var count = InstanceExportCount(instance, engine);
        for (nuint i = 0; i < count; i++)
        {
            if (!InstanceExportAt(instance, engine, i, out var name, out var length, out var external))
                throw new InvalidOperationException($"member {i} of {count} cannot be read");
            TypeOfExtern(external, out var item);
            var kind = (NativeImportKind)item.Kind;
            members.Add(new NativeMember(Text(name, length), kind, kind == NativeImportKind.Function ? WitSignature.Of(item.Pointer) : ""));
            DeleteExtern(external);
            DeleteItem(ref item);
        }

        return members;
    }

    /// <summary>Keeps a native handle alive while its pointer is in use.</summary>
    private readonly ref struct Borrowed
    {
        private readonly System.Runtime.InteropServices.SafeHandle handle;

        public Borrowed(System.Runtime.InteropServices.SafeHandle handle)
        {
            var added = false;
            handle.DangerousAddRef(ref added);
            this.handle = handle;
        }

        public nint Pointer => handle.DangerousGetHandle();

        public void Dispose() => handle.DangerousRelease();
    }
}
