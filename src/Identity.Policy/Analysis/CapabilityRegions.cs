using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// What a capability means, dimension by dimension. A request may ask for several things at once; a permit means those requests that it
/// covers whole, a forbid those that it touches (<see cref="Capability.Matches"/>, <see cref="Capability.Touches"/>).
/// </summary>
internal static class CapabilityRegions
{
    private static readonly TextSet AnyText = TextSet.All();
    private static readonly TextSet AnyOrNone = TextSet.All(Lacking.Absent);
    private static readonly RangeSet Tcp = RangeSet.Of((int)TransportProtocol.Tcp, (int)TransportProtocol.Tcp);
    private static readonly RangeSet Udp = RangeSet.Of((int)TransportProtocol.Udp, (int)TransportProtocol.Udp);

    // ::ffff:0:0/96, which is IPv4 and asked for as such.
    private static readonly SpanSet Mapped = SpanSet.Within((UInt128)0xffff << 32, ((UInt128)0xffff << 32) + uint.MaxValue, 128);

    public static TreeDomain Names { get; } = new((node, number) => Child(node, number, SegmentPattern.MaxLength), path => path.Length > 0);

    // Without the '/' that they begin with.
    public static TreeDomain Paths { get; } = new((node, number) => Child(node, number, SegmentPattern.MaxLength - 1), _ => true);

    /// <summary>Null when it means nothing that anybody can ask for.</summary>
    public static (RegionKind Kind, ValueSet[] Values)? Of(Capability capability, bool permits) => capability switch
    {
        Capability.Start => (RegionKind.Start, []),
        Capability.Import import => (RegionKind.Import, OfPattern(import.Pattern, permits)),
        Capability.Export export => (RegionKind.Export, OfPattern(export.Pattern, permits)),
        Capability.NatsPublish publish => (RegionKind.NatsPublish, [OfSubject(publish.Subject, permits)]),
        Capability.NatsSubscribe subscribe => (RegionKind.NatsSubscribe, [OfSubject(subscribe.Subject, permits), subscribe.Queue is { } queue ? TextSet.Of(queue) : AnyOrNone]),
        Capability.NatsRespond => (RegionKind.NatsRespond, []),
        Capability.Stream stream => WithAccess(RegionKind.Stream, [TextSet.Of(stream.Name)], (int)stream.Access, permits),
        Capability.Consumer consumer => WithAccess(RegionKind.Consumer, [TextSet.Of(consumer.StreamName), consumer.Name == NatsJetStream.AnyConsumer ? AnyText : TextSet.Of(consumer.Name)], (int)consumer.Access, permits),
        Capability.Bucket bucket => WithAccess(RegionKind.Bucket, [TextSet.Of(bucket.Name), OfSubject(bucket.Keys, permits)], (int)bucket.Access, permits),
        Capability.Connect { Target: { Name: { } name } target } => (RegionKind.ConnectName, [OfName(name), OfPorts(target.Ports, permits), OfProtocol(target)]),
        Capability.Connect { Target: { Addresses: { } addresses } target } => OfAddresses(addresses, permits) is { } networks
            ? (addresses.IsV6 ? RegionKind.ConnectV6 : RegionKind.ConnectV4, [networks, OfPorts(target.Ports, permits), OfProtocol(target)]) : null,
        Capability.Resolve resolve => (RegionKind.Resolve, [OfName(resolve.Name)]),
        Capability.Config config => (RegionKind.Config, [OfSegments(config.Name, Names)]),
        Capability.Secret secret => (RegionKind.Secret, [OfSegments(secret.Name, Names)]),
        Capability.Audience audience => (RegionKind.Audience, [TextSet.Of(audience.Name)]),
        Capability.Mount mount => (RegionKind.Mount, [OfSegments(mount.Path, Paths)]),
        _ => throw new ArgumentOutOfRangeException(nameof(capability), capability.Kind, "a capability that analysis does not know"),
    };

