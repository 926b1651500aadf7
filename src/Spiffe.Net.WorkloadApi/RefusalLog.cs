using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Says why a peer is not believed, once: a client that is refused tries again at once, and the same words again tell nobody more. What
/// is repeated goes to the level Debug.
/// </summary>
internal sealed partial class RefusalLog(ILogger logger, TimeProvider timeProvider)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private string? _last;
    private long _lastAt;

    /// <summary>In the handshake.</summary>
    public void Refused(string reason) => LogRefused(logger, IsNews(reason) ? LogLevel.Warning : LogLevel.Debug, reason);

    /// <summary>Long after it.</summary>
    public void NotBelievedAnyMore(string reason) => LogNotBelieved(logger, reason);

    private bool IsNews(string reason)
    {
        var now = timeProvider.GetTimestamp();
        lock (_lock)
        {
            if (reason == _last && timeProvider.GetElapsedTime(_lastAt, now) < Quiet) return false;
            (_last, _lastAt) = (reason, now);
            return true;
        }
    }

    [LoggerMessage(Message = "Refused a TLS peer: {Reason}")]
    private static partial void LogRefused(ILogger logger, LogLevel level, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A TLS peer is not believed any more, and its connection ends: {Reason}")]
    private static partial void LogNotBelieved(ILogger logger, string reason);
}
