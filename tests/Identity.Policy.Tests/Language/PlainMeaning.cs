using System.Net;

namespace Identity.Policy.Tests.Language;

/// <summary>
/// What capabilities mean, said a second time and as plainly as can be: by text, one thing at a time, over a world small enough to list. Each
/// thing has a fresh neighbour that no pattern names, so that what holds in this world holds in general.
/// </summary>
internal static class PlainMeaning
{
    public static readonly string[] Versions = ["", "@0.1.0", "@0.1.7", "@0.2.0", "@1.0.0", "@1.9.2", "@9.0.0"];

    private static readonly string[] Interfaces =
        [.. from name in new[] { "a:b/i", "a:b/j", "a:b/zz", "a:c/i" } from version in Versions select name + version];

    private static readonly string[] Functions = ["f", "[method]r.m", "zz"];

    private static readonly string[] Subjects = [.. Words(["a", "b", "zz"], '.', 4)];

    private static readonly string[] Names = ["x", "a.x", "b.a.x", "zz.a.x", "zz.zz.a.x", "zz.x", "y.x", "zz"];

    private static readonly string[] Addresses = ["10.0.0.1", "10.0.0.2", "10.0.7.1", "10.9.9.9", "11.0.0.1", "[2001:db8::1]", "[2001:db8::2]", "[2001:db9::1]", "[::1]"];

    private static readonly int[] Ports = [1, 443, 444, 8000, 8050, 65535];

    private static readonly string[] Keys = [.. Words(["a", "b", "zz"], '/', 3)];

    /// <summary>Everything in the world, one thing a line.</summary>
    public static readonly string[] Things =
    [
        "start",
        .. from name in Interfaces from function in Functions from kind in new[] { "import", "export" } select $"{kind} {name}#{function}",
        "export #run", "export #go", "export #zz",
        .. from subject in Subjects select $"natsPublish {subject}",
        .. from subject in Subjects from queue in new[] { "", " q", " r", " zz" } select $"natsSubscribe {subject}{queue}",
        .. from max in new[] { 1, 2, 5, 9 } from within in new[] { "1s", "5s", "1m", "9m" } select $"natsRespond {max} {within}",
        .. from name in new[] { "S", "T", "ZZ" } from access in new[] { "info", "read", "consume", "purge", "manage" } select $"stream {name} {access}",
        .. from name in new[] { "S/c", "S/d", "T/c", "ZZ/zz" } from access in new[] { "info", "consume", "manage" } select $"consumer {name} {access}",
        .. from name in new[] { "B", "C", "ZZ" } from key in Subjects.Where(subject => subject.Length < 6) from access in new[] { "read", "write", "watch", "manage" } select $"bucket {name}/{key} {access}",
        .. from host in Names.Concat(Addresses) from port in Ports from protocol in new[] { "", "/udp" } select $"connect {host}:{port}{protocol}",
        .. from name in Names select $"resolve {name}",
        .. from key in Keys from kind in new[] { "config", "secret" } select $"{kind} {key}",
        .. from key in Keys select $"mount /{key}",
        "audience u", "audience v", "audience zz",
    ];

