using Identity.Testing.Platform;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>Foreign programs that these tests talk to, where they are to be had.</summary>
internal static class Peers
{
    public const string HowToGetGoSpiffe =
        "go-spiffe and spike are not here; run deploy/dev/go-spiffe.sh sid \"$PWD/.dev/go-spiffe\" (./dev test does) on a Debian that can reach its archive.";

    private static readonly string GoSpiffe = Path.Combine(Repository.Root, ".dev", "go-spiffe");

    /// <summary>GoSpiffe/svid-client.go, built with Debian's go-spiffe.</summary>
    public static string SvidClient => Path.Combine(GoSpiffe, "peers", "svid-client");

    /// <summary>GoSpiffe/tls-peer.go, built the same way.</summary>
    public static string TlsPeer => Path.Combine(GoSpiffe, "peers", "tls-peer");

    /// <summary>GoSpiffe/fake-workload-api.go, likewise.</summary>
    public static string FakeWorkloadApi => Path.Combine(GoSpiffe, "peers", "fake-workload-api");

    /// <summary>SPIKE's command line, which asks the Workload API who it is before anything else.</summary>
    public static string Spike => Path.Combine(GoSpiffe, "usr", "bin", "spike");

    /// <summary>Skips the test where a program is not there, but not in continuous integration.</summary>
    public static void OrSkip(bool isThere, string howToGetIt)
    {
        Evidence.Demand(isThere, howToGetIt);
        Assert.SkipUnless(isThere, howToGetIt);
    }

    public static bool IsOnPath(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Any(folder => File.Exists(Path.Combine(folder, program)));
}
