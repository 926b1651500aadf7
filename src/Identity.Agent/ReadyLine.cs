using Identity.Agent.ControlPlane;
using Identity.Agent.NodeEnrollment;

namespace Identity.Agent;

/// <summary>Says once, on standard output, that the sockets are open and the agent has something to answer with.</summary>
internal sealed class ReadyLine(
    AgentOptions options, NodeIdentity identity, ViewHolder views, IHostApplicationLifetime lifetime, TextWriter output) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(() => started.TrySetResult());
        await Task.WhenAll(started.Task, views.First).WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // It ends before it was ready, and says why elsewhere.
        if (stoppingToken.IsCancellationRequested) return;
        await output.WriteLineAsync(
            $"ready identity-agent id={identity.Current.Id} workload=unix://{options.WorkloadSocket} broker=unix://{options.BrokerSocket}".AsMemory(), stoppingToken);
        await output.FlushAsync(stoppingToken);
    }
}
