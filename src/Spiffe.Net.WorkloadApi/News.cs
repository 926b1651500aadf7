namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Which reasons are worth a warning: each once in <see cref="Quiet"/>, for the same words again tell nobody more, and <see cref="MostReasons"/> different ones at most, for
/// neither memory nor log is a stranger's to fill. Safe for use from many threads.
/// </summary>
internal sealed class News(TimeProvider timeProvider)
{
    public const int MostReasons = 64;

    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _told = new(StringComparer.Ordinal);
    private long? _toldOfMore;

    /// <param name="isOneTooMany">Once in that time: that there are more than are told.</param>
    public bool Is(string reason, out bool isOneTooMany)
    {
        isOneTooMany = false;
        var now = timeProvider.GetTimestamp();
        lock (_lock)
        {
            if (_told.TryGetValue(reason, out var at) && IsRecent(at)) return false;
            if (_told.Count >= MostReasons)
            {
                foreach (var (old, _) in _told.Where(told => !IsRecent(told.Value)).ToArray()) _told.Remove(old);
            }

            if (_told.Count < MostReasons)
            {
                _told[reason] = now;
                return true;
            }

            isOneTooMany = _toldOfMore is not { } toldOfMore || !IsRecent(toldOfMore);
            if (isOneTooMany) _toldOfMore = now;
            return false;
        }

        bool IsRecent(long then) => timeProvider.GetElapsedTime(then, now) < Quiet;
    }
}
