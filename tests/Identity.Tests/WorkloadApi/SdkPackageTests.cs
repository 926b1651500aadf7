using System.IO.Compression;
using System.Text;
using System.Xml.Linq;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What is in the packages that others install. <c>deploy/dev/package-smoke.sh</c> makes them, and builds a program with them.</summary>
public sealed class SdkPackageTests
{
    private static readonly string Feed = Path.Combine(Repository.Root, "artifacts", "package-smoke", "feed");

    public static TheoryData<string> Packages => ["Spiffe.Net", "Spiffe.Net.WorkloadApi"];

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_holds_the_library_its_documentation_and_a_page_to_read_and_nothing_else(string name)
    {
        using var package = Open(name);
        var made = package.Entries.Select(entry => entry.FullName).Where(path => !path.StartsWith("_rels/", StringComparison.Ordinal)
            && !path.StartsWith("package/", StringComparison.Ordinal) && path != "[Content_Types].xml");
        var hasGuide = name == "Spiffe.Net.WorkloadApi";
        Assert.Equal(
            ["README.md", $"{name}.nuspec", $"lib/net10.0/{name}.dll", $"lib/net10.0/{name}.xml", .. (string[])(hasGuide ? ["sdk.md"] : [])], made.Order(StringComparer.Ordinal));
        Assert.Contains($"<name>{name}</name>", Encoding.UTF8.GetString(Read(package, $"lib/net10.0/{name}.xml")), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(Path.Combine(Repository.Root, "src", name, "README.md")), Read(package, "README.md"));
        if (hasGuide) Assert.Equal(File.ReadAllBytes(Path.Combine(Repository.Root, "docs", "sdk.md")), Read(package, "sdk.md"));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_says_nothing_of_the_machine_that_made_it(string name)
    {
        using var package = Open(name);
        foreach (var entry in package.Entries)
        {
            var bytes = Read(package, entry.FullName);
            foreach (var secret in (string[])[Repository.Root, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + "/"])
            {
                Assert.True(bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(secret)) < 0, $"{entry.FullName} names {secret}");
                Assert.True(bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes(secret)) < 0, $"{entry.FullName} names {secret}");
            }
        }
    }

    [Theory]
    [InlineData("Spiffe.Net")]
    [InlineData("Spiffe.Net.WorkloadApi", "Google.Protobuf", "Grpc.Net.Client", "Spiffe.Net")]
    public void A_package_needs_no_more_than_it_has_to(string name, params string[] needs)
    {
        using var package = Open(name);
        var nuspec = XDocument.Load(new MemoryStream(Read(package, $"{name}.nuspec")));
        XElement[] All(string element) => [.. nuspec.Descendants().Where(node => node.Name.LocalName == element)];
        Assert.Equal(needs, All("dependency").Select(dependency => dependency.Attribute("id")!.Value).Order(StringComparer.Ordinal));
        Assert.Equal("The Identity maintainers", Assert.Single(All("authors")).Value);
        Assert.Equal(("Apache-2.0", "README.md"), (Assert.Single(All("license")).Value, Assert.Single(All("readme")).Value));
        Assert.All(All("dependency"), dependency => Assert.DoesNotContain("Analyzers", dependency.Attribute("include")?.Value ?? "", StringComparison.Ordinal));
        Assert.NotEmpty(Assert.Single(All("description")).Value);
    }

    private static ZipArchive Open(string name)
    {
        Assert.SkipUnless(Directory.Exists(Feed), "NOT TESTED, the packages: deploy/dev/package-smoke.sh makes them.");
        return ZipFile.OpenRead(Assert.Single(Directory.GetFiles(Feed, $"{name}.0.*.nupkg")));
    }

    private static byte[] Read(ZipArchive package, string path)
    {
        using var content = new MemoryStream();
        using (var entry = package.GetEntry(path)!.Open()) entry.CopyTo(content);
        return content.ToArray();
    }
}
