using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// Where a component was fetched from: <c>ghcr.io/acme/shop:1.2</c> or <c>ghcr.io/acme/shop@sha256:…</c>. The registry is always spelt
/// out: what a short name means is a setting of whoever pulls. References that lead to one place are equal: port 443 is left out, and
/// Docker Hub is <c>docker.io/library/x</c>, whatever it is called.
/// </summary>
public sealed record ImageReference
{
    public const int MaxLength = 512;

    // OCI distribution specification, "Pulling manifests".
    private const int MaxTagLength = 128;

    private ImageReference(string repository, string? tag, ComponentDigest? digest) => (Repository, Tag, Digest) = (repository, tag, digest);

    /// <summary>Registry and repository: <c>ghcr.io/acme/shop</c>.</summary>
    public string Repository { get; }

    /// <summary>Null when a digest is written: runtimes then pull by the digest, and whoever writes the reference puts before it what they like.</summary>
    public string? Tag { get; }

    /// <summary>The digest of the manifest, which is not the component's own.</summary>
    public ComponentDigest? Digest { get; }

    public static ImageReference Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ImageReference? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        text ??= "";
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var named = at < 0 ? text : text[..at];
        var colon = named.LastIndexOf(':');
        if (colon < named.LastIndexOf('/')) colon = -1;
        var repository = colon < 0 ? named : named[..colon];
        var tag = colon < 0 ? null : named[(colon + 1)..];
        ComponentDigest? digest = null;
        problem = text.Length > MaxLength ? $"the image reference has {text.Length} characters; at most {MaxLength} are allowed"
            : FindRepositoryProblem(repository, text)
            ?? (tag is null || IsTag(tag) ? null : $"{Quoted.From(text)} has the tag {Quoted.From(tag)}; expected letters, digits, '_', '.' and '-'");
        if (problem is not null || (at >= 0 && !ComponentDigest.TryParse(text[(at + 1)..], out digest, out problem))) return false;
        value = new ImageReference(ImageRegistry.Canonical(repository), digest is null ? tag : null, digest);
        return true;
    }

    /// <summary>As <see cref="TryParse"/>, and names a tag or a digest: one image, where the repository alone would be many.</summary>
    public static bool TryParsePinned(
        string? text, [NotNullWhen(true)] out ImageReference? value, [NotNullWhen(false)] out string? problem)
    {
        if (TryParse(text, out value, out problem) && value.Tag is null && value.Digest is null)
        {
            value = null;
            problem = $"{Quoted.From(text)} names neither a tag nor a digest; use imagePrefix to mean every image of a repository";
        }

        return value is not null;
    }

    /// <summary>True when the other one has the repository, tag and digest that this one states.</summary>
    public bool Covers(ImageReference other) =>
        Repository == other.Repository && (Tag is null || Tag == other.Tag) && (Digest is null || Digest == other.Digest);

    /// <summary>As <see cref="Covers"/>, and also true when the other one leaves open what this one states; then <paramref name="open"/>.</summary>
    internal bool MayCover(ImageReference other, out bool open)
    {
        open = (Tag is not null && other.Tag is null) || (Digest is not null && other.Digest is null);
        return Repository == other.Repository && (Tag is null || other.Tag is null || Tag == other.Tag)
            && (Digest is null || other.Digest is null || Digest == other.Digest);
    }

    /// <summary>
    /// What both state together, the one perhaps a tag and the other a digest: no reference is read as that, so no permit about it applies,
    /// but a forbid may. Null when they contradict each other.
    /// </summary>
    internal ImageReference? And(ImageReference other) =>
        Repository == other.Repository && (Tag is null || other.Tag is null || Tag == other.Tag) && (Digest is null || other.Digest is null || Digest == other.Digest)
            ? new ImageReference(Repository, Tag ?? other.Tag, Digest ?? other.Digest) : null;

    public override string ToString() => $"{Repository}{(Tag is null ? "" : ":" + Tag)}{(Digest is null ? "" : "@" + Digest)}";

    /// <param name="whole">What was written, for the message.</param>
    internal static string? FindRepositoryProblem(ReadOnlySpan<char> repository, string whole)
    {
        const string Expected = "expected a registry and a repository, such as ghcr.io/acme/shop";
        var slash = repository.IndexOf('/');
        if (slash < 0 || !IsRegistry(repository[..slash])) return $"{Quoted.From(whole)} names no registry; {Expected}";
        foreach (var range in repository[(slash + 1)..].Split('/'))
        {
            if (!IsPathComponent(repository[(slash + 1)..][range])) return $"{Quoted.From(whole)} is not an image; {Expected} in lower case";
        }

        return null;
    }

    internal static bool IsRegistry(ReadOnlySpan<char> text)
    {
        var colon = text.IndexOf(':');
        if (colon >= 0 && !(PortRange.TryParse(text[(colon + 1)..], out var port, out _) && port.First == port.Last)) return false;
        var host = (colon < 0 ? text : text[..colon]).ToString();
        return (colon >= 0 || host.Contains('.', StringComparison.Ordinal) || host == "localhost")
            && (IpRange.IsDottedDecimal(host) || (DnsPattern.TryParse(host, out var name, out _) && !name.IsWildcard));
    }

    // OCI: runs of lower-case letters and digits joined by one '.', one or two '_', or any number of '-'.
    internal static bool IsPathComponent(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !IsAlphanumeric(text[0]) || !IsAlphanumeric(text[^1])) return false;
        foreach (var character in text)
        {
            if (!IsAlphanumeric(character) && character is not ('.' or '_' or '-')) return false;
        }

        return !text.Contains("..", StringComparison.Ordinal) && !text.Contains("___", StringComparison.Ordinal);

        static bool IsAlphanumeric(char character) => character is (>= 'a' and <= 'z') or (>= '0' and <= '9');
    }

    private static bool IsTag(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MaxTagLength || text[0] is '.' or '-') return false;
        foreach (var character in text)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('_' or '.' or '-')) return false;
        }

        return true;
    }
}

