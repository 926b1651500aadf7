namespace Identity.Policy.Evaluation;

/// <summary>
/// Numbers what rules speak of, so that a request finds the few clauses that may mean it. Clauses of one number may still differ in what
/// the number leaves out: functions, ports, keys, access.
/// </summary>
internal sealed class CapabilityKeys
{
    private const string EveryName = "*";

    // Behind an interface or package: all that is forbidden of it on some track.
    private const string SomeTrack = "@";

    private readonly KeyNumbers _numbers = new();
    private readonly int _start;
    private readonly int _respond;
    private readonly KeySpace _imports;
    private readonly KeySpace _exports;
    private readonly KeySpace _streams;
    private readonly KeySpace _consumers;
    private readonly KeySpace _buckets;
    private readonly KeySpace _hosts;
    private readonly KeySpace _names;
    private readonly KeySpace _configs;
    private readonly KeySpace _secrets;
    private readonly KeySpace _audiences;
    private readonly KeySpace _mounts;
    private readonly SubjectTrie _publishes;
    private readonly SubjectTrie _subscribes;
    private readonly ForbiddenNames _forbiddenHosts = new(fromTheEnd: true);
    private readonly ForbiddenNames _forbiddenNames = new(fromTheEnd: true);
    private readonly ForbiddenNames _forbiddenConfigs = new(fromTheEnd: false);
    private readonly ForbiddenNames _forbiddenSecrets = new(fromTheEnd: false);
    private readonly ForbiddenNames _forbiddenMounts = new(fromTheEnd: false);
    private readonly ForbiddenRanges _forbiddenAddresses = new();
    private readonly Dictionary<IpRange, int> _addresses = [];
    private readonly SortedSet<int> _lengthsSeen = [];
    private int[] _lengths = [];

    public CapabilityKeys()
    {
        (_start, _respond, _publishes, _subscribes) = (_numbers.Next(), _numbers.Next(), new SubjectTrie(_numbers), new SubjectTrie(_numbers));
        (_imports, _exports, _streams, _consumers, _buckets, _hosts) = (New(), New(), New(), New(), New(), New());
        (_names, _configs, _secrets, _audiences, _mounts) = (New(), New(), New(), New(), New());
    }

    public int Of(Capability capability) => capability switch
    {
        Capability.Start => _start,
        Capability.Import import => Of(_imports, import.Pattern),
        Capability.Export export => Of(_exports, export.Pattern),
        Capability.NatsPublish publish => _publishes.KeyOf(publish.Subject),
        Capability.NatsSubscribe subscribe => _subscribes.KeyOf(subscribe.Subject),
        Capability.NatsRespond => _respond,
        Capability.Stream stream => _streams.KeyOf(stream.Name),
        Capability.Consumer consumer => _consumers.KeyOf($"{consumer.StreamName}/{consumer.Name}"),
        Capability.Bucket bucket => _buckets.KeyOf(bucket.Name),
        Capability.Connect { Target.Name: { } name } => Of(_hosts, name),
        Capability.Connect { Target.Addresses: { } range } => Of(range),
        Capability.Resolve resolve => Of(_names, resolve.Name),
        Capability.Config config => _configs.KeyOf(config.Name.Stem.ToString()),
        Capability.Secret secret => _secrets.KeyOf(secret.Name.Stem.ToString()),
        Capability.Audience audience => _audiences.KeyOf(audience.Name),
        Capability.Mount mount => _mounts.KeyOf(mount.Path.Stem.ToString()),
        _ => throw new ArgumentException($"a capability of the kind {capability.Kind} has no key", nameof(capability)),
    };

    /// <summary>Makes the number of a forbid one that is found also when more is asked for than it speaks of.</summary>
    public void Forbid(Capability capability, int key)
    {
        switch (capability)
        {
            case Capability.NatsPublish publish:
                _publishes.Forbid(publish.Subject, key);
                break;
            case Capability.NatsSubscribe subscribe:
                _subscribes.Forbid(subscribe.Subject, key);
                break;
            case Capability.Connect { Target.Name: { } name }:
                Forbid(_forbiddenHosts, name, key);
                break;
            case Capability.Connect { Target.Addresses: { } range }:
                _forbiddenAddresses.Add(range, key);
                break;
            case Capability.Resolve resolve:
                Forbid(_forbiddenNames, resolve.Name, key);
                break;
            case Capability.Config config:
                _forbiddenConfigs.Add(config.Name.Stem.ToString(), key);
                break;
            case Capability.Secret secret:
                _forbiddenSecrets.Add(secret.Name.Stem.ToString(), key);
                break;
            case Capability.Mount mount:
                _forbiddenMounts.Add(mount.Path.Stem.ToString(), key);
                break;
        }
    }

