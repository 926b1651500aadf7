using System.Globalization;
using System.Net;

namespace Identity.Policy.Tests.Language;

/// <summary>
/// What capabilities mean for requests, by listing everything there could be (<see cref="PlainMeaning"/>) in a world made of the words of the texts themselves,
/// with a fresh neighbour of each. Nothing of it is asked of the code that decides.
/// </summary>
internal sealed class WordWorld
{
    private static readonly string[] BucketAccesses = ["read", "write", "watch", "manage"];
    private static readonly string[] Periods = ["1s", "5s", "1m", "2m", "9m"];
    private static readonly int[] Counts = [1, 2, 5, 9];
    private static readonly string[] Protocols = ["", "/udp"];

    private readonly ILookup<string, string> _things;
    private readonly string[] _versions;
    private readonly Dictionary<string, HashSet<string>> _listed = [];
    private readonly Dictionary<string, JetStreamDeeds> _deeds = [];

    /// <param name="things">Everything in the world.</param>
    /// <param name="versions">Which versions an interface without one may turn out to have.</param>
    public WordWorld(IEnumerable<string> things, string[] versions) => (_things, _versions) = (things.ToLookup(thing => thing.Split(' ')[0]), versions);

    /// <summary>The world of some capabilities and requests.</summary>
    public static WordWorld Of(IEnumerable<string> texts)
    {
        var byKind = texts.Select(Whole).Select(text => text.Split(' ', 2)).ToLookup(parts => parts[0], parts => parts.Length > 1 ? parts[1] : "");
        var versions = byKind["import"].Concat(byKind["export"]).Select(VersionOf).Where(version => version != "@*").Concat(["", "@9.0.0"]).Distinct().ToArray();
        return new WordWorld(byKind.SelectMany(kind => ThingsOf(kind.Key, [.. kind], versions).Select(thing => $"{kind.Key} {thing}".TrimEnd())), versions);
    }

    /// <summary>Whether the capability means all that is asked for.</summary>
    public bool Matches(string capability, string request) => Asked(request).All(Listed(capability).Contains);

    /// <summary>Whether it means some of it, or of what may come of it.</summary>
    public bool Touches(string capability, string request) => Asked(request).SelectMany(thing => PlainMeaning.MayBe(thing, _versions)).Any(Listed(capability).Contains);

    /// <summary>Whether a forbid of it holds of what is asked for: it means some of it, or takes it away under another name.</summary>
    public bool Forbids(string capability, string request) => Touches(capability, request) || Takes(capability, request);

    private bool Takes(string capability, string request)
    {
        if (!IsOfJetStream(capability) || !IsOfJetStream(request)) return false;
        var forbidden = Listed(capability);
        lock (_listed)
        {
            if (!_deeds.TryGetValue(capability, out var deeds)) _deeds.Add(capability, deeds = new JetStreamDeeds(forbidden));
            return Asked(request).Any(deeds.Take);
        }
    }

    private static bool IsOfJetStream(string text) => text.Split(' ')[0] is "stream" or "consumer" or "bucket";

    private IEnumerable<string> Asked(string request) => request == "natsRespond"
        ? ["natsRespond 1 1s"]
        // Who asks without a queue asks for no queue; a capability without one is for any.
        : Listed(request).Where(thing => !request.StartsWith("natsSubscribe ", StringComparison.Ordinal) || request.AsSpan().Count(' ') > 1 || thing.AsSpan().Count(' ') == 1);

    private HashSet<string> Listed(string text)
    {
        lock (_listed)
        {
            if (_listed.TryGetValue(text, out var listed)) return listed;
            var whole = Whole(text);
            listed = [.. _things[text.Split(' ')[0]].Where(thing => PlainMeaning.Means(whole, thing))];
            if (listed.Count == 0) throw new InvalidOperationException($"{text} means nothing in its world");
            _listed.Add(text, listed);
            return listed;
        }
    }

    // A bucket without keys is all its keys.
    private static string Whole(string text) => text.StartsWith("bucket ", StringComparison.Ordinal) && !text.Contains('/', StringComparison.Ordinal)
        ? text.Insert(text.IndexOf(' ', "bucket ".Length), "/>") : text;

    private static IEnumerable<string> ThingsOf(string kind, string[] texts, string[] versions) => kind switch
    {
        "import" or "export" => Interfaces(kind, texts, versions),
        "natsPublish" => Subjects(texts),
        "natsSubscribe" => from subject in Subjects([.. texts.Select(text => text.Split(' ')[0])]) from queue in texts.Select(text => text.Split(' ').Skip(1).FirstOrDefault() ?? "").Append("zz").Distinct() select $"{subject} {queue}".TrimEnd(),
        "natsRespond" => from max in Counts from within in Periods select $"{max} {within}",
        "stream" => Accessed(texts, "info", "read", "consume", "purge", "manage"),
        "consumer" => Accessed(texts, "info", "consume", "manage"),
        "bucket" => from name in texts.Select(text => text.Split('/')[0]).Append("ZZ").Distinct()
                    from key in Subjects([.. texts.Select(text => text.Split(' ')[0].Split('/')[1])])
                    from access in BucketAccesses
                    select $"{name}/{key} {access}",
        "connect" => Targets(texts),
        "resolve" => Names(texts),
        "config" or "secret" => Paths(texts),
        "mount" => Paths([.. texts.Select(text => text[1..])]).Select(path => "/" + path).Append("/"),
        "audience" => texts.Append("zz").Distinct(),
        _ => [""],
    };

