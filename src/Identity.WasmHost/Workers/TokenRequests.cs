using System.Collections.Concurrent;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Workers;

/// <summary>
/// Asks the supervisor for JWT-SVIDs of the one component this worker runs. Whose token it is cannot be said here: the supervisor knows by
/// the channel, so nothing a guest says can change it.
/// </summary>
internal sealed class TokenRequests(WorkerChannel channel)
{
    /// <summary>Longer audiences are refused before they leave the worker.</summary>
    public const int MaxAudience = 1024;

    private readonly ConcurrentDictionary<int, TaskCompletionSource<TokenAnswer>> waiting = new();
    private int lastRequest;

    public async Task<TokenAnswer> AskAsync(string audience, CancellationToken cancellation)
    {
        var request = Interlocked.Increment(ref lastRequest);
        var answered = new TaskCompletionSource<TokenAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[request] = answered;
        try
        {
            await channel.SendAsync(new TokenWanted { Request = request, Audience = audience }, cancellation);
            return await answered.Task.WaitAsync(cancellation);
        }
        finally
        {
            waiting.TryRemove(request, out _);
        }
    }

    public void Complete(TokenAnswer answer)
    {
        if (waiting.TryRemove(answer.Request, out var answered)) answered.TrySetResult(answer);
    }
}
