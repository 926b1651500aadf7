using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis;

/// <summary>Writes subjects and principals for a person, in one line.</summary>
public static class SubjectText
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
        if (!subject.Labels.IsEmpty) parts.Add($"with {(subject.Labels.Count == 1 ? "label" : "labels")} {string.Join(" and ", subject.Labels.Select(label => $"{label.Key}={label.Value}"))}");
        if (subject.SpiffeId is null && subject.SpiffeIdPrefix is null) parts.Insert(0, "anyone");
        return string.Join(' ', parts);
    }

    public static string Of(Principal principal)
    {
        var parts = new List<string> { principal.Id.ToString() };
        if (principal.Digest is { } digest) parts.Add($"with digest {digest.Text}");
        if (!principal.Signers.IsDefaultOrEmpty) parts.Add($"signed by {string.Join(", ", principal.Signers)}");
        if (principal.Image is { } image) parts.Add($"from image {image}");
        if (principal.Host is { } host) parts.Add($"on host {host}");
        if (principal.Namespace is { } name) parts.Add($"in namespace {name}");
        if (principal.Lattice is { } lattice) parts.Add($"in lattice {lattice}");
        if (principal.Unknown != PrincipalAttributes.None) parts.Add($"where {string.Join(" and ", Words(principal.Unknown))} cannot be told");
        return string.Join(' ', parts);
    }

    private static List<string> Words(PrincipalAttributes attributes)
    {
        ReadOnlySpan<string> words = ["digest", "signer", "image", "host", "namespace", "lattice"];
        var told = new List<string>();
        for (var bit = 0; bit < words.Length; bit++)
        {
            if (((int)attributes >> bit & 1) != 0) told.Add(words[bit]);
        }

        return told;
    }

    /// <summary>Whom all of them mean.</summary>
    internal static string OfAll(IEnumerable<PolicySubject> subjects)
    {
        var merged = new List<PolicySubject>();
        foreach (var subject in subjects)
        {
            var at = merged.FindIndex(other => SubjectIntersection.Of(other, subject) is not null);
            if (at < 0) merged.Add(subject);
            else merged[at] = SubjectIntersection.Of(merged[at], subject)!;
        }

        return string.Join(" and ", merged.Select(Of));
    }

    internal static string OfBoth(PolicySubject left, PolicySubject right) =>
        SubjectIntersection.Of(left, right) is { } both ? Of(both) : $"{Of(left)} and {Of(right)}";
}
