using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis;

/// <summary>Writes subjects for a person.</summary>
internal static class SubjectText
{
    public static string Of(PolicySubject subject)
    {
        var parts = new List<string>();
        if (subject.SpiffeId is { } id) parts.Add(id.ToString());
        else if (subject.SpiffeIdPrefix is { } prefix) parts.Add(prefix + "/…");
        if (subject.Digest is { } digest) parts.Add($"with digest {digest.Text}");
        if (subject.Signer is { } signer) parts.Add($"signed by {signer}");
        if (subject.Image is { } image) parts.Add($"from image {image}");
        else if (subject.ImagePrefix is { } images) parts.Add($"from images {images}/…");
        if (subject.Host is { } host) parts.Add($"on host {host}");
        else if (subject.HostPrefix is { } hosts) parts.Add($"on hosts {hosts}/…");
        if (subject.Namespace is { } name) parts.Add($"in namespace {name}");
        if (subject.Lattice is { } lattice) parts.Add($"in lattice {lattice}");
        if (subject.SpiffeId is null && subject.SpiffeIdPrefix is null) parts.Insert(0, "anyone");
        return string.Join(' ', parts);
    }

    public static string OfBoth(PolicySubject left, PolicySubject right) =>
        SubjectIntersection.Of(left, right) is { } both ? Of(both) : $"{Of(left)} and {Of(right)}";
}
