namespace Identity.Policy;

/// <summary>
/// One spelling for each place that images are fetched from, as the reference implementation has it (distribution/reference,
/// "ParseNormalizedNamed"), and port 443 as the one that is meant when none is written. That holds for localhost too: containerd fetches
/// <c>localhost/x</c> from port 443 and never falls back there (remotes/docker/config, ConfigureHosts), and so does the client that wasmCloud
/// hosts use. A fetcher that is told to do without TLS for a host takes port 80 where none is written: that is another place under the same
/// name, of whatever host, which no reference tells apart; write its port.
/// </summary>
internal static class ImageRegistry
{
    private const string DockerHub = "docker.io";
    private const string OfficialImages = "docker.io/library/";
    private const string Localhost = "localhost";

    // The host that Docker writes into its settings, the one that answers, and the one of the web site.
    private static readonly string[] DockerHubAliases = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

    /// <param name="repository">Registry and repository, or a registry alone.</param>
    public static string Canonical(string repository)
    {
        var prefix = CanonicalPrefix(repository);
        return IsOneSegmentOfDockerHub(prefix) ? OfficialImages + prefix[(DockerHub.Length + 1)..] : prefix;
    }

    /// <summary>As <see cref="Canonical"/>, but that one segment behind Docker Hub stays: there it may be an organisation.</summary>
    public static string CanonicalPrefix(string repository)
    {
        var slash = repository.IndexOf('/', StringComparison.Ordinal);
        var registry = slash < 0 ? repository : repository[..slash];
        var canonical = CanonicalRegistry(registry);
        return canonical == registry ? repository : slash < 0 ? canonical : canonical + repository[slash..];
    }

    /// <summary>Whether images can be there: on Docker Hub one segment is another spelling of two.</summary>
    public static bool IsRepository(string path) => path.Contains('/', StringComparison.Ordinal) && !IsOneSegmentOfDockerHub(path);

    private static string CanonicalRegistry(string registry)
    {
        const string ByDefault = ":443";
        var host = registry.EndsWith(ByDefault, StringComparison.Ordinal) ? registry[..^ByDefault.Length] : registry;
        if (DockerHubAliases.Contains(host, StringComparer.Ordinal)) return DockerHub;
        // Any other host of one label is a registry only because of its port; without, it would be read as part of a short name.
        return host == Localhost || host.Contains('.', StringComparison.Ordinal) ? host : registry;
    }

    private static bool IsOneSegmentOfDockerHub(string path) =>
        path.StartsWith(DockerHub + "/", StringComparison.Ordinal) && path.IndexOf('/', DockerHub.Length + 1) < 0;
}