    /// <summary>
    /// The number under which a forbid is found when the interface is asked for without a version and may be any; zero when it is
    /// found then anyway.
    /// </summary>
    public int WhenUnversioned(Capability capability) => capability switch
    {
        Capability.Import { Pattern: { Track: not null } pattern } => _imports.KeyOf(WithoutTrack(pattern)),
        Capability.Export { Pattern: { Track: not null } pattern } => _exports.KeyOf(WithoutTrack(pattern)),
        _ => 0,
    };

    /// <summary>
    /// Every number under which a permit that means all of the request, or a forbid that touches it, may be, each once; false when there is no telling without
    /// looking at all of its kind.
    /// </summary>
    public bool TryFind(CapabilityRequest request, ref KeySet found)
    {
        switch (request)
        {
            case CapabilityRequest.Start:
                found.Add(_start);
                return true;
            case CapabilityRequest.Import import:
                return TryFind(_imports, import.Interface, import.Function, ref found);
            case CapabilityRequest.Export export:
                return TryFind(_exports, export.Interface, export.Function, ref found);
            case CapabilityRequest.NatsPublish publish:
                Find(_publishes, publish.Subject, ref found);
                return true;
            case CapabilityRequest.NatsSubscribe subscribe:
                Find(_subscribes, subscribe.Subject, ref found);
                return true;
            case CapabilityRequest.NatsRespond:
                found.Add(_respond);
                return true;
            case CapabilityRequest.Stream stream:
                _streams.Find(stream.Name, ref found);
                return true;
            case CapabilityRequest.Consumer consumer:
                return TryFindConsumer(consumer, ref found);
            case CapabilityRequest.Bucket bucket:
                _buckets.Find(bucket.Name, ref found);
                return true;
            case CapabilityRequest.Connect { Target.Addresses: { } address }:
                Find(address, ref found);
                return true;
            case CapabilityRequest.Connect { Target.Name: { } host }:
                Find(_hosts, _forbiddenHosts, host, ref found);
                return true;
            case CapabilityRequest.Resolve resolve:
                Find(_names, _forbiddenNames, resolve.Name, ref found);
                return true;
            case CapabilityRequest.Config config:
                Find(_configs, _forbiddenConfigs, config.Name, ref found);
                return true;
            case CapabilityRequest.Secret secret:
                Find(_secrets, _forbiddenSecrets, secret.Name, ref found);
                return true;
            case CapabilityRequest.Audience audience:
                _audiences.Find(audience.Name, ref found);
                return true;
            case CapabilityRequest.Mount mount:
                Find(_mounts, _forbiddenMounts, mount.Path, ref found);
                return true;
            default:
                return false;
        }
    }

    private KeySpace New() => new(_numbers);

    private static int Of(KeySpace space, ImportPattern pattern)
    {
        var version = pattern.AnyVersion ? "@*" : pattern.Track is null ? "" : $"@{pattern.Track}";
        return space.KeyOf(pattern.IsBareFunction ? pattern.Text : $"{pattern.Package}/{pattern.Interface ?? "*"}{version}");
    }

    private static string WithoutTrack(ImportPattern pattern) => $"{pattern.Package}/{pattern.Interface ?? "*"}{SomeTrack}";

    // The wildcard's key keeps its dot, so that no name is taken for it.
    private static int Of(KeySpace space, DnsPattern name) => space.KeyOf(name.Text == EveryName ? EveryName : name.Suffix.ToString());

    // Whoever asks for any name finds that of every name by itself.
    private static void Forbid(ForbiddenNames names, DnsPattern name, int key)
    {
        if (name.Text != EveryName) names.Add(name.Suffix.ToString(), key);
    }

