using Identity.Agent.ControlPlane;

namespace Identity.Agent.WorkloadApi;

/// <summary>An entry that expires is a change that nobody pushes: this says so at its hour, and no stream outlives its entry.</summary>
internal sealed class EntryExpiry(ViewHolder views, ChangeFeed changes, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var change = changes.Current;
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            var next = NextAfter(time.GetUtcNow());
            var due = Task.Delay(WaitUntil(next), time, waiting.Token);
            var first = await Task.WhenAny(due, change.Passed);
            await waiting.CancelAsync();
            if (first == due && time.GetUtcNow() >= next) changes.Signal();
        }
    }

    private DateTimeOffset? NextAfter(DateTimeOffset now)
    {
        var (seconds, next) = (now.ToUnixTimeSeconds(), long.MaxValue);
        foreach (var entry in views.Current?.Entries.All ?? [])
        {
            if (entry.ExpiresAt > seconds && entry.ExpiresAt < next) next = entry.ExpiresAt;
        }

        return next == long.MaxValue ? null : DateTimeOffset.FromUnixTimeSeconds(next);
    }

    private TimeSpan WaitUntil(DateTimeOffset? moment)
    {
        if (moment is null) return Timeout.InfiniteTimeSpan;
        // Timers count whole milliseconds and may be early by a fraction of one.
        var wait = moment.Value - time.GetUtcNow() + TimeSpan.FromMilliseconds(1);
        return wait < LongestWait ? (wait > TimeSpan.Zero ? wait : TimeSpan.Zero) : LongestWait;
    }
}