    private static IEnumerable<string> Interfaces(string kind, string[] texts, string[] versions)
    {
        var functions = texts.Where(text => text.Contains('#', StringComparison.Ordinal)).Select(text => text[(text.IndexOf('#', StringComparison.Ordinal) + 1)..]).Append("zz").Distinct().ToArray();
        var names = texts.Select(text => text.Split('#')[0].Split('@')[0]).Where(name => name.Length > 0).Select(name => name.Split('/')).ToArray();
        var listed = from package in names.Select(name => name[0]).Append("zz:zz").Distinct()
                     from name in names.Select(name => name[1]).Where(name => name != "*").Append("zz").Distinct()
                     from version in versions
                     from function in functions
                     select $"{package}/{name}{version}#{function}";
        return kind == "import" ? listed : listed.Concat(functions.Select(function => "#" + function));
    }

    private static string VersionOf(string text) => text.Split('#')[0] is var name && name.IndexOf('@', StringComparison.Ordinal) is var at and >= 0 ? name[at..] : "";

    private static IEnumerable<string> Subjects(string[] texts) => Words(texts, '.', texts.Max(text => text.Split('.').Length));

    private static IEnumerable<string> Paths(string[] texts) => Words([.. texts.Where(text => text.Length > 0)], '/', texts.Max(text => text.Split('/').Length) + 1);

    private static IEnumerable<string> Words(string[] texts, char separator, int most)
    {
        var letters = texts.SelectMany(text => text.Split(separator)).Where(word => word is not ("*" or ">")).Append("zz").Distinct().ToArray();
        IEnumerable<string> longer = letters, all = letters;
        for (var length = 2; length <= most; length++)
        {
            longer = longer.SelectMany(start => letters.Select(letter => $"{start}{separator}{letter}")).ToArray();
            all = all.Concat(longer);
        }

        return all;
    }

    private static IEnumerable<string> Accessed(string[] texts, params string[] accesses) =>
        from name in texts.Select(text => text.Split(' ')[0]).Append(texts[0].Contains('/', StringComparison.Ordinal) ? "ZZ/zz" : "ZZ").Distinct() from access in accesses select $"{name} {access}";

    private static IEnumerable<string> Names(IEnumerable<string> texts)
    {
        var named = texts.Select(text => text.StartsWith("*.", StringComparison.Ordinal) ? text[2..] : text).Where(name => name != "*").Distinct().ToArray();
        return named.Concat(named.Select(name => "zz." + name)).Concat(named.Select(name => "zz.zz." + name)).Append("zz").Distinct();
    }

    private static IEnumerable<string> Targets(string[] texts)
    {
        var split = texts.Select(text => text.Replace("/udp", "", StringComparison.Ordinal)).Select(text => (Host: text[..text.LastIndexOf(':')], Ports: text[(text.LastIndexOf(':') + 1)..])).ToArray();
        var ends = split.SelectMany(target => target.Ports.Split('-')).Where(port => port != "*").Select(port => int.Parse(port, CultureInfo.InvariantCulture));
        var ports = ends.SelectMany(port => new[] { port - 1, port, port + 1 }).Concat([1, 65535]).Where(port => port is > 0 and < 65536).Distinct().ToArray();
        var names = split.Select(target => target.Host).Where(host => host[0] != '[' && !char.IsDigit(host[0]));
        var addresses = split.Select(target => target.Host).Where(host => host[0] == '[' || char.IsDigit(host[0])).SelectMany(Ends).Concat(["11.0.0.1", "[::1]"]).Distinct();
        return from host in Names(names).Concat(addresses) from port in ports from protocol in Protocols select $"{host}:{port}{protocol}";
    }

    // The first address of a network and the last.
    private static IEnumerable<string> Ends(string network)
    {
        var parts = network.Split('/');
        var first = IPAddress.Parse(parts[0].Trim('[', ']')).GetAddressBytes();
        var last = (byte[])first.Clone();
        for (var bit = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : first.Length * 8; bit < first.Length * 8; bit++) last[bit / 8] |= (byte)(0x80 >> bit % 8);
        return new[] { first, last }.Select(bytes => bytes.Length == 4 ? new IPAddress(bytes).ToString() : $"[{new IPAddress(bytes)}]");
    }
}
