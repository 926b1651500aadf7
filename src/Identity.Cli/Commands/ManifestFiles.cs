using System.CommandLine;
using Identity.Policy;

namespace Identity.Cli.Commands;

/// <summary>Reads the files named with <c>-f</c>: all of them parse, or nothing is sent.</summary>
internal static class ManifestFiles
{
    private const int MaximumBytes = 8 << 20;

    public static Option<string[]> Option() => new("--file", "-f")
    {
        Description = "A file of CapabilityPolicy, PolicyRole and RegistrationEntry documents (YAML or JSON), a folder of such files, or - for standard input",
        HelpName = "PATH",
        Required = true,
        AllowMultipleArgumentsPerToken = true,
    };

    public static Manifest Read(string[] paths) => Read(paths, "nothing was sent, because:");

    /// <summary>For what only looks at files.</summary>
    public static Manifest ReadToLook(string[] paths) => Read(paths, "the files cannot be read:");

    private static Manifest Read(string[] paths, string refusal)
    {
        var policies = new List<PolicyDocument>();
        var entries = new List<RegistrationEntryDocument>();
        var roles = new List<PolicyRole>();
        var tests = new List<PolicyTestDocument>();
        var problems = new List<string>();
        var files = new Dictionary<object, string>(ReferenceEqualityComparer.Instance);
        foreach (var file in paths.SelectMany(Expand))
        {
            if (ManifestReader.TryRead(Text(file), out var manifest, out var found))
            {
                policies.AddRange(manifest.Policies);
                entries.AddRange(manifest.Entries);
                roles.AddRange(manifest.Roles);
                tests.AddRange(manifest.Tests);
                foreach (var document in (IEnumerable<object>)[.. manifest.Policies, .. manifest.Roles, .. manifest.Entries]) files[document] = file;
            }
            else
            {
                problems.AddRange(found.Select(problem => $"{file}: {problem}"));
            }
        }
        problems.AddRange(policies.GroupBy(policy => policy.Name).Where(same => same.Count() > 1)
            .Select(same => $"policy '{same.Key}' stands in {same.Count()} documents ({In(same)}); a name may stand once."));
        problems.AddRange(roles.GroupBy(role => role.Name).Where(same => same.Count() > 1)
            .Select(same => $"role '{same.Key}' stands in {same.Count()} documents ({In(same)}); a name may stand once."));
        problems.AddRange(entries.GroupBy(entry => $"{entry.SpiffeId} {entry.ParentId} {string.Join(' ', entry.Selectors.Order(StringComparer.Ordinal))}")
            .Where(same => same.Count() > 1)
            .Select(same => $"{same.Count()} documents give '{same.First().SpiffeId}' to the same parent and selectors ({In(same)}); one may."));
        if (problems.Count > 0)
            throw new UsageException(string.Join(Environment.NewLine + "  ", problems.Prepend(refusal)));
        if (policies.Count + entries.Count + roles.Count + tests.Count == 0)
            throw new UsageException($"{string.Join(", ", paths)} holds no document.");
        return new([.. policies], [.. entries], [.. roles]) { Tests = [.. tests] };

        string In(IEnumerable<object> same) => string.Join(", ", same.Select(document => files[document]).Distinct());
    }

    public static IEnumerable<string> Expand(string path)
    {
        if (path == "-" || File.Exists(path))
            return [path];
        if (!Directory.Exists(path))
            throw new UsageException($"there is no file or folder '{path}'.");
        var files = Directory.EnumerateFiles(path).Where(file => Path.GetExtension(file) is ".yaml" or ".yml" or ".json").Order(StringComparer.Ordinal).ToArray();
        return files.Length > 0 ? files : throw new UsageException($"the folder '{path}' holds no .yaml, .yml or .json file.");
    }

    public static string Text(string file)
    {
        using var stream = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
        using var copy = new MemoryStream();
        var buffer = new byte[64 << 10];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            copy.Write(buffer, 0, read);
            if (copy.Length > MaximumBytes)
                throw new UsageException($"{file} is larger than {MaximumBytes} bytes.");
        }
        try
        {
            return new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true).GetString(copy.GetBuffer(), 0, (int)copy.Length);
        }
        catch (ArgumentException)
        {
            throw new UsageException($"{file} is not UTF-8.");
        }
    }
}
