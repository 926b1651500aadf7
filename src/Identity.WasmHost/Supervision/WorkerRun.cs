using System.Diagnostics;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Supervision;

/// <summary>
/// One life of one worker process: start it, hand it its component, answer for that component's tokens only, kill it when it is late or no
/// longer wanted. Whatever the worker does can end nothing but itself.
/// </summary>
/// <param name="fetchToken">Gives a JWT-SVID of this component for an audience, or says why not.</param>
/// <param name="observe">Sees every message of the worker except requests for tokens, in order.</param>
internal sealed class WorkerRun(
    WorkerCommand command,
    AdmittedComponent component,
    Func<string, CancellationToken, Task<TokenResult>> fetchToken,
    Action<WorkerMessage> observe,
    TimeProvider time)
{
    private static readonly TimeSpan TimeToReady = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan TimeForToken = TimeSpan.FromSeconds(10);

    // From closing its output to being gone.
    private static readonly TimeSpan TimeToExit = TimeSpan.FromSeconds(2);

    // The guest's own deadline is met in the worker; this is for the worker that is stuck outside guest code.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // A worker speaks seldom; one that floods us is broken or hostile. In any ten minutes, for it may live for months.
    private const int MaxMessages = 10_000;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    public int ProcessId { get; private set; }

    /// <summary>Returns when the worker is gone. Cancellation kills it at once, its NATS connection with it.</summary>
    public async Task<WorkerEnd> RunAsync(CancellationToken cancellation)
    {
        using var process = command.Start();
        ProcessId = process.Id;
        using var channel = new WorkerChannel(
            process.StandardOutput.BaseStream, process.StandardInput.BaseStream, WorkerChannel.MaxFromWorker);
        using var late = new CancellationTokenSource(TimeToReady, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);
        WorkerEnd? end = null;
        try
        {
            end = await ConverseAsync(channel, late, either.Token);
        }
        catch (OperationCanceledException)
        {
            end = cancellation.IsCancellationRequested ? new WorkerEnd.Stopped() : new WorkerEnd.Killed("it did not finish in time");
        }
        catch (InvalidDataException e)
        {
            end = new WorkerEnd.Killed($"it broke the protocol: {e.Message}");
        }
        catch (IOException)
        {
            // The pipe broke because the process did; its exit code says more.
        }
        finally
        {
            // One that has closed its output may be about to exit, or mean to live on unseen.
            if (end is null && !await ExitsAsync(process, cancellation))
                end = cancellation.IsCancellationRequested ? new WorkerEnd.Stopped() : new WorkerEnd.Killed("it closed its output and lived on");

            if (end is not null) process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        return end ?? new WorkerEnd.Died(process.ExitCode);
    }

    private async Task<bool> ExitsAsync(Process process, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(TimeToExit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        try
        {
            await process.WaitForExitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<WorkerEnd?> ConverseAsync(WorkerChannel channel, CancellationTokenSource late, CancellationToken cancellation)
    {
        var messages = 0;
        var since = time.GetTimestamp();
        var stage = Stage.Loading;
        await foreach (var message in channel.ReadAllAsync(cancellation))
        {
            if (time.GetElapsedTime(since) > Window) (since, messages) = (time.GetTimestamp(), 0);
            if (++messages > MaxMessages) return new WorkerEnd.Killed($"it sent more than {MaxMessages} messages");
            switch (message)
            {
                case WorkerReady when stage == Stage.Loading:
                    stage = Stage.Starting;
                    late.CancelAfter(TimeSpan.FromMilliseconds(component.Limits.StartMilliseconds));
                    await channel.SendAsync(Start(), cancellation);
                    break;
                case ComponentStarted when stage == Stage.Starting:
                    stage = Stage.Running;
                    late.CancelAfter(TimeSpan.FromMilliseconds(component.Limits.CallMilliseconds) + Grace);
                    break;
                case GuestReturned when stage == Stage.Running:
                    stage = Stage.Returned;
                    late.CancelAfter(Timeout.InfiniteTimeSpan);
                    break;
                case TokenWanted wanted:
                    await channel.SendAsync(await AnswerAsync(wanted, cancellation), cancellation);
                    continue;
                case ComponentRefused refused:
                    observe(message);
                    return new WorkerEnd.Refused(PrintableText.Of(refused.Problem, 2048), refused.IsAlarm);
                case GuestTrapped trapped:
                    observe(message);
                    return new WorkerEnd.Trapped(trapped.Cause, PrintableText.Of(trapped.Text, 2048));
                case NatsChanged or GuestPrinted:
                    break;
                default:
                    return new WorkerEnd.Killed($"it sent {message.GetType().Name}, which is not its to send now");
            }

            observe(message);
        }

        return null;
    }

    // Each is said once and in this order; a worker that says one again is after the time or the output that it opens.
    private enum Stage
    {
        Loading,
        Starting,
        Running,
        Returned,
    }

    private StartComponent Start() => new()
    {
        Name = component.Name,
        Component = component.Bytes.ToArray(),
        Imports = component.Imports,
        Exports = component.Exports,
        Limits = component.Limits,
        Nats = component.Nats,
        HostHasNats = component.HostHasNats,
        Traceparent = component.Traceparent,
    };

    private async Task<TokenAnswer> AnswerAsync(TokenWanted wanted, CancellationToken cancellation)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(TimeForToken);
        try
        {
            return await fetchToken(wanted.Audience, timeout.Token) switch
            {
                TokenResult.Issued issued => new TokenAnswer { Request = wanted.Request, Token = issued.Token },
                TokenResult.Refused refused => new TokenAnswer { Request = wanted.Request, Problem = refused.Problem },
                _ => new TokenAnswer { Request = wanted.Request, Problem = "no answer" },
            };
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new TokenAnswer { Request = wanted.Request, Problem = "the agent did not answer in time" };
        }
    }
}

/// <summary>Classes: one of them holds a token.</summary>
internal abstract class TokenResult
{
    private TokenResult()
    {
    }

    public sealed class Issued(string token) : TokenResult
    {
        public string Token { get; } = token;
    }

    public sealed class Refused(string problem) : TokenResult
    {
        public string Problem { get; } = problem;
    }
}
