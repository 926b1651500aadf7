using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The program's logger, of which nothing comes back: one that throws must not keep us from taking over, or taking away, what the Workload API sent.</summary>
internal sealed class HarmlessLogger(Func<ILogger> inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner().IsEnabled(logLevel);
        }
#pragma warning disable CA1031 // Whatever it is, it is the logger's.
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner().Log(logLevel, eventId, state, exception, formatter);
        }
#pragma warning disable CA1031 // Whatever it is, it is the logger's, and there is nobody else to tell.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
