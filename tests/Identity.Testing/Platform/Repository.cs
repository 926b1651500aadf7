namespace Identity.Testing.Platform;

/// <summary>Where things are in the checkout that this code was built from.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The folder of the configuration (debug or release) this code was built in.</summary>
    private static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;

    /// <summary>A program the build made, for example <c>Program("Identity.Server", "identityd")</c>.</summary>
    public static string Program(string project, string name)
    {
        var path = Path.Combine(Root, "artifacts", "bin", project, Configuration, name);
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not built; run ./dev test or ./dev up.");
    }

    public static string Sample(string name) => Path.Combine(Root, "deploy", "samples", name);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Identity.sln")))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"no Identity.sln above {AppContext.BaseDirectory}.");
    }
}
