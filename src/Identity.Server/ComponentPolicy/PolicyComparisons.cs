using Grpc.Core;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Comparisons, and what else somebody asks for that reads policies anew: a few at once, since each may cost seconds of a processor, the newest comparisons
/// kept, and more than so many waiting are refused.
/// Writers of policy have no part in it: whoever only asks holds up no change.
/// </summary>
internal sealed class PolicyComparisons(TimeProvider time, int atOnce, int maxWaiting) : IDisposable
{
    // Each holds at most a few thousand lines.
    private const int MaxKept = 32;

    private readonly SemaphoreSlim _room = new(atOnce);
    private readonly Lock _lock = new();
    private readonly LinkedList<(Key Key, DifferenceSummary Summary)> _kept = [];
    private int _inside;

    public PolicyComparisons(TimeProvider time) : this(time, Math.Max(1, Environment.ProcessorCount / 2), maxWaiting: 32)
    {
    }

    /// <param name="Before">The revision of policy that is compared.</param>
    /// <param name="After">What with: the id of a proposal, or a revision.</param>
    public readonly record struct Key(ulong Before, string After);

    /// <param name="compare">Compiles and compares; not called when the answer is known.</param>
    /// <exception cref="RpcException">Too many wait.</exception>
    public async Task<DifferenceSummary> OfAsync(Key key, Func<DifferenceSummary> compare, CancellationToken cancellation) =>
        Find(key) ?? await RunAsync(() => Find(key) ?? Keep(key, compare()), cancellation);

    /// <summary>Runs what costs as much as a comparison, when there is room.</summary>
    /// <exception cref="RpcException">Too many wait.</exception>
    public async Task<T> RunAsync<T>(Func<T> costly, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _inside) > atOnce + maxWaiting)
        {
            Interlocked.Decrement(ref _inside);
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, $"{atOnce} comparisons of policies, or looks into the past, run and {maxWaiting} more wait already; ask again later; files are compared without a server by `identity policy diff`"));
        }

        try
        {
            await _room.WaitAsync(cancellation);
            try
            {
                // A thread of its own: those of the pool answer everybody else.
                return await Task.Factory.StartNew(costly, cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
            finally
            {
                _room.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }

    public void Dispose() => _room.Dispose();

    private DifferenceSummary? Find(Key key)
    {
        var now = time.GetUtcNow();
        lock (_lock)
        {
            for (var node = _kept.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key) continue;
                _kept.Remove(node);
                if (node.Value.Summary.HoldsUntil <= now) return null;
                _kept.AddFirst(node);
                return node.Value.Summary;
            }
        }

        return null;
    }

    private DifferenceSummary Keep(Key key, DifferenceSummary summary)
    {
        lock (_lock)
        {
            _kept.AddFirst((key, summary));
            if (_kept.Count > MaxKept) _kept.RemoveLast();
        }

        return summary;
    }
}