    /// <summary>Patterns of every kind, wide and narrow.</summary>
    public static readonly string[] Patterns =
    [
        "start",
        .. from pattern in new[] { "a:b/i", "a:b/i@0.1.0", "a:b/i@0.1.7", "a:b/i@0.2.0", "a:b/i@1.0.0", "a:b/j@0.1.0", "a:b/*", "a:b/*@0.1.3", "a:b/*@*", "a:b/i@*", "a:c/i@1.9.2", "a:b/i@0.1.0#f", "a:b/i@1.0.0#[method]r.m", "a:b/i@*#f", "a:b/i#f" }
           from kind in new[] { "import", "export" } select $"{kind} {pattern}",
        "export #run", "export #go",
        .. from subject in new[] { "a", "a.b", "a.*", "a.>", "a.*.b", "a.b.>", "*.b", ">", "b", "*", "a.b.a.b" } from kind in new[] { "natsPublish", "natsSubscribe" } select $"{kind} {subject}",
        "natsSubscribe a.b q", "natsSubscribe a.* r", "natsSubscribe a.> q", "natsSubscribe > q",
        "natsRespond", "natsRespond 1 1s", "natsRespond 5 1s", "natsRespond 2 1m",
        "stream S info", "stream S info,read,consume", "stream S purge,manage", "stream T read", "stream T info,read,consume,purge,manage",
        "consumer S/c consume", "consumer S/c info,consume,manage", "consumer S/d info", "consumer T/c manage",
        "bucket B/> read", "bucket B/a.* read,write", "bucket B/a.b watch", "bucket B/> read,write,watch,manage", "bucket C/a.> read", "bucket C/a.*.b write", "bucket C/> manage",
        "connect a.x:443", "connect *.x:443", "connect *.a.x:*", "connect *:443-444", "connect *:*", "connect 10.0.0.1:443", "connect 10.0.0.0/16:1-443", "connect 10.0.0.0/8:*", "connect 0.0.0.0/0:8000-8100",
        "connect [2001:db8::1]:443", "connect [2001:db8::]/32:*", "connect [::]/0:443", "connect a.x:443/udp", "connect 10.0.0.0/8:*/udp",
        "resolve a.x", "resolve *.x", "resolve *.a.x", "resolve *",
        .. from key in new[] { "a", "a/b", "a/*", "a/b/*", "*", "b/*", "b/a/b" } from kind in new[] { "config", "secret" } select $"{kind} {key}",
        "mount /a", "mount /a/b", "mount /a/*", "mount /a/b/*", "mount /*", "mount /b/a",
        "audience u", "audience v",
    ];

    /// <summary>Requests for several things at once.</summary>
    public static readonly string[] Wide =
    [
        "import a:b/i@0.1.0", "import a:b/j@1.0.0", "import a:b/i", "export a:b/i@1.9.2",
        "natsSubscribe a.*", "natsSubscribe a.> q", "natsSubscribe >", "natsPublish a.*.b", "bucket B/a.> watch", "bucket B/> manage", "bucket B/a.b read,write", "stream S read,consume",
        "connect *.a.x:443", "connect 10.0.0.0/24:443", "connect a.x:*", "resolve *.x", "config a/*", "mount /a/*",
    ];

    /// <summary>What may come of a thing that is asked for: of an interface without a version, any version of it.</summary>
    public static IEnumerable<string> MayBe(string thing) => MayBe(thing, Versions);

    public static IEnumerable<string> MayBe(string thing, string[] versions)
    {
        var (name, function) = Split(thing, '#');
        return !thing.Contains(':', StringComparison.Ordinal) || thing.Contains('@', StringComparison.Ordinal) || !(thing.StartsWith("import ", StringComparison.Ordinal) || thing.StartsWith("export ", StringComparison.Ordinal))
            ? [thing]
            : versions.Select(version => function == "" ? name + version : $"{name}{version}#{function}");
    }

    public static bool Means(string pattern, string thing)
    {
        var (kind, what) = Split(pattern, ' ');
        var (thingKind, one) = Split(thing, ' ');
        if (kind != thingKind) return false;
        return kind switch
        {
            "start" => true,
            "import" or "export" => MeansInterface(what, one),
            "natsPublish" => MeansSubject(what, one),
            "natsSubscribe" => MeansSubject(Split(what, ' ').First, Split(one, ' ').First) && (Split(what, ' ').Second is "" || Split(what, ' ').Second == Split(one, ' ').Second),
            "natsRespond" => what == "" || (Number(Split(one, ' ').First) <= Number(Split(what, ' ').First) && Seconds(Split(one, ' ').Second) <= Seconds(Split(what, ' ').Second)),
            "stream" or "consumer" => Split(what, ' ').First == Split(one, ' ').First && Split(what, ' ').Second.Split(',').Contains(Split(one, ' ').Second),
            "bucket" => Split(what, '/').First == Split(one, '/').First && MeansSubject(Split(Split(what, '/').Second, ' ').First, Split(Split(one, '/').Second, ' ').First)
                && Split(what, ' ').Second.Split(',').Contains(Split(one, ' ').Second),
            "connect" => MeansTarget(what, one),
            "resolve" => MeansName(what, one),
            "audience" => what == one,
            _ => what == one || (what.EndsWith('*') && one.Length >= what.Length && one.StartsWith(what[..^1], StringComparison.Ordinal)),
        };
    }

