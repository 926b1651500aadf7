namespace Identity.Policy.Tests.Language;

/// <summary>
/// What a forbid of a stream, a consumer or a bucket takes of the others, said plainly and by text: what each right lets one do, and what a forbid of each
/// means to prevent. Written from docs/policy.md ("Capabilities") and docs/policy-enforcement.md ("NATS"), where a bucket x is the stream KV_x.
/// </summary>
internal sealed class JetStreamDeeds
{
    // Of a stream as a whole, or of every key or consumer of it.
    private const string All = "";

    private readonly HashSet<(string Deed, string Stream, string Of)> _prevented;
    private readonly HashSet<(string Deed, string Stream)> _streams;

    /// <param name="forbidden">Single things, each with one access: <c>bucket B/a.b read</c>.</param>
    public JetStreamDeeds(IEnumerable<string> forbidden)
    {
        _prevented = [.. forbidden.SelectMany(Prevented)];
        _streams = [.. _prevented.Select(one => (one.Deed, one.Stream))];
    }

    /// <summary>Whether what is forbidden takes a single thing away, be it of the same kind or not.</summary>
    public bool Take(string asked) => Done(asked).Any(one => one.Of == All
        ? _streams.Contains((one.Deed, one.Stream))
        : _prevented.Contains(one) || _prevented.Contains((one.Deed, one.Stream, All)));

    /// <summary>What who has this right can do.</summary>
    private static IEnumerable<(string Deed, string Stream, string Of)> Done(string thing)
    {
        var (kind, name, at, access) = Parts(thing);
        return (kind, access) switch
        {
            ("stream", "read") => [("get", name, All)],
            // Through consumers of one's own, each of which is told every message.
            ("stream", "consume") => [("follow", name, All)],
            ("stream", "purge") => [("erase", name, All)],
            ("stream", "manage") => [("change", name, All)],
            ("stream", _) => [("look", name, All)],
            ("consumer", "info") => [("see consumer", name, at)],
            ("consumer", "consume") => [("follow", name, All), ("use consumer", name, at)],
            // Who says what a consumer is for may have it told everything.
            ("consumer", _) => [("follow", name, All), ("make consumer", name, at)],
            ("bucket", "read") => [("get", $"KV_{name}", at)],
            ("bucket", "watch") => [("follow", $"KV_{name}", at)],
            ("bucket", "write") => [("put", $"KV_{name}", at)],
            _ => [("change", $"KV_{name}", All), ("erase", $"KV_{name}", All)],
        };
    }

    private static IEnumerable<(string Deed, string Stream, string Of)> Prevented(string thing)
    {
        var (kind, name, at, access) = Parts(thing);
        return (kind, access) switch
        {
            // "and on its consumers": who may not consume a stream has none.
            ("stream", "consume") => [.. Done(thing), ("see consumer", name, All), ("use consumer", name, All), ("make consumer", name, All)],
            // Whoever fetches from a consumer looks at it.
            ("consumer", "consume") => [("use consumer", name, at), ("see consumer", name, at)],
            ("consumer", "manage") => [("make consumer", name, at)],
            // "of read also every consumer, of write also purging and deleting, of any of them changing the stream": and who watches keys is told their values.
            ("bucket", "read") => [("get", $"KV_{name}", at), ("follow", $"KV_{name}", at), ("change", $"KV_{name}", All)],
            ("bucket", "watch") => [("follow", $"KV_{name}", at), ("change", $"KV_{name}", All)],
            ("bucket", "write") => [("put", $"KV_{name}", at), ("erase", $"KV_{name}", All), ("change", $"KV_{name}", All)],
            _ => Done(thing),
        };
    }

    private static (string Kind, string Name, string At, string Access) Parts(string thing)
    {
        var words = thing.Split(' ');
        var slash = words[1].IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (words[0], words[1], "", words[2]) : (words[0], words[1][..slash], words[1][(slash + 1)..], words[2]);
    }
}
