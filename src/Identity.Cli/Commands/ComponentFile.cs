using Identity.Policy;

namespace Identity.Cli.Commands;

/// <summary>A component on a disk, as every verb reads one.</summary>
internal static class ComponentFile
{
    public static (byte[] Bytes, ComponentImports Imports) Read(string path)
    {
        if (!File.Exists(path))
            throw new UsageException($"there is no file '{path}'.");
        if (new FileInfo(path).Length > ComponentReader.MaxComponentSize)
            throw new UsageException($"{path} is larger than the {ComponentReader.MaxComponentSize} bytes a component may have.");
        var bytes = File.ReadAllBytes(path);
        return ComponentReader.TryRead(bytes, out var imports, out var problem)
            ? (bytes, imports)
            : throw new RefusedException($"{path} is not a component this system would admit: {problem}");
    }
}
