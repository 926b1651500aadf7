using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Identity.V1;
using Identity.WasmHost.WorkerProtocol;
using Microsoft.Extensions.Logging;

namespace Identity.WasmHost.Supervision;

/// <summary>
/// Keeps one component as the agent wants it: asks for its admission, runs it while admitted, ends it at once when not, starts it again
/// when its worker dies. While the agent is away the component lives on what is left of its lease.
/// </summary>
internal sealed partial class ComponentSupervisor(
    ComponentFile component, AgentBroker broker, WorkerCommand command, NatsAccess? nats, StoryLine story, TimeProvider time, ILogger log)
    : IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    // Guarded by the one flow that handles answers.
    private AdmittedRun? current;

    /// <summary>Runs until cancelled, or until the agent or the worker says that these bytes can never run.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var pause = FirstRetry;
        using var unusable = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            while (!unusable.IsCancellationRequested)
            {
                var problem = await AskAsync(() => pause = FirstRetry, unusable);
                if (problem is null) return;
                LogAgentAway(component.Name, problem, pause);
                await Task.Delay(pause, time, unusable.Token);
                pause = pause * 2 > LongestRetry ? LongestRetry : pause * 2;
            }
        }
        catch (OperationCanceledException) when (unusable.IsCancellationRequested)
        {
            // Told to stop, or nothing left to ask.
        }
        finally
        {
            await EndAsync(null);
        }
    }

    /// <summary>Ends the component, if <see cref="RunAsync"/> did not come to it.</summary>
    public ValueTask DisposeAsync() => new(EndAsync(null));

    /// <summary>One Admit call from start to end. Null: there is nothing to ask any more; else why to ask again.</summary>
    private async Task<string?> AskAsync(Action onAnswered, CancellationTokenSource unusable)
    {
        try
        {
            await broker.AdmitAsync(
                component,
                answer =>
                {
                    onAnswered();
                    return HandleAsync(answer, unusable);
                },
                unusable.Token);
            return "the agent ended the call";
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.InvalidArgument)
        {
            Tell("refused", ("reason", e.Status.Detail));
            return null;
        }
        catch (RpcException e)
        {
            return $"{e.StatusCode}: {PrintableText.Of(e.Status.Detail, 256)}";
        }
        catch (OperationCanceledException) when (!unusable.IsCancellationRequested)
        {
            return "the call broke off";
        }
    }

    private async Task HandleAsync(AdmitResponse answer, CancellationTokenSource unusable)
    {
        switch (answer.EventCase)
        {
            case AdmitResponse.EventOneofCase.Admitted when answer.Admitted.Digest != component.Digest:
                LogOtherBytes(component.Name, component.Digest);
                await EndAsync("the agent decided about other bytes than were sent");
                break;
            case AdmitResponse.EventOneofCase.Admitted when current?.TryRenew(answer.Admitted) == true:
                break;
            case AdmitResponse.EventOneofCase.Admitted:
                await EndAsync("its admission changed");
                Tell("admitted", ("id", answer.Admitted.SpiffeId), ("decision", answer.Admitted.Decision?.Id), ("digest", component.Digest));
                current = new AdmittedRun(answer.Admitted, time);
                current.Running = KeepRunningAsync(current, answer.Traceparent, unusable);
                break;
            case AdmitResponse.EventOneofCase.Denied:
                await EndAsync(answer.Denied.Summary);
                TellDenied(answer.Denied);
                break;
            case AdmitResponse.EventOneofCase.Ended:
                await EndAsync(answer.Ended.Reason, answer.Ended.Decision?.Id);
                break;
            default:
                // An answer we do not know is no permission.
                await EndAsync("the agent's answer is not understood");
                break;
        }
    }

    private async Task KeepRunningAsync(AdmittedRun run, string? traceparent, CancellationTokenSource unusable)
    {
        var pause = FirstRetry;
        while (!run.Ended.IsCancellationRequested)
        {
            var began = time.GetTimestamp();
            var end = await RunOnceAsync(run, traceparent);
            if (end is WorkerEnd.Stopped) break;
            if (end is WorkerEnd.Refused refused)
            {
                if (refused.IsAlarm) LogAlarm(component.Name, component.Digest, refused.Problem);
                Tell("refused", ("reason", refused.Problem), ("alarm", refused.IsAlarm ? "true" : null));
                // What cannot run must hold no identity either: stop asking, which ends the admission.
                await unusable.CancelAsync();
                return;
            }

            if (time.GetElapsedTime(began) > LongestRetry * 6) pause = FirstRetry;
            Tell("restarting", ("reason", Describe(end)), ("after", $"{pause.TotalMilliseconds:0}ms"));
            try
            {
                await Task.Delay(pause, time, run.Ended);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            pause = pause * 2 > LongestRetry ? LongestRetry : pause * 2;
        }

        if (run.HasExpired) Tell("ended", ("reason", $"its lease ran out at {run.ExpiresAt:O} and was not renewed"));
    }

    private async Task<WorkerEnd> RunOnceAsync(AdmittedRun run, string? traceparent)
    {
        using var activity = HostTelemetry.StartComponent(traceparent, run.Admitted.SpiffeId);
        var admitted = new AdmittedComponent(
            component.Name, component.Bytes, run.Imports(), run.Exports(), run.NatsAccess(nats), run.Limits(), activity?.Id ?? (traceparent is "" ? null : traceparent))
        { HostHasNats = nats is not null };
        var printed = 0;
        WorkerRun worker = null!;
        worker = new WorkerRun(
            command,
            admitted,
            (audience, cancellation) => broker.FetchTokenAsync(run.Admitted.AdmissionId, run.Admitted.SpiffeId, audience, cancellation),
            message => Observe(message, worker.ProcessId, activity, ref printed),
            time);
        try
        {
            return await worker.RunAsync(run.Ended);
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            // No process could be started, or its pipes broke at once: as if it had died.
            LogWorkerFault(component.Name, e.Message);
            return new WorkerEnd.Killed("the worker could not be started");
        }
    }

    private void Observe(WorkerMessage message, int processId, Activity? activity, ref int printed)
    {
        const int maxPrinted = 200;
        switch (message)
        {
            case ComponentStarted:
                HostTelemetry.Starts.Add(1);
                Tell("running", ("pid", processId.ToString(CultureInfo.InvariantCulture)));
                break;
            case GuestReturned returned:
                activity?.Stop();
                story.Tell("guest", ("name", component.Name), ("ok", returned.IsOk ? "true" : "false"), ("said", returned.Text));
                break;
            case GuestPrinted line when printed++ < maxPrinted:
                story.Tell("guest", ("name", component.Name), ("printed", line.Text));
                break;
            case NatsChanged change:
                story.Tell("nats", ("name", component.Name), ("state", change.IsConnected ? "connected" : "disconnected"), ("reason", change.Problem));
                break;
            default:
                break;
        }
    }

    /// <summary>Kills the worker first, and its NATS connection with it; then says so. Does nothing when nothing runs.</summary>
    private async Task EndAsync(string? reason, string? decision = null)
    {
        if (current is not { } run) return;
        current = null;
        // Asked before it is gone: what it ran out of tells its own end.
        var hasExpired = run.HasExpired;
        await run.DisposeAsync();
        if (!hasExpired && reason is not null) Tell("ended", ("reason", reason), ("decision", decision));
    }

    private void TellDenied(Decision denied)
    {
        var first = denied.Reasons.FirstOrDefault();
        Tell(
            "denied",
            ("import", first?.Capability),
            ("nearest", first?.Rule),
            ("why", first?.Explanation ?? denied.Summary),
            ("grant", first?.SmallestGrant),
            ("decision", denied.Id),
            ("also", string.Join(',', denied.Reasons.Skip(1).Select(reason => reason.Capability))));
    }

    private void Tell(string state, params ReadOnlySpan<(string Key, string? Value)> facts) =>
        story.Tell("component", [("name", component.Name), ("state", state), .. facts]);

    private static string Describe(WorkerEnd end) => end switch
    {
        WorkerEnd.Trapped trapped => $"the guest trapped: {trapped.Cause}: {trapped.Text}",
        WorkerEnd.Died died => $"its worker died with {died.ExitCode}",
        WorkerEnd.Killed killed => $"its worker was killed: {killed.Reason}",
        _ => "its worker is gone",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "The agent cannot be asked about {Component}: {Problem}; again in {Pause}")]
    private partial void LogAgentAway(string component, string problem, TimeSpan pause);

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Component} ({Digest}) is not what was admitted: {Problem}")]
    private partial void LogAlarm(string component, string digest, string problem);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The agent decided about other bytes than those of {Component} ({Digest})")]
    private partial void LogOtherBytes(string component, string digest);

    [LoggerMessage(Level = LogLevel.Error, Message = "The worker of {Component} failed: {Problem}")]
    private partial void LogWorkerFault(string component, string problem);
}
