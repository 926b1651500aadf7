using System.Diagnostics;
using System.Text.RegularExpressions;
using Identity.Testing.Platform;

namespace Identity.Testing.Nats;

/// <summary>Which nats-server a test runs on: the oldest release we support, or the newest at hand.</summary>
public enum NatsRelease
{
    Floor,
    Newest,
}

/// <summary>A nats-server that can be run. Below 2.10 there is no auth callout, so older ones do not count.</summary>
public sealed partial record NatsServerBinary(string Path, Version Version)
{
    public static readonly Version Minimum = new(2, 10);

    private static readonly Lazy<NatsServerBinary[]> Found = new(Search);

    /// <summary>The oldest and the newest found; one element when only one is at hand.</summary>
    public static IReadOnlyList<NatsServerBinary> All => Found.Value;

    public static NatsServerBinary Newest => All[^1];

    public static NatsServerBinary Get(NatsRelease release) => release == NatsRelease.Floor ? All[0] : All[^1];

    public override string ToString() => $"nats-server {Version}";

    private static NatsServerBinary[] Search()
    {
        var floor = FirstUsable([Environment.GetEnvironmentVariable("NATS_SERVER_210"), OnPath(), Provided("trixie")]);
        var newest = FirstUsable([Environment.GetEnvironmentVariable("NATS_SERVER_NEWEST"), Provided("sid"), OnPath()]);

        // A new nats-server on PATH must not hide the floor that was fetched for the tests.
        if (floor is { Version: { Major: > 2 } or { Minor: > 10 } })
            floor = FirstUsable([Provided("trixie")]) ?? floor;

        NatsServerBinary[] found = [.. new[] { floor, newest }.OfType<NatsServerBinary>().DistinctBy(b => b.Version).OrderBy(b => b.Version)];
        Evidence.Demand(found.Length > 1, $"Only {string.Join<NatsServerBinary>("", found)} was found; the oldest release we support and the newest are wanted: ./dev test fetches them.");
        return found.Length > 0
            ? found
            : throw new InvalidOperationException(
                $"No nats-server >= {Minimum} was found on PATH or under .dev/nats: run ./dev test, which fetches it, or install the package nats-server.");
    }

    private static string? OnPath() => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => System.IO.Path.Combine(folder, "nats-server"))
        .FirstOrDefault(File.Exists);

    private static string Provided(string suite) =>
        System.IO.Path.Combine(RepositoryRoot(), ".dev", "nats", suite, "usr", "sbin", "nats-server");

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Identity.sln")))
                return folder.FullName;
        }

        return Directory.GetCurrentDirectory();
    }

    private static NatsServerBinary? FirstUsable(IEnumerable<string?> candidates) => candidates
        .Where(candidate => File.Exists(candidate))
        .Select(candidate => new NatsServerBinary(candidate!, VersionOf(candidate!)))
        .FirstOrDefault(binary => binary.Version >= Minimum);

    // "nats-server: v2.10.27", in development builds "nats-server: v2.15.0-dev".
    private static Version VersionOf(string path)
    {
        using var process = Process.Start(new ProcessStartInfo(path, "--version") { RedirectStandardOutput = true })!;
        var line = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return Version.TryParse(ReleaseNumber().Match(line).Groups[1].Value, out var version) ? version : new Version(0, 0);
    }

    [GeneratedRegex(@" v(\d+\.\d+\.\d+)")]
    private static partial Regex ReleaseNumber();
}
