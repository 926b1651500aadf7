using Grpc.Core;

namespace Identity.Cli;

/// <summary>What the process ends with, so that scripts need not read text.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>Something failed that none of the others names.</summary>
    public const int Failed = 1;

    /// <summary>The command line or a file named on it is wrong; nothing was sent.</summary>
    public const int Usage = 2;

    /// <summary>The server refused: the caller may not, or a check said no.</summary>
    public const int Refused = 3;

    public const int NotFound = 4;

    /// <summary>The server did not answer.</summary>
    public const int Unavailable = 5;

    /// <summary>Something changed in between; read again and repeat.</summary>
    public const int Conflict = 6;

    /// <summary>Interrupted, as shells count SIGINT.</summary>
    public const int Interrupted = 130;

    public static int Of(StatusCode status) => status switch
    {
        StatusCode.OK => Ok,
        StatusCode.InvalidArgument or StatusCode.OutOfRange => Usage,
        StatusCode.PermissionDenied or StatusCode.Unauthenticated or StatusCode.FailedPrecondition => Refused,
        StatusCode.NotFound => NotFound,
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => Unavailable,
        StatusCode.Aborted or StatusCode.AlreadyExists => Conflict,
        StatusCode.Cancelled => Interrupted,
        _ => Failed,
    };
}
