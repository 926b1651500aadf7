using System.Collections.Immutable;
using System.Globalization;
using Identity.Policy.Analysis.Sets;
using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>Somebody who asks for something at a moment: on it, the two policies that were compared give different answers.</summary>
/// <param name="At">The moment of the comparison, or a later one when the difference begins only then.</param>
public sealed record AuthorityExample(Principal Principal, CapabilityRequest Request, DateTimeOffset At)
{
    /// <summary>Of a ceiling of a whole admission: what the same component asks for besides when it starts.</summary>
    public ImmutableArray<CapabilityRequest> Beside { get; init; } = [];

    /// <summary>All that is asked for, in one line.</summary>
    public string What => string.Join(" and ", [Request, .. Beside]);

    /// <summary>Any member of a region.</summary>
    internal static AuthorityExample In(Region region) => new(
        ExamplePrincipal.In(region), ExampleRequest.In(region), MomentOf(region));

    /// <summary>The first moment of a region.</summary>
    internal static DateTimeOffset MomentOf(Region region) => new((long)((RangeSet)region[Dimensions.Time]).First, TimeSpan.Zero);
}

/// <summary>Picks a caller out of a region.</summary>
internal static class ExamplePrincipal
{
    public static Principal In(Region region)
    {
        var unknown = PrincipalAttributes.None;
        var digest = Text(region, Dimensions.Digest, PrincipalAttributes.Digest, Digest, ref unknown);
        var signers = (SignerSet)region[Dimensions.Signers];
        if (!signers.HasKnown) unknown |= PrincipalAttributes.Signer;
        var repository = Path(region, Dimensions.Repository, PrincipalAttributes.Image, ref unknown);
        var host = Path(region, Dimensions.Host, PrincipalAttributes.Host, ref unknown);
        var name = Text(region, Dimensions.Namespace, PrincipalAttributes.Namespace, number => FreshNames.Of("default", number), ref unknown);
        var lattice = Text(region, Dimensions.Lattice, PrincipalAttributes.Lattice, number => FreshNames.Of("default", number), ref unknown);
        return new Principal
        {
            Id = Id(((TreeSet)region[Dimensions.Id]).Example()!),
            Digest = digest is null ? null : ComponentDigest.Parse(digest),
            Signers = signers.HasKnown ? [.. signers.Example.Select(SignerName.Parse)] : [],
            Image = repository is null ? null : Image(region, repository),
            Host = host is null ? null : Id(host),
            Namespace = name,
            Lattice = lattice,
            Unknown = unknown,
        };
    }

    private static SpiffeId Id(string path) => SpiffeId.Parse("spiffe://" + path);

    private static ImageReference Image(Region region, string repository)
    {
        var (tag, _) = ((TextSet)region[Dimensions.Tag]).Example(number => FreshNames.Of("latest", number));
        var (digest, _) = ((TextSet)region[Dimensions.ManifestDigest]).Example(Digest);
        return ImageReference.Parse($"{repository}{(tag is null ? "" : ":" + tag)}{(digest is null ? "" : "@" + digest)}");
    }

    private static string Digest(int number) => string.Create(CultureInfo.InvariantCulture, $"sha256:{number:x64}");

    private static string? Text(Region region, int dimension, PrincipalAttributes attribute, Func<int, string> fresh, ref PrincipalAttributes unknown)
    {
        var (text, lacking) = ((TextSet)region[dimension]).Example(fresh);
        if (lacking == Lacking.Unknown) unknown |= attribute;
        return text;
    }

    private static string? Path(Region region, int dimension, PrincipalAttributes attribute, ref PrincipalAttributes unknown)
    {
        var set = (TreeSet)region[dimension];
        // Where anything will do, nothing says the least.
        var mayLack = (set.Lacking & Lacking.Absent) != 0;
        if (set.Within is not null && !(mayLack && set.Within == TreePattern.All)) return set.Example();
        if (!mayLack) unknown |= attribute;
        return null;
    }
}

