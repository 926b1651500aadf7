using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Agent;

/// <summary>A clock that stands still and knows who waits on it, so that a test moves it when the code under test has come round to waiting, and not after a guess.</summary>
internal sealed class WatchedClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly HashSet<Waiting> _waiting = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var waiting = new Waiting(this, period);
        Await(waiting, dueTime);
        var inner = base.CreateTimer(
            held =>
            {
                Await(waiting, waiting.Period);
                callback(held);
            },
            state, dueTime, period);
        waiting.Join(inner);
        return waiting;
    }

    /// <summary>Until so many wait for a moment between these two, both included.</summary>
    public async Task AwaitedAsync(DateTimeOffset from, DateTimeOffset to, int count = 1)
    {
        while (true)
        {
            Task changed;
            List<DateTimeOffset> due;
            lock (_lock)
            {
                changed = _changed.Task;
                due = [.. _waiting.Select(waiting => waiting.Due)];
            }

            if (due.Count(moment => from <= moment && moment <= to) >= count) return;
            try
            {
                await changed.WaitAsync(Patience, TestContext.Current.CancellationToken);
            }
            catch (TimeoutException)
            {
                Assert.Fail($"expected {count} to wait for a moment between {from:O} and {to:O}; awaited are {string.Join(", ", due.Order().Select(moment => $"{moment:O}"))}");
            }
        }
    }

    /// <summary>Until so many wait for this moment.</summary>
    public Task AwaitedAsync(DateTimeOffset moment, int count = 1) => AwaitedAsync(moment, moment, count);

    /// <summary>Until <paramref name="task"/> is complete, moves on to each moment that somebody waits for and that is no further off than this.</summary>
    public async Task MoveOnUntilAsync(Task task, TimeSpan steps)
    {
        while (!task.IsCompleted)
        {
            Task changed;
            TimeSpan? step;
            lock (_lock)
            {
                changed = _changed.Task;
                var now = GetUtcNow();
                step = _waiting.Select(waiting => waiting.Due - now).Where(wait => wait <= steps).Select(wait => (TimeSpan?)wait).Min();
            }

            // A moment that has passed was written down while the clock moved: its timer counts from after that.
            if (step is { } wait) Advance(wait > TimeSpan.Zero ? wait : TimeSpan.FromSeconds(1));
            else await Task.WhenAny(task, changed).WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
    }

    private void Await(Waiting waiting, TimeSpan wait)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            _waiting.Remove(waiting);
            if (wait >= TimeSpan.Zero && !waiting.IsOver)
            {
                waiting.Due = GetUtcNow() + wait;
                _waiting.Add(waiting);
            }

            (changed, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        changed.TrySetResult();
    }

    private sealed class Waiting(WatchedClock clock, TimeSpan period) : ITimer
    {
        private ITimer? _inner;

        public TimeSpan Period { get; private set; } = period;

        public DateTimeOffset Due { get; set; }

        public bool IsOver { get; private set; }

        /// <summary>It may have been disposed of by then, by what it called while it was made.</summary>
        public void Join(ITimer inner)
        {
            _inner = inner;
            if (IsOver) inner.Dispose();
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Period = period;
            clock.Await(this, dueTime);
            return _inner!.Change(dueTime, period);
        }

        public void Dispose()
        {
            IsOver = true;
            clock.Await(this, Timeout.InfiniteTimeSpan);
            _inner?.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
