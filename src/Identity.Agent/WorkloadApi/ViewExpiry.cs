using Identity.Agent.ControlPlane;

namespace Identity.Agent.WorkloadApi;

/// <summary>
/// An entry or a key that expires is a change that nobody pushes: this says so at its hour. No stream outlives its entry, and no token is believed longer than
/// its key.
/// </summary>
internal sealed class ViewExpiry(ViewHolder views, ChangeFeed changes, TimeProvider time) : BackgroundService
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
            await Task.WhenAny(due, change.Passed);
            await waiting.CancelAsync();
            // A change may be that the clock was set: the hour counts, not the timer.
            if (!(time.GetUtcNow() >= next)) continue;
            views.DropExpiredKeys();
            changes.Signal();
        }
    }

    private DateTimeOffset? NextAfter(DateTimeOffset now)
    {
        if (views.Current is not { } view) return null;
        var (seconds, next) = (now.ToUnixTimeSeconds(), view.NextKeyExpiry(now) ?? long.MaxValue);
        foreach (var entry in view.Entries.All)
        {
            if (entry.ExpiresAt > seconds && entry.ExpiresAt < next) next = entry.ExpiresAt;
        }

        // Past the year 9999 there is no date, and nobody to wait for it.
        return next > AuthorizedEntry.LastSecond ? null : DateTimeOffset.FromUnixTimeSeconds(next);
    }

    private TimeSpan WaitUntil(DateTimeOffset? moment)
    {
        if (moment is null) return Timeout.InfiniteTimeSpan;
        // Timers count whole milliseconds and may be early by a fraction of one.
        var wait = moment.Value - time.GetUtcNow() + TimeSpan.FromMilliseconds(1);
        return wait < LongestWait ? (wait > TimeSpan.Zero ? wait : TimeSpan.Zero) : LongestWait;
    }
}