    /// <summary>The callers of a region, asking to start.</summary>
    public static Region StartOf(Region caller) => new(RegionKind.Start, caller.Values[..Dimensions.Capability].ToArray());

    /// <summary>The callers of a region, asking for any import.</summary>
    public static Region AnyImportOf(Region caller) =>
        new(RegionKind.Import, [.. caller.Values[..Dimensions.Capability], AnyText, AnyOrNone, AnyOrNone, AnyOrNone]);

    /// <summary>The bits of an access, from the number that stands for them; single accesses come first, so that examples ask for one.</summary>
    public static int AccessOf(UInt128 number) => (int)number & 0xff;

    private static ValueSet[] OfPattern(ImportPattern pattern, bool permits) =>
    [
        TextSet.Of(pattern.Package),
        pattern.IsBareFunction ? TextSet.None(Lacking.Absent) : pattern.Interface is { } name ? TextSet.Of(name) : AnyText,
        // Lacking: any version will do, which no single one covers but each touches.
        pattern.AnyVersion ? AnyOrNone : pattern.Track is { } track ? TextSet.Of(track, permits ? Lacking.None : Lacking.Absent) : TextSet.None(Lacking.Absent),
        // Lacking: the whole interface is asked for, which one function does not cover but touches.
        pattern.Function is { } function ? TextSet.Of(function, permits ? Lacking.None : Lacking.Absent) : AnyOrNone,
    ];

    private static SubjectSet OfSubject(NatsSubject subject, bool permits) =>
        SubjectPattern.Parse(subject.Text) is var pattern && permits ? SubjectSet.Within(pattern) : SubjectSet.Touching(SubjectPattern.Parse(subject.Text));

    private static (RegionKind, ValueSet[])? WithAccess(RegionKind kind, ValueSet[] named, int access, bool permits)
    {
        var accesses = Enumerable.Range(1, 31).Where(asked => permits ? (asked & access) == asked : (asked & access) != 0);
        return RangeSet.OfAll(accesses.Select(asked => int.PopCount(asked) << 8 | asked)) is { } set ? (kind, [.. named, set]) : null;
    }

    private static TreeSet OfName(DnsPattern name) => TreeSet.Of(Dimensions.DnsNames, name switch
    {
        { Text: "*" } => new TreePattern("", TreeExtent.Below),
        { IsWildcard: true } => new TreePattern(Dimensions.ReversedName(name.Text[2..]), TreeExtent.Below),
        _ => new TreePattern(Dimensions.ReversedName(name.Text), TreeExtent.Exact),
    });

    private static TreeSet OfSegments(SegmentPattern pattern, TreeDomain domain) => TreeSet.Of(domain, new TreePattern(
        pattern.Stem.Trim('/').ToString(), pattern.IsPrefix ? TreeExtent.Below : TreeExtent.Exact));

    private static SpanSet OfPorts(PortRange ports, bool permits) => Spans((UInt128)ports.First, (UInt128)ports.Last, 0, permits);

    private static RangeSet OfProtocol(ConnectTarget target) => target.Protocol == TransportProtocol.Udp ? Udp : Tcp;

    private static ValueSet? OfAddresses(IpRange range, bool permits)
    {
        var width = range.IsV6 ? 128 : 32;
        var last = range.Length == 0 ? (width == 128 ? UInt128.MaxValue : uint.MaxValue) : range.Network + (UInt128.One << (width - range.Length)) - 1;
        var networks = Spans(range.Network, last, width, permits);
        return range.IsV6 ? networks.Except(Mapped) : networks;
    }

    private static SpanSet Spans(UInt128 first, UInt128 last, int networkBits, bool permits) =>
        permits ? SpanSet.Within(first, last, networkBits) : SpanSet.Touching(first, last, networkBits);

    private static string? Child(string node, int number, int longest) => Dimensions.Child(node, number, FreshNames.OfSegments, Dimensions.IsSegment, longest);
}
