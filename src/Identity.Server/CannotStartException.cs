namespace Identity.Server;

/// <summary>Why this process cannot start: one line for the person who started it, saying what to do about it.</summary>
internal sealed class CannotStartException : Exception
{
    public CannotStartException(string message, int exitCode = 1) : base(message) => ExitCode = exitCode;

    public CannotStartException(string message, Exception cause) : base(message, cause) => ExitCode = 1;

    /// <summary>1: the world is not ready (a port in use, a broken file). 2: what was asked for makes no sense.</summary>
    public int ExitCode { get; }
}
