using Spiffe.Net;

namespace Identity.Policy.Evaluation;

/// <summary>Whom two label-free subjects both mean, as one subject.</summary>
internal static class SubjectIntersection
{
    /// <summary>Null when nobody can be meant by both. One of the two names no signer: two signers are no one subject.</summary>
    public static PolicySubject? Of(PolicySubject left, PolicySubject right)
    {
        if (!TryEqual(left.SpiffeId, right.SpiffeId, out var id)
            || !TryNarrower(left.SpiffeIdPrefix, right.SpiffeIdPrefix, out var prefix)
            || !TryEqual(left.Digest, right.Digest, out var digest)
            || !TryEqual(left.Signer, right.Signer, out var signer)
            || !TryMerge(left.Image, right.Image, out var image)
            || !TryNarrower(left.ImagePrefix, right.ImagePrefix, out var imagePrefix)
            || !TryEqual(left.Host, right.Host, out var host)
            || !TryNarrower(left.HostPrefix, right.HostPrefix, out var hostPrefix)
            || !TryEqual(left.Namespace, right.Namespace, out var kubernetesNamespace)
            || !TryEqual(left.Lattice, right.Lattice, out var lattice))
            return null;
        var both = new PolicySubject
        {
            SpiffeId = id,
            SpiffeIdPrefix = prefix,
            Digest = digest,
            Signer = signer,
            Image = image,
            ImagePrefix = imagePrefix,
            Host = host,
            HostPrefix = hostPrefix,
            Namespace = kubernetesNamespace,
            Lattice = lattice,
        };
        return WhyNobody(both) is null ? both : null;
    }

    /// <summary>Why nobody can have all these attributes, or null.</summary>
    public static string? WhyNobody(PolicySubject subject)
    {
        if (subject is { SpiffeId: { } id, SpiffeIdPrefix: { } prefix } && !prefix.Covers(id)) return $"'{id}' is not under '{prefix}'; leave spiffeId or spiffeIdPrefix out, or change one to agree with the other";
        if (subject is { Host: { } host, HostPrefix: { } hosts } && !hosts.Covers(host)) return $"the host '{host}' is not under '{hosts}'; leave host or hostPrefix out, or change one to agree with the other";
        return subject is { Image: { } image, ImagePrefix: { } images } && !images.Covers(image)
            ? $"the image '{image}' is not under '{images}'; leave image or imagePrefix out, or change one to agree with the other" : null;
    }

    private static bool TryEqual<T>(T? left, T? right, out T? both) where T : class
    {
        both = left ?? right;
        return left is null || right is null || left.Equals(right);
    }

    private static bool TryNarrower(SpiffeIdPrefix? left, SpiffeIdPrefix? right, out SpiffeIdPrefix? both)
    {
        both = left is null || (right is not null && left.Covers(right)) ? right : left;
        return left is null || right is null || left.Covers(right) || right.Covers(left);
    }

    private static bool TryNarrower(ImagePrefix? left, ImagePrefix? right, out ImagePrefix? both)
    {
        both = left is null || (right is not null && left.Covers(right)) ? right : left;
        return left is null || right is null || left.Covers(right) || right.Covers(left);
    }

    private static bool TryMerge(ImageReference? left, ImageReference? right, out ImageReference? both)
    {
        both = left is null ? right : right is null ? left : left.And(right);
        return both is not null || (left is null && right is null);
    }
}
