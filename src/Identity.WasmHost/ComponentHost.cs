using Identity.WasmHost.Supervision;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Spiffe.Net.WorkloadApi;

namespace Identity.WasmHost;

/// <summary>The host's one loop: become someone, then supervise every configured component until told to stop.</summary>
internal sealed partial class ComponentHost(
    ComponentHostOptions options, StoryLine story, WorkerCommand command, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ComponentHost> log) : BackgroundService
{
    /// <summary>What the process exits with: 0, or 1 when it could not do its work.</summary>
    public int ExitCode { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await ServeAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop while waiting for an identity.
        }
        catch (Exception e) when (e is WorkloadApiException or IOException or UnauthorizedAccessException)
        {
            LogFault(e.Message);
            ExitCode = 1;
            lifetime.StopApplication();
        }
    }

    private async Task ServeAsync(CancellationToken cancellation)
    {
        var components = new List<ComponentFile>();
        foreach (var (name, file) in options.Components) components.Add(new ComponentFile(name, await File.ReadAllBytesAsync(file, cancellation)));
        await using var source = await X509Source.CreateAsync(
            new WorkloadApiClientOptions { Endpoint = options.WorkloadSocket, TimeProvider = time, Logger = log, StartTimeout = Timeout.InfiniteTimeSpan }, cancellation: cancellation);
        using var broker = new AgentBroker(options.BrokerSocket, options.TrustDomain, source);
        story.Tell("ready identity-host", ("id", source.Svid.Id.ToString()));
        await Task.WhenAll(components.Select(component => SuperviseAsync(component, broker, cancellation)));
        // Every component is refused for good: stay, so that a supervisor of ours does not restart us in a loop.
        await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellation);
    }

    private async Task SuperviseAsync(ComponentFile component, AgentBroker broker, CancellationToken cancellation)
    {
        await using var supervisor = new ComponentSupervisor(component, broker, command, options.Nats, story, time, log);
        await supervisor.RunAsync(cancellation);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "This host cannot serve: {Problem}")]
    private partial void LogFault(string problem);
}
