using System.Globalization;
using CsCheck;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>
/// Callers as variables, written from docs/policy.md, "Subjects": paths are sequences of segments; attributes may be absent, or not to be told. There
/// are rules about some attributes only, so that they meet.
/// </summary>
internal static class SmtCaller
{
    private const int Segments = 4;
    private const int ImageSegments = 5;
    private const int Signers = 3;

    private static readonly string[] Lattices = ["east", "west"];

    private static readonly Gen<string> Path = Gen.Int[0, 3].Array[1, 3].Select(segments => string.Join('/', segments.Select(segment => "abcd"[segment])));

    public static string Declarations { get; } =
        Formula.Declare("Int", [.. Formula.Numbered("s", Segments), .. Formula.Numbered("h", Segments), .. Formula.Numbered("i", ImageSegments), "sn", "hn", "in", "tag", "manifest", "digest", "lattice", "namespace", "hour"])
        + Formula.Declare("Bool", [.. Formula.Numbered("signer", Signers), "unsigned"])
        // No segments of a host or an image are none; -2, one that cannot be told. An image has a registry and a repository, and at most one of tag and digest.
        + $"""
        (assert (and (>= sn 1) (<= sn {Segments}) (or (= hn {Formula.Unknown}) (and (>= hn 0) (<= hn {Segments}))) (>= digest {Formula.Unknown}) (>= lattice {Formula.Unknown}) (>= namespace {Formula.Unknown}) (>= hour 0)
          (or (= in {Formula.Unknown}) (= in 0) (and (>= in 2) (<= in {ImageSegments}))) (>= tag {Formula.Absent}) (>= manifest {Formula.Absent}) (or (= tag {Formula.Absent}) (= manifest {Formula.Absent}))))
        """;

    /// <summary>Whom rules about one kind of request mean.</summary>
    public static readonly Gen<PolicySubject> ByIdAndHost = Gen.Select(Path, Path, Gen.Int[0, 9], (id, host, how) => new PolicySubject
    {
        SpiffeId = how < 4 ? SpiffeId.Parse("spiffe://t/" + id) : null,
        SpiffeIdPrefix = how >= 4 && how != 8 ? SpiffeIdPrefix.Parse("spiffe://t/" + id) : null,
        Digest = how is 2 or 5 or 8 ? Formula.DigestOf(id.Length % 2) : null,
        HostPrefix = how is 3 or 6 ? SpiffeIdPrefix.Parse("spiffe://t/" + host) : null,
    });

