using Grpc.Core;

namespace Identity.Server.Registration;

/// <summary>A part of a long list in the order of its keys. The token is the last key given, so a page stays right while the list changes.</summary>
internal static class Page
{
    /// <summary>SPIRE once let the caller choose the size and paid with its memory.</summary>
    public const int MaxSize = 1000;

    public static (IReadOnlyList<T> Items, string NextToken) Of<T>(IEnumerable<T> matching, Func<T, string> key, int size, string token)
    {
        if (size < 0) throw new RpcException(new Status(StatusCode.InvalidArgument, $"page_size is {size}; expected 0 to {MaxSize}"));
        size = size == 0 ? MaxSize : Math.Min(size, MaxSize);
        var items = matching
            .Where(item => string.CompareOrdinal(key(item), token) > 0)
            .OrderBy(key, StringComparer.Ordinal)
            .Take(size + 1)
            .ToList();
        if (items.Count <= size) return (items, "");
        items.RemoveAt(size);
        return (items, key(items[^1]));
    }
}