    private int Of(IpRange range)
    {
        if (_addresses.TryGetValue(range, out var key)) return key;
        _addresses.Add(range, key = _numbers.Next());
        if (_lengthsSeen.Add(range.Length)) _lengths = [.. _lengthsSeen];
        return key;
    }

    private static bool TryFind(KeySpace space, InterfaceName? name, string? function, ref KeySet found)
    {
        if (name is null)
        {
            if (function is not { Length: <= FunctionName.MaxLength }) return false;
            Span<char> bare = stackalloc char[FunctionName.MaxLength + 1];
            bare[0] = '#';
            function.CopyTo(bare[1..]);
            space.Find(bare[..(function.Length + 1)], ref found);
            return true;
        }

        // The interface or its package, on its track or on any; without a version, what is forbidden of it on some.
        Span<char> text = stackalloc char[InterfaceName.MaxLength + 2];
        var whole = name.Text.AsSpan();
        var unversioned = name.Version is null ? whole.Length : whole.Length - name.Version.Length - 1;
        FindVersions(space, text, whole[..unversioned], wholePackage: false, name, ref found);
        FindVersions(space, text, whole[..(name.Package.Length + 1)], wholePackage: true, name, ref found);
        return true;
    }

    private static void FindVersions(KeySpace space, scoped Span<char> text, scoped ReadOnlySpan<char> name, bool wholePackage, InterfaceName asked, ref KeySet found)
    {
        name.CopyTo(text);
        var end = name.Length;
        if (wholePackage) text[end++] = '*';
        text[end] = '@';
        text[end + 1] = '*';
        space.Find(text[..(end + 2)], ref found);
        if (asked.Version is null) space.Find(text[..(end + SomeTrack.Length)], ref found);
        if (asked.Version is not null) asked.Track.CopyTo(text[(end + 1)..]);
        space.Find(text[..(asked.Version is null ? end : end + 1 + asked.Track.Length)], ref found);
    }

    private bool TryFindConsumer(CapabilityRequest.Consumer consumer, ref KeySet found)
    {
        Span<char> text = stackalloc char[512];
        if (consumer.StreamName.Length + 1 + consumer.Name.Length > text.Length) return false;
        consumer.StreamName.CopyTo(text);
        text[consumer.StreamName.Length] = '/';
        consumer.Name.CopyTo(text[(consumer.StreamName.Length + 1)..]);
        _consumers.Find(text[..(consumer.StreamName.Length + 1 + consumer.Name.Length)], ref found);
        return true;
    }

    private static void Find(KeySpace space, ForbiddenNames forbidden, DnsPattern name, ref KeySet found)
    {
        var text = name.Suffix;
        if (!name.IsWildcard) space.Find(text, ref found);
        // Of a wildcard the first of these is its own.
        for (var at = 0; text[at..].IndexOf('.') is var dot and >= 0; at += dot + 1) space.Find(text[(at + dot)..], ref found);
        space.Find(EveryName, ref found);
        if (name.IsWildcard) forbidden.FindBelow(text, ref found);
    }

    private void Find(IpRange range, ref KeySet found)
    {
        foreach (var length in _lengths)
        {
            if (length <= range.Length && _addresses.TryGetValue(range.Shortened(length), out var key)) found.Add(key);
        }

        if (!range.IsAddress) _forbiddenAddresses.FindBelow(range, ref found);
    }

    private static void Find(KeySpace space, ForbiddenNames forbidden, SegmentPattern name, ref KeySet found)
    {
        space.Find([], ref found);
        if (!name.IsPrefix)
        {
            space.FindBeginnings(name.Text, 0, '/', withSeparator: true, ref found);
            return;
        }

        // The stem ends with a separator and is the last of its own beginnings.
        var stem = name.Stem;
        for (var at = 0; stem[at..].IndexOf('/') is var slash and >= 0; at += slash + 1) space.Find(stem[..(at + slash + 1)], ref found);
        forbidden.FindBelow(stem, ref found);
    }

    private static void Find(SubjectTrie subjects, NatsSubject subject, ref KeySet found)
    {
        if (subject.Text.AsSpan().ContainsAny('*', '>')) subjects.FindForAll(subject.Text, ref found);
        else subjects.Find(subject.Text, ref found);
    }
}