    public static readonly Gen<PolicySubject> BySignerAndLattice = Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], (signer, lattice) => new PolicySubject
    {
        Signer = signer < Signers || lattice >= Lattices.Length ? SignerName.Parse($"signer{signer % Signers}") : null,
        Lattice = lattice < Lattices.Length ? Lattices[lattice] : null,
    });

    public static readonly Gen<PolicySubject> ByNamespaceAndHost = Gen.Select(Path, Gen.Int[0, 9], Gen.Int[0, 3], (host, how, name) => new PolicySubject
    {
        Host = how < 3 ? SpiffeId.Parse("spiffe://t/" + host) : null,
        HostPrefix = how is 3 or 4 or 5 ? SpiffeIdPrefix.Parse("spiffe://t/" + host) : null,
        Namespace = how is 1 or 4 or > 5 ? $"{"abcd"[name]}" : null,
    });

    /// <summary>One label or two, by themselves or beside something else.</summary>
    public static readonly Gen<PolicySubject> ByLabels = Gen.Select(Path, Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 9], (id, team, tier, how) => new PolicySubject
    {
        SpiffeIdPrefix = how < 3 ? SpiffeIdPrefix.Parse("spiffe://t/" + id) : null,
        Digest = how is 2 or 3 ? Formula.DigestOf(id.Length % 2) : null,
        Labels = how == 9 ? PlainLabels.Add("team", $"{"abcd"[team]}").Add("tier", $"{"abcd"[tier]}") : how % 2 == 0 ? PlainLabels.Add("team", $"{"abcd"[team]}") : PlainLabels.Add("tier", $"{"abcd"[tier]}"),
    });

    /// <summary>Who has them: some have none, and labels are given to nobody by labels or signer.</summary>
    public static readonly Gen<LabelAssignment[]> Labels = Gen.Select(Gen.Bool, Gen.Int[0, 3], Gen.OneOf(ByIdAndHost, ByNamespaceAndHost).Array[1, 3], (team, value, subjects) =>
        new LabelAssignment(team ? "team" : "tier", $"{"abcd"[value]}", [.. subjects])).Array[2, 8];

    private static System.Collections.Immutable.ImmutableSortedDictionary<string, string> PlainLabels => new PolicySubject().Labels;

    public static readonly Gen<PolicySubject> ByImage = Gen.Select(Path, Path, Gen.Int[0, 9], (image, id, how) => new PolicySubject
    {
        Image = how < 4 ? ImageReference.Parse($"r.io/{image}:{how % 2}") : how < 6 ? ImageReference.Parse($"r.io/{image}@{Formula.DigestOf(how % 2)}") : null,
        ImagePrefix = how >= 6 ? ImagePrefix.Parse(how == 9 ? "r.io" : $"r.io/{image}") : null,
        SpiffeIdPrefix = how % 3 == 0 ? SpiffeIdPrefix.Parse("spiffe://t/" + id) : null,
    });

    public static readonly Gen<Principal> Principals = Gen.Select(
        Path, Path, Path, Gen.Int[0, 7], Gen.Int[0, 4], Gen.Int[0, 2], Gen.Int[0, 11], Gen.Int[0, 63].Select(Gen.Int[0, 63], Gen.Int[0, 63], (a, b, c) => a & b & c), (id, host, image, signers, how, digest, lattice, unknown) =>
            new Principal
            {
                Id = SpiffeId.Parse("spiffe://t/" + id),
                Digest = digest < 2 ? Formula.DigestOf(digest) : null,
                Signers = [.. Enumerable.Range(0, Signers).Where(i => (signers >> i & 1) != 0).Select(i => SignerName.Parse($"signer{i}"))],
                Host = how % 2 == 0 ? SpiffeId.Parse("spiffe://t/" + host) : null,
                Image = how == 4 ? null : ImageReference.Parse($"r.io/{image}{(how < 2 ? $":{how}" : how == 2 ? $"@{Formula.DigestOf(0)}" : "")}"),
                Lattice = lattice % 3 < 2 ? Lattices[lattice % 3] : null,
                Namespace = lattice / 3 < 3 ? $"{"abc"[lattice / 3]}" : null,
                Unknown = (PrincipalAttributes)unknown,
            });

    /// <summary>All that it states itself, and for each of its labels somebody whom the label is given to.</summary>
    public static string Means(PolicySubject subject, LabelAssignment[] labels, bool permits)
    {
        IEnumerable<PolicySubject[]> together = [[subject]];
        foreach (var (name, value) in subject.Labels)
        {
            var bearers = labels.Where(given => given.Name == name && given.Value == value).SelectMany(given => given.Subjects).ToArray();
            together = together.SelectMany(some => bearers.Where(one => some.All(other => !Exclude(one, other))).Select(one => (PolicySubject[])[.. some, one]));
        }

        return Formula.Or(together.Select(some => Formula.And(some.Select(one => Means(one, permits)))));
    }

    // Nobody has two digests: also who cannot tell his is not meant by both.
    private static bool Exclude(PolicySubject one, PolicySubject other) =>
        (one.Digest is not null && other.Digest is not null && one.Digest != other.Digest)
        || (one.Namespace is not null && other.Namespace is not null && one.Namespace != other.Namespace)
        || (Hosts(one) is { } mine && Hosts(other) is { } theirs && (one.Host, other.Host) switch
        {
            (not null, not null) => mine != theirs,
            (not null, null) => !mine.StartsWith(theirs, StringComparison.Ordinal),
            (null, not null) => !theirs.StartsWith(mine, StringComparison.Ordinal),
            _ => !mine.StartsWith(theirs, StringComparison.Ordinal) && !theirs.StartsWith(mine, StringComparison.Ordinal),
        });

    private static string? Hosts(PolicySubject subject) => (subject.Host?.ToString() ?? subject.HostPrefix?.Text) is { } host ? host + "/" : null;

    public static string Means(PolicySubject subject, bool permits)
    {
        var parts = new List<string>();
        if (subject.SpiffeId is { } id) parts.Add(Formula.OfPath("s", SegmentsOf(id.ToString()), exact: true));
        if (subject.SpiffeIdPrefix is { } prefix) parts.Add(Formula.OfPath("s", SegmentsOf(prefix.Text), exact: false));
        if (subject.Digest is { } digest) parts.Add(Told("digest", Formula.Is("digest", Formula.NumberOf(digest))));
        if (subject.HostPrefix is { } host) parts.Add(Told("hn", Formula.OfPath("h", SegmentsOf(host.Text), exact: false)));
        if (subject.Host is { } only) parts.Add(Told("hn", Formula.OfPath("h", SegmentsOf(only.ToString()), exact: true)));
        if (subject.Namespace is { } name) parts.Add(Told("namespace", Formula.Is("namespace", Formula.NumberOf(name))));
        if (subject.Signer is { } signer) parts.Add(permits ? $"(not unsigned) {signer.Text}" : $"(or unsigned {signer.Text})");
        if (subject.Lattice is { } lattice) parts.Add(Told("lattice", Formula.Is("lattice", NumberOfLattice(lattice))));
        if (subject.ImagePrefix is { } images) parts.Add(Told("in", Formula.OfPath("i", images.Text.Split('/'), exact: false)));
        if (subject.Image is { } image)
        {
            // A reference that leaves its tag or its digest open may be the one that is meant.
            List<string> pulled = [Formula.OfPath("i", image.Repository.Split('/'), exact: true)];
            if (image.Tag is { } tag) pulled.Add(Stated("tag", Formula.NumberOf(tag)));
            if (image.Digest is { } manifest) pulled.Add(Stated("manifest", Formula.NumberOf(manifest)));
            parts.Add(Told("in", Formula.And(pulled)));
        }

        return Formula.And(parts);

        // A permit needs what it asks for; a forbid holds where it cannot be told.
        string Told(string attribute, string condition) => permits ? condition : $"(or {Formula.Is(attribute, Formula.Unknown)} {condition})";
        string Stated(string part, int number) => permits ? Formula.Is(part, number) : $"(or {Formula.Is(part, Formula.Absent)} {Formula.Is(part, number)})";
    }

    public static string At(Principal principal, DateTimeOffset moment)
    {
        List<string> parts =
        [
            Path("s", SegmentsOf(principal.Id.ToString())),
            string.Create(CultureInfo.InvariantCulture, $"(= hour {(moment - Samples.Now).TotalHours})"),
            Formula.Is("digest", Of(PrincipalAttributes.Digest, principal.Digest is { } digest ? Formula.NumberOf(digest) : Formula.Absent)),
            Formula.Is("lattice", Of(PrincipalAttributes.Lattice, principal.Lattice is { } lattice ? NumberOfLattice(lattice) : Formula.Absent)),
            Formula.Is("namespace", Of(PrincipalAttributes.Namespace, principal.Namespace is { } name ? Formula.NumberOf(name) : Formula.Absent)),
            IsUnknown(PrincipalAttributes.Host) ? Formula.Is("hn", Formula.Unknown) : Path("h", principal.Host is { } host ? SegmentsOf(host.ToString()) : []),
        ];
        if (IsUnknown(PrincipalAttributes.Signer)) parts.Add("unsigned");
        else parts.Add(Formula.And(Enumerable.Range(0, Signers).Select(i => principal.Signers.Contains(SignerName.Parse($"signer{i}")) ? $"signer{i}" : $"(not signer{i})").Append("(not unsigned)")));
        if (IsUnknown(PrincipalAttributes.Image)) parts.Add(Formula.Is("in", Formula.Unknown));
        else if (principal.Image is not { } image) parts.Add(Formula.Is("in", 0));
        else
        {
            parts.Add(Path("i", image.Repository.Split('/')));
            parts.Add(Formula.Is("tag", image.Tag is { } tag ? Formula.NumberOf(tag) : Formula.Absent));
            parts.Add(Formula.Is("manifest", image.Digest is { } manifest ? Formula.NumberOf(manifest) : Formula.Absent));
        }

        return Formula.And(parts);

        bool IsUnknown(PrincipalAttributes attribute) => (principal.Unknown & attribute) != 0;
        int Of(PrincipalAttributes attribute, int number) => IsUnknown(attribute) ? Formula.Unknown : number;
        static string Path(string variable, string[] segments) => segments.Length == 0 ? Formula.Is(variable + "n", 0) : Formula.OfPath(variable, segments, exact: true);
    }

    private static string[] SegmentsOf(string id)
    {
        var slash = id.IndexOf('/', "spiffe://".Length);
        return slash < 0 ? [] : id[(slash + 1)..].Split('/');
    }

    private static int NumberOfLattice(string lattice) => Array.IndexOf(Lattices, lattice) is >= 0 and var known ? known : Formula.NumberOf(lattice);
}
