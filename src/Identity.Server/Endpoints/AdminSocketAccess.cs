using Identity.Server.Ledger;

namespace Identity.Server.Endpoints;

/// <summary>Opens the admin socket to other users of the machine while a role names one, and closes it again.</summary>
internal sealed class AdminSocketAccess(ControlPlaneLedger ledger, ServerOptions options) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var isOpen = ledger.State.Governance.Roles.NamesUnixUsers;
        try
        {
            await foreach (var state in ledger.WatchAsync(stoppingToken))
            {
                if (state.Governance.Roles.NamesUnixUsers == isOpen || !File.Exists(options.AdminSocket)) continue;
                isOpen = !isOpen;
                AdminSocket.SetAccess(options.AdminSocket, isOpen);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }
}
