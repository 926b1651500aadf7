using Microsoft.Extensions.Logging;

namespace Identity.WasmHost.Workers;

/// <summary>
/// Sees what nats-server refuses at the moment the client reads it. The client's <c>ServerError</c> event comes through a queue and may
/// arrive after the PONG that followed the error on the wire, too late to say which publish it was about; its logger is called in the read
/// loop, before the PONG is handled. Nothing is written anywhere: the client's own log lines may quote foreign text.
/// </summary>
internal sealed class NatsErrorTap(Action<string> onServerError) : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (state is not IReadOnlyList<KeyValuePair<string, object?>> fields) return;
        foreach (var (name, value) in fields)
        {
            if (name == "Error" && value is string text) onServerError(text);
        }
    }

    public void Dispose()
    {
    }
}
