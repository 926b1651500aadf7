using System.Xml.Linq;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.Tests;

/// <summary>References point down only. A new reference is a decision: it belongs into this table and into docs/architecture.md.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["NATS.NKeys"] = [],
        ["Spiffe.Net"] = [],
        ["Identity.Issuance"] = ["Spiffe.Net"],
        ["Identity.Policy"] = ["Spiffe.Net"],
        ["Identity.Protos"] = [],
        ["Spiffe.Net.WorkloadApi"] = ["Spiffe.Net"],
        ["Identity.Server"] = ["Spiffe.Net", "Identity.Issuance", "Identity.Policy", "Identity.Protos", "NATS.NKeys"],
        ["Identity.Agent"] = ["Spiffe.Net", "Identity.Policy", "Identity.Protos"],
        ["Identity.WasmHost"] = ["Spiffe.Net", "Spiffe.Net.WorkloadApi", "Identity.Policy", "Identity.Protos", "NATS.NKeys"],
        ["Identity.Cli"] = ["Spiffe.Net", "Spiffe.Net.WorkloadApi", "Identity.Policy", "Identity.Protos"],
    };

    /// <summary>The packages of pure projects. YamlDotNet: RFC 0003 says why.</summary>
    private static readonly Dictionary<string, string[]> PurePackages = new()
    {
        ["Spiffe.Net"] = [],
        ["Identity.Issuance"] = [],
        ["Identity.Policy"] = ["YamlDotNet"],
    };

    public static TheoryData<string> Projects => [.. Directory.GetDirectories(Path.Combine(Repository.Root, "src")).Select(folder => Path.GetFileName(folder))];

    [Theory]
    [MemberData(nameof(Projects))]
    public void References_point_down_only(string project)
    {
        Assert.True(Allowed.ContainsKey(project), $"src/{project} is new: say in {nameof(ArchitectureTests)} what it may refer to.");
        var references = Includes(project, "ProjectReference").Select(include => Path.GetFileNameWithoutExtension(include));
        Assert.Empty(references.Except(Allowed[project]));
    }

    [Fact]
    public void Pure_projects_use_the_base_library_and_what_is_named_here()
    {
        foreach (var (project, packages) in PurePackages)
        {
            Assert.Empty(Includes(project, "PackageReference").Except(packages).Except(["Microsoft.CodeAnalysis.PublicApiAnalyzers"]));
            Assert.Empty(Includes(project, "FrameworkReference"));
        }
    }

    [Theory]
    [InlineData("System.IO.File")]
    [InlineData("System.Net.Sockets.Socket")]
    [InlineData("System.Net.Http")]
    [InlineData("System.Diagnostics.Process")]
    [InlineData("Microsoft.Extensions")]
    public void Pure_projects_do_no_io_and_know_no_logger(string forbidden)
    {
        Type[] pure = [typeof(Spiffe.Net.SpiffeId), typeof(global::Identity.Issuance.X509SvidIssuer), typeof(global::Identity.Policy.CapabilityPolicy)];
        foreach (var assembly in pure.Select(type => type.Assembly))
        {
            using var stream = File.OpenRead(assembly.Location);
            using var reader = new System.Reflection.PortableExecutable.PEReader(stream);
            var metadata = System.Reflection.Metadata.PEReaderExtensions.GetMetadataReader(reader);
            var used = metadata.TypeReferences.Select(metadata.GetTypeReference)
                .Select(type => $"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}");
            Assert.DoesNotContain(used, type => type.StartsWith(forbidden, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Only_the_workers_know_wasmtime()
    {
        var offenders = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/Identity.WasmHost/Workers/", StringComparison.Ordinal))
            .Where(file => File.ReadAllText(file).Contains("using Wasmtime", StringComparison.Ordinal));
        Assert.Empty(offenders);
    }

    private static IEnumerable<string> Includes(string project, string element) =>
        XDocument.Load(Path.Combine(Repository.Root, "src", project, $"{project}.csproj")).Descendants(element).Select(item => (string)item.Attribute("Include")!);
}
