namespace Identity.Server.Endpoints;

internal static partial class EndpointLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "A connection to the admin socket from uid {Uid} was closed; only our own user, root, and users whom a PolicyRole names may use it.")]
    public static partial void AdminConnectionRefused(ILogger logger, uint? uid);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Method} was refused to a caller of kind {Kind}.")]
    public static partial void CallRefused(ILogger logger, string method, CallerKinds kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed; the caller was told the id {FaultId}.")]
    public static partial void CallFailed(ILogger logger, string method, string faultId, Exception cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "Renewing the server's own certificate failed; it will be tried again.")]
    public static partial void RenewalFailed(ILogger logger, Exception cause);
}