/// <summary>Picks a request out of a region.</summary>
internal static class ExampleRequest
{
    public static CapabilityRequest In(Region region)
    {
        var what = region.Values[Dimensions.Capability..];
        return region.Kind switch
        {
            RegionKind.Start => new CapabilityRequest.Start(),
            RegionKind.Import => new CapabilityRequest.Import(Interface(what)!, Function(what)),
            RegionKind.Export => new CapabilityRequest.Export(Interface(what), Function(what)),
            RegionKind.NatsPublish => new CapabilityRequest.NatsPublish(Subject(what[0])),
            RegionKind.NatsSubscribe => new CapabilityRequest.NatsSubscribe(Subject(what[0]), Text(what[1], "queue")),
            RegionKind.NatsRespond => new CapabilityRequest.NatsRespond(),
            RegionKind.Stream => new CapabilityRequest.Stream(Text(what[0], "STREAM")!, (StreamAccess)Access(what[1])),
            RegionKind.Consumer => new CapabilityRequest.Consumer(Text(what[0], "STREAM")!, Text(what[1], "consumer")!, (ConsumerAccess)Access(what[2])),
            RegionKind.Bucket => new CapabilityRequest.Bucket(Text(what[0], "bucket")!, Subject(what[1]), (BucketAccess)Access(what[2])),
            RegionKind.ConnectName => Connect(Dimensions.NameOf(Path(what[0])), what),
            RegionKind.ConnectV4 or RegionKind.ConnectV6 => Connect(Network(what[0], region.Kind == RegionKind.ConnectV6), what),
            RegionKind.Resolve => new CapabilityRequest.Resolve(DnsPattern.Parse(Dimensions.NameOf(Path(what[0])))),
            RegionKind.Config => new CapabilityRequest.Config(SegmentPattern.ParseName(Path(what[0]))),
            RegionKind.Secret => new CapabilityRequest.Secret(SegmentPattern.ParseName(Path(what[0]))),
            RegionKind.Audience => new CapabilityRequest.Audience(Text(what[0], "audience")!),
            RegionKind.Mount => new CapabilityRequest.Mount(SegmentPattern.ParsePath("/" + Path(what[0]))),
            _ => throw new ArgumentOutOfRangeException(nameof(region)),
        };
    }

    private static string? Text(ValueSet set, string stem) => ((TextSet)set).Example(number => FreshNames.Of(stem, number)).Text;

    private static string Path(ValueSet set) => ((TreeSet)set).Example()!;

    private static NatsSubject Subject(ValueSet set) => NatsSubject.Parse(((SubjectSet)set).Example());

    private static int Access(ValueSet set) => CapabilityRegions.AccessOf(((RangeSet)set).First);

    private static string? Function(ReadOnlySpan<ValueSet> what) => Text(what[3], "x");

    private static InterfaceName? Interface(ReadOnlySpan<ValueSet> what)
    {
        var package = Text(what[0], "x:x")!;
        if (package.Length == 0) return null;
        var track = ((TextSet)what[2]).Example(number => $"{number + 1}").Text;
        // Any version of a track stands for it; tracks of a whole version are that version.
        var version = track?.Count(character => character == '.') switch { null => "", 0 => $"@{track}.0.0", 1 => $"@{track}.0", _ => "@" + track };
        return InterfaceName.Parse($"{package}/{Text(what[1], "x")}{version}");
    }

    private static CapabilityRequest.Connect Connect(string host, ReadOnlySpan<ValueSet> what)
    {
        var (first, last) = ((SpanSet)what[1]).Example();
        var ports = new PortRange((int)first, (int)last);
        return new CapabilityRequest.Connect(ConnectTarget.Parse($"{host}:{ports}{((RangeSet)what[2]).First switch { var udp when udp == (int)TransportProtocol.Udp => "/udp", _ => "" }}"));
    }

    private static string Network(ValueSet set, bool isV6)
    {
        var (first, last) = ((SpanSet)set).Example();
        var bytes = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, first);
        var address = new System.Net.IPAddress(isV6 ? bytes : bytes[12..]).ToString();
        var length = (isV6 ? 128 : 32) - (int)(128 - UInt128.LeadingZeroCount(last - first));
        var suffix = first == last ? "" : string.Create(CultureInfo.InvariantCulture, $"/{length}");
        return isV6 ? $"[{address}]{suffix}" : address + suffix;
    }
}