/// <summary>A repository and all repositories below it, by whole segments, with any tag and digest: <c>ghcr.io/acme</c>.</summary>
public sealed record ImagePrefix
{
    private ImagePrefix(string text) => Text = text;

    public string Text { get; }

    public static ImagePrefix Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out ImagePrefix? value, [NotNullWhen(false)] out string? problem)
    {
        text ??= "";
        problem = text.Length > ImageReference.MaxLength ? $"the image prefix has {text.Length} characters; at most {ImageReference.MaxLength} are allowed"
            : ImageReference.IsRegistry(text) ? null
            : text.EndsWith('/') ? $"{Quoted.From(text)} ends with '/'; leave it out: a prefix always ends with a whole segment"
            : ImageReference.FindRepositoryProblem(text, text);
        value = problem is null ? new ImagePrefix(ImageRegistry.CanonicalPrefix(text)) : null;
        return value is not null;
    }

    /// <summary>
    /// The official image of Docker Hub that is also written like this: <c>docker.io/library/nginx</c> for <c>docker.io/nginx</c>, which may
    /// as well be meant as the organisation. A permit means the organisation, a forbid both. Null for all other prefixes.
    /// </summary>
    internal ImagePrefix? OfficialImage => ImageRegistry.Canonical(Text) is var image && image != Text ? new ImagePrefix(image) : null;

    public bool Covers(ImageReference image) => CoversRepository(image.Repository);

    public bool Covers(ImagePrefix other) => CoversRepository(other.Text);

    public override string ToString() => Text;

    private bool CoversRepository(string repository) =>
        repository.StartsWith(Text, StringComparison.Ordinal) && (repository.Length == Text.Length || repository[Text.Length] == '/');
}
