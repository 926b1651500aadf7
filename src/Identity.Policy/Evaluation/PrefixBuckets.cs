using Spiffe.Net;

namespace Identity.Policy.Evaluation;

/// <summary>Buckets by prefix, found by cutting an ID after each of its segments.</summary>
internal sealed class PrefixBuckets
{
    private readonly Dictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Bucket>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private int _longest;

    public PrefixBuckets() => _lookup = _buckets.GetAlternateLookup<ReadOnlySpan<char>>();

    public Bucket GetOrAdd(SpiffeIdPrefix prefix)
    {
        _longest = Math.Max(_longest, prefix.Text.Length);
        if (!_buckets.TryGetValue(prefix.Text, out var bucket)) _buckets.Add(prefix.Text, bucket = new Bucket());
        return bucket;
    }

    public void AddCovering(SpiffeId id, List<Bucket> buckets)
    {
        if (_buckets.Count == 0) return;
        var text = id.ToString().AsSpan();
        for (var end = "spiffe://".Length; end < text.Length;)
        {
            var next = text[(end + 1)..].IndexOf('/');
            end = next < 0 ? text.Length : end + 1 + next;
            // A stranger's ID may have a thousand segments; no prefix of ours is that long.
            if (end > _longest) return;
            if (_lookup.TryGetValue(text[..end], out var bucket)) buckets.Add(bucket);
        }
    }
}
