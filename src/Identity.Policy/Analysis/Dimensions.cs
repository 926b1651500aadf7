using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;
using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>What a capability is of, as far as its dimensions differ.</summary>
internal enum RegionKind
{
    Start = 0,
    Import,
    Export,
    NatsPublish,
    NatsSubscribe,
    NatsRespond,
    Stream,
    Consumer,
    Bucket,
    ConnectName,
    ConnectV4,
    ConnectV6,
    Resolve,
    Config,
    Secret,
    Audience,
    Mount,

    /// <summary>Several requests of one caller at one moment (<see cref="JointRegion"/>).</summary>
    Joint,
}

/// <summary>The dimensions of every authority, and what each may hold at most.</summary>
internal static class Dimensions
{
    public const int Id = 0;
    public const int Digest = 1;
    public const int Signers = 2;
    public const int Repository = 3;
    public const int Tag = 4;
    public const int ManifestDigest = 5;
    public const int Host = 6;
    public const int Namespace = 7;
    public const int Lattice = 8;
    public const int Time = 9;
    public const int Capability = 10;

    private const Lacking Optional = Lacking.Absent | Lacking.Unknown;

    /// <summary>Trust domain and path of a SPIFFE ID, without the scheme.</summary>
    public static TreeDomain SpiffeIds { get; } = new(SpiffeChild, path => path.Length > 0);

    public static TreeDomain Repositories { get; } = new(RepositoryChild, ImageRegistry.IsRepository);

    /// <summary>Labels of a DNS name from the right, joined by '/'.</summary>
    public static TreeDomain DnsNames { get; } = new(DnsChild, path => path.Length > 0);

    /// <summary>Whoever asks cannot tell the image.</summary>
    public static TreeSet UntoldRepository { get; } = TreeSet.None(Repositories, Lacking.Unknown);

    /// <summary>Everybody, always: where the sets of the caller begin.</summary>
    public static ImmutableArray<ValueSet> Anyone { get; } =
    [
        TreeSet.All(SpiffeIds),
        TextSet.All(Optional),
        SignerSet.All,
        TreeSet.All(Repositories, Optional),
        TextSet.All(Lacking.Absent),
        TextSet.All(Lacking.Absent),
        TreeSet.All(SpiffeIds, Optional),
        TextSet.All(Optional),
        TextSet.All(Optional),
        RangeSet.Of(0, (UInt128)DateTimeOffset.MaxValue.UtcTicks),
    ];

    public static string PathOf(string spiffeId) => spiffeId["spiffe://".Length..];

    public static string ReversedName(string name)
    {
        var labels = name.Split('.');
        Array.Reverse(labels);
        return string.Join('/', labels);
    }

    public static string NameOf(string reversed)
    {
        var labels = reversed.Split('/');
        Array.Reverse(labels);
        return string.Join('.', labels);
    }

    private static string? SpiffeChild(string node, int number)
    {
        // Workloads have a path; a trust domain alone is nobody one would think of.
        if (node.Length == 0) return number == 0 ? "example.org/x" : $"example{number}.org/x";
        return Child(node, number, FreshNames.OfSpiffeIds, IsSegment, SpiffeId.MaxLength - "spiffe://".Length);
    }

    private static string? RepositoryChild(string node, int number) => node.Length == 0
        ? number == 0 ? "example.org" : $"example{number}.org"
        : Child(node, number, FreshNames.OfRepositories, component => ImageReference.IsPathComponent(component), ImageReference.MaxLength);

    private static string? DnsChild(string node, int number) => node.Length == 0
        ? FreshNames.Of("example", number)
        : Child(node, number, FreshNames.OfLabels, label => label[0] != '-' && label[^1] != '-', DnsPattern.MaxLength);

    /// <summary>A numbered child of a node; null when the words have become too long for it.</summary>
    public static string? Child(string node, int number, string alphabet, Func<string, bool> isName, int longest)
    {
        var word = FreshNames.Word(alphabet, number);
        if ((node.Length == 0 ? 0 : node.Length + 1) + word.Length > longest) return null;
        // A word that is no name stands for the first one again: whoever asks for this number has found that taken.
        if (!isName(word)) word = FreshNames.Word(alphabet, 0);
        return node.Length == 0 ? word : $"{node}/{word}";
    }

    public static bool IsSegment(string word) => word is not ("." or "..");
}
