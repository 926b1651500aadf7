using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Says why a peer is not believed, once in <see cref="Quiet"/>: a client that is refused tries again at once, and the same words again tell nobody more. What is
/// repeated goes to the level Debug. A reason names the peer where it has a name, so each peer's is told.
/// </summary>
internal sealed partial class RefusalLog(ILogger logger, TimeProvider timeProvider)
{
    /// <summary>Different reasons that are told in that time; a stranger can think of any number, and neither memory nor log is theirs to fill.</summary>
    public const int MostReasons = 64;

    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _told = new(StringComparer.Ordinal);
    private long? _toldOfMore;

    /// <summary>In the handshake.</summary>
    public void Refused(string reason)
    {
        LogRefused(logger, IsNews(reason, out var isOneTooMany) ? LogLevel.Warning : LogLevel.Debug, reason);
        if (isOneTooMany) LogMore(logger, MostReasons);
    }

    /// <summary>Long after it.</summary>
    public void NotBelievedAnyMore(string reason) => LogNotBelieved(logger, reason);

    private bool IsNews(string reason, out bool isOneTooMany)
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

    [LoggerMessage(Message = "Refused a TLS peer: {Reason}")]
    private static partial void LogRefused(ILogger logger, LogLevel level, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "More than {Most} different refusals of TLS peers within seconds: others are told at the level Debug only")]
    private static partial void LogMore(ILogger logger, int most);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A TLS peer is not believed any more, and its connection ends: {Reason}")]
    private static partial void LogNotBelieved(ILogger logger, string reason);
}
