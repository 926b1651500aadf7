using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Says why a peer is not believed, once in <see cref="News.Quiet"/>: a client that is refused tries again at once. What is repeated goes to the level Debug. A reason
/// names the peer where it has a name, so each peer's is told.
/// </summary>
internal sealed partial class RefusalLog(Func<ILogger> logger, TimeProvider timeProvider)
{
    private readonly News _news = new(timeProvider);

    public RefusalLog(ILogger logger, TimeProvider timeProvider)
        : this(() => logger, timeProvider)
    {
    }

    /// <summary>In the handshake.</summary>
    public void Refused(string reason)
    {
        var (to, level) = For(reason);
        LogRefused(to, level, reason);
    }

    /// <summary>In the handshake too, for our own lack: nobody can be let in.</summary>
    public void HasNoIdentity(string reason)
    {
        var (to, level) = For(reason);
        LogNoIdentity(to, level, reason);
    }

    /// <summary>It came over a connection without mTLS.</summary>
    public void RequestWithoutTls(string endpoint)
    {
        var (to, level) = For(endpoint);
        LogWithoutTls(to, level, endpoint);
    }

    /// <summary>Long after it.</summary>
    public void NotBelievedAnyMore(string reason) => LogNotBelieved(logger(), reason);

    private (ILogger To, LogLevel Level) For(string reason)
    {
        var to = logger();
        var isNews = _news.Is(reason, out var isOneTooMany);
        if (isOneTooMany) LogMore(to, News.MostReasons);
        return (to, isNews ? LogLevel.Warning : LogLevel.Debug);
    }

    [LoggerMessage(Message = "Refused a TLS peer: {Reason}")]
    private static partial void LogRefused(ILogger logger, LogLevel level, string reason);

    [LoggerMessage(Message = "Ended a TLS connection: {Reason}")]
    private static partial void LogNoIdentity(ILogger logger, LogLevel level, string reason);

    [LoggerMessage(Message = "Refused a request to {Endpoint}, which is served without mTLS: UseSpiffeTls is to cover every endpoint")]
    private static partial void LogWithoutTls(ILogger logger, LogLevel level, string endpoint);

    [LoggerMessage(Level = LogLevel.Warning, Message = "More than {Most} different refusals of TLS peers within seconds: others are told at the level Debug only")]
    private static partial void LogMore(ILogger logger, int most);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A TLS peer is not believed any more, and its connection ends: {Reason}")]
    private static partial void LogNotBelieved(ILogger logger, string reason);
}
