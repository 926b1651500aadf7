using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Wasmtime;
using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// The part of Wasmtime's C API that the .NET binding does not bind: the type of a compiled component.
/// Written for Wasmtime 50, where imports and exports come as <c>wasmtime_component_extern_t**</c>; <see cref="BindingSelfTest"/> runs it
/// before anything else does, because no version function is exported.
/// </summary>
internal static unsafe partial class WasmtimeNative
{
    private const string Library = "wasmtime";

    /// <summary><c>wasmtime_component_valtype_t</c>.</summary>
    internal struct WitType
    {
        public byte Kind;
        public nint Of;
    }

    /// <summary><c>wasmtime_component_item_t</c>: its union is as large as a value type.</summary>
    internal struct Item
    {
        public byte Kind;
        public WitType Of;

        /// <summary>Every member of the union but the value type is one pointer at its start; a value type has its kind there.</summary>
        public readonly nint Pointer
        {
            get
            {
                var of = Of;
                return *(nint*)&of;
            }
        }
    }

    internal static SafeHandle HandleOf(Component component) => (SafeHandle)NativeHandle(component);

    internal static SafeHandle HandleOf(Engine engine) => (SafeHandle)NativeHandle(engine);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_NativeHandle")]
    [return: UnsafeAccessorType("Wasmtime.Components.Component+Handle, Wasmtime.Dotnet")]
    private static extern object NativeHandle(Component component);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_NativeHandle")]
    [return: UnsafeAccessorType("Wasmtime.Engine+Handle, Wasmtime.Dotnet")]
    private static extern object NativeHandle(Engine engine);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type")]
    internal static partial nint ComponentType(nint component);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type_delete")]
    internal static partial void DeleteComponentType(nint type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type_import_count")]
    internal static partial nuint ImportCount(nint type, nint engine);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type_import_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool ImportAt(nint type, nint engine, nuint index, out byte* name, out nuint length, out nint external);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type_export_count")]
    internal static partial nuint ExportCount(nint type, nint engine);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_type_export_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool ExportAt(nint type, nint engine, nuint index, out byte* name, out nuint length, out nint external);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_extern_type")]
    internal static partial void TypeOfExtern(nint external, out Item item);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_extern_implements")]
    internal static partial byte* ImplementsOfExtern(nint external, out nuint length);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_extern_external_id")]
    internal static partial byte* ExternalIdOfExtern(nint external, out nuint length);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_extern_delete")]
    internal static partial void DeleteExtern(nint external);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_item_delete")]
    internal static partial void DeleteItem(ref Item item);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_instance_type_export_count")]
    internal static partial nuint InstanceExportCount(nint instance, nint engine);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_instance_type_export_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool InstanceExportAt(nint instance, nint engine, nuint index, out byte* name, out nuint length, out nint external);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_func_type_async")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool FunctionIsAsync(nint function);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_func_type_param_count")]
    internal static partial nuint ParameterCount(nint function);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_func_type_param_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool ParameterAt(nint function, nuint index, out byte* name, out nuint length, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_func_type_result")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool FunctionResult(nint function, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_valtype_delete")]
    internal static partial void DeleteValueType(ref WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_list_type_element")]
    internal static partial void ListElement(nint list, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_option_type_ty")]
    internal static partial void OptionInner(nint option, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_result_type_ok")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool ResultOk(nint result, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_result_type_err")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool ResultErr(nint result, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_record_type_field_count")]
    internal static partial nuint FieldCount(nint record);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_record_type_field_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool FieldAt(nint record, nuint index, out byte* name, out nuint length, out WitType type);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_variant_type_case_count")]
    internal static partial nuint CaseCount(nint variant);

    [LibraryImport(Library, EntryPoint = "wasmtime_component_variant_type_case_nth")]
    [return: MarshalAs(UnmanagedType.I1)]
    internal static partial bool CaseAt(
        nint variant, nuint index, out byte* name, out nuint length, [MarshalAs(UnmanagedType.I1)] out bool hasPayload, out WitType payload);
}
