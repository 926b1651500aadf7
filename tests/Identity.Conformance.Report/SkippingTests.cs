using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;

namespace Identity.Conformance.Report;

/// <summary>
/// The methods of a test program that can end in a skip: they call xunit's <c>Assert.Skip…</c>, or one that does, however deep; and all tests of a class that is made
/// or initialized by one. Read from the code as it was compiled, so it holds for whatever a test is written like. Methods of one name are taken for one.
/// </summary>
internal static partial class SkippingTests
{
    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes).GetFields().Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    // What the compiler makes of a method in parts, <Name>d__1.MoveNext or <Name>b__0, belongs to that method.
    [GeneratedRegex("^<+([^<>]+)>")]
    private static partial Regex PartOf();

    public static IEnumerable<(string TestClass, string TestMethod)> In(string program)
    {
        using var file = new PEReader(File.OpenRead(program));
        var metadata = file.GetMetadataReader();
        var methods = metadata.MethodDefinitions.Select(handle => (Name: NameOf(metadata, handle), Called: CalledBy(file, metadata, metadata.GetMethodDefinition(handle)))).ToList();
        HashSet<(string Class, string Method)> skipping = [("Xunit.Assert", "Skip"), ("Xunit.Assert", "SkipUnless"), ("Xunit.Assert", "SkipWhen")];
        for (var before = 0; before < skipping.Count;)
        {
            before = skipping.Count;
            foreach (var (name, called) in methods)
            {
                if (called.Any(skipping.Contains)) skipping.Add(name);
            }
        }

        var whole = skipping.Where(name => name.Method is ".ctor" or "InitializeAsync").Select(name => name.Class).ToHashSet();
        return methods.Select(method => method.Name).Where(name => skipping.Contains(name) || whole.Contains(name.Class)).Distinct();
    }

    private static List<(string Class, string Method)> CalledBy(PEReader file, MetadataReader metadata, MethodDefinition method)
    {
        List<(string, string)> called = [];
        if (method.RelativeVirtualAddress == 0) return called;
        var code = file.GetMethodBody(method.RelativeVirtualAddress).GetILReader();
        while (code.RemainingBytes > 0)
        {
            short value = code.ReadByte();
            if (value == 0xFE) value = (short)(0xFE00 | code.ReadByte());
            switch (Codes[value].OperandType)
            {
                case OperandType.InlineMethod or OperandType.InlineTok:
                    if (NameOf(metadata, MetadataTokens.EntityHandle(code.ReadInt32())) is { } name) called.Add(name);
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    code.Offset += 1;
                    break;
                case OperandType.InlineVar:
                    code.Offset += 2;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    code.Offset += 8;
                    break;
                case OperandType.InlineSwitch:
                    var targets = code.ReadInt32();
                    code.Offset += targets * 4;
                    break;
                default:
                    code.Offset += 4;
                    break;
            }
        }

        return called;
    }

    private static (string Class, string Method)? NameOf(MetadataReader metadata, EntityHandle handle) => handle.Kind switch
    {
        HandleKind.MethodDefinition => NameOf(metadata, (MethodDefinitionHandle)handle),
        HandleKind.MethodSpecification => NameOf(metadata, metadata.GetMethodSpecification((MethodSpecificationHandle)handle).Method),
        HandleKind.MemberReference when metadata.GetMemberReference((MemberReferenceHandle)handle) is { Parent.Kind: HandleKind.TypeReference } member =>
            (NameOf(metadata, metadata.GetTypeReference((TypeReferenceHandle)member.Parent)), metadata.GetString(member.Name)),
        _ => null,
    };

    private static string NameOf(MetadataReader metadata, TypeReference type) => $"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}";

    private static (string Class, string Method) NameOf(MetadataReader metadata, MethodDefinitionHandle handle)
    {
        var method = metadata.GetMethodDefinition(handle);
        var name = metadata.GetString(method.Name);
        var type = metadata.GetTypeDefinition(method.GetDeclaringType());
        if (PartOf().Match(name) is { Success: true } part) name = part.Groups[1].Value;
        while (type.IsNested && metadata.GetString(type.Name) is ['<', ..] made)
        {
            if (PartOf().Match(made) is { Success: true } whole) name = whole.Groups[1].Value;
            type = metadata.GetTypeDefinition(type.GetDeclaringType());
        }

        var outer = "";
        for (; type.IsNested; type = metadata.GetTypeDefinition(type.GetDeclaringType())) outer = $"+{metadata.GetString(type.Name)}{outer}";
        return ($"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}{outer}", name);
    }
}
