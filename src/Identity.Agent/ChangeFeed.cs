using System.Runtime.CompilerServices;

namespace Identity.Agent;

/// <summary>
/// Tells open streams that something they depend on moved: entries, bundle, policy or an SVID. They look for themselves at what. One object for
/// all of them, so that ten thousand silent streams cost nothing here.
/// </summary>
internal sealed class ChangeFeed
{
    private readonly Lock _lock = new();
    private volatile Change _current = new(1);

    /// <summary>The state of things at this moment. Take it before looking, and what comes while looking is not missed.</summary>
    public Change Current => _current;

    public void Signal()
    {
        Change passed;
        lock (_lock)
        {
            passed = _current;
            _current = new Change(passed.Number + 1);
        }

        passed.Pass();
    }

    /// <summary>Yields once at once, then after each change; changes that come while the reader is busy become one.</summary>
    public async IAsyncEnumerable<bool> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        while (true)
        {
            var change = _current;
            yield return true;
            await change.Passed.WaitAsync(cancellation);
        }
    }
}

/// <summary>A moment between two changes.</summary>
internal sealed class Change(long number)
{
    // Those who wait go on in the pool, never one after another within Signal.
    private readonly TaskCompletionSource _passed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public long Number => number;

    /// <summary>Completes with the next change.</summary>
    public Task Passed => _passed.Task;

    public void Pass() => _passed.TrySetResult();
}
