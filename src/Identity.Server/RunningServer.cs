using Identity.Server.Endpoints;
using Identity.Server.Ledger;

namespace Identity.Server;

/// <summary>A server that serves. Disposing it drains and stops it, the ledger last.</summary>
internal sealed class RunningServer(WebApplication app, ControlPlaneLedger ledger, Listeners listeners, ServerOptions options, ILoggerFactory loggers)
    : IAsyncDisposable
{
    public ControlPlaneLedger Ledger => ledger;

    public Listeners Listeners => listeners;

    public IServiceProvider Services => app.Services;

    /// <summary>One line for whoever waits for us.</summary>
    public string ReadyLine => $"ready identityd grpc={listeners.Grpc} admin={options.AdminSocket} istio={listeners.Mesh}"
        + (listeners.AuthZen is { } authZen ? $" authzen={authZen}" : "") + (listeners.Admission is { } admission ? $" admission={admission}" : "");

    /// <summary>Until SIGTERM, SIGINT or <see cref="DisposeAsync"/>.</summary>
    public Task WaitAsync() => app.WaitForShutdownAsync();

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        await ledger.DisposeAsync();
        loggers.Dispose();
    }
}