    private static bool MeansInterface(string pattern, string one)
    {
        var (patternName, patternFunction) = Split(pattern, '#');
        var (name, function) = Split(one, '#');
        if (patternFunction != "" && patternFunction != function) return false;
        var (path, version) = Split(patternName, '@');
        var (onePath, oneVersion) = Split(name, '@');
        return (path == onePath || (path.EndsWith("/*", StringComparison.Ordinal) && onePath.StartsWith(path[..^1], StringComparison.Ordinal)))
            && (version == "*" || Track(version) == Track(oneVersion));
    }

    private static string Track(string version) => version.Split('.') switch
    {
        ["0", "0", ..] => version,
        ["0", var minor, ..] => "0." + minor,
        [var major, ..] => major,
        _ => "",
    };

    /// <summary>What only forbids may say.</summary>
    public static bool IsGrantable(string capability)
    {
        var words = capability.Split(' ');
        return words[0] switch
        {
            "import" or "export" => !words[1].Contains("@*", StringComparison.Ordinal),
            "natsPublish" or "natsSubscribe" => words[1][0] is not ('*' or '>'),
            "natsRespond" => words.Length == 3,
            // Keys that end in '*' cannot be told from '>' when they are read; the bucket itself has no keys.
            "bucket" => !(words[1].EndsWith('*') && (words[2].Contains("read", StringComparison.Ordinal) || words[2].Contains("watch", StringComparison.Ordinal)))
                && (words[1].EndsWith("/>", StringComparison.Ordinal) || !words[1].Contains('/', StringComparison.Ordinal) || !words[2].Contains("manage", StringComparison.Ordinal)),
            _ => true,
        };
    }

    private static bool MeansSubject(string pattern, string subject)
    {
        var patterns = pattern.Split('.');
        var tokens = subject.Split('.');
        for (var i = 0; i < patterns.Length; i++)
        {
            if (i == tokens.Length) return false;
            if (patterns[i] == ">") return true;
            if (patterns[i] != "*" && patterns[i] != tokens[i]) return false;
        }

        return patterns.Length == tokens.Length;
    }

    private static bool MeansName(string pattern, string name) => pattern == "*" || pattern == name || (pattern.StartsWith('*') && name.EndsWith(pattern[1..], StringComparison.Ordinal));

    private static bool MeansTarget(string pattern, string one)
    {
        if (pattern.EndsWith("/udp", StringComparison.Ordinal) != one.EndsWith("/udp", StringComparison.Ordinal)) return false;
        var (host, ports) = HostAndPorts(pattern);
        var (oneHost, onePort) = HostAndPorts(one);
        var range = ports == "*" ? ["1", "65535"] : ports.Split('-');
        if (Number(onePort) < Number(range[0]) || Number(onePort) > Number(range[^1])) return false;
        if (!IPAddress.TryParse(oneHost.Trim('[', ']'), out var address)) return !char.IsDigit(host[0]) && host[0] != '[' && MeansName(host, oneHost);
        var (network, length) = Split(host, '/');
        if (!IPAddress.TryParse(network.Trim('[', ']'), out var start)) return false;
        var (bits, theirs) = (Bits(start), Bits(address));
        return bits.Length == theirs.Length && bits[..(length == "" ? bits.Length : Number(length))] == theirs[..(length == "" ? bits.Length : Number(length))];
    }

    private static (string Host, string Ports) HostAndPorts(string target)
    {
        target = target.Replace("/udp", "", StringComparison.Ordinal);
        return (target[..target.LastIndexOf(':')], target[(target.LastIndexOf(':') + 1)..]);
    }

    private static string Bits(IPAddress address) => string.Concat(address.GetAddressBytes().Select(part => Convert.ToString(part, 2).PadLeft(8, '0')));

    private static int Number(string text) => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    private static int Seconds(string time) => Number(time[..^1]) * (time[^1] == 'm' ? 60 : 1);

    private static (string First, string Second) Split(string text, char separator) =>
        text.IndexOf(separator, StringComparison.Ordinal) is var at and >= 0 ? (text[..at], text[(at + 1)..]) : (text, "");

    private static IEnumerable<string> Words(string[] letters, char separator, int most) => most == 1
        ? letters
        : letters.Concat(from first in letters from rest in Words(letters, separator, most - 1) select $"{first}{separator}{rest}").Distinct();
}
