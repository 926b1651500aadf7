using System.Security.Cryptography;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Waits between attempts: none after a stream that worked has ended (SPIFFE Workload API §4.2: reconnect at once), growing ones after an
/// attempt that failed or was refused (SPIFFE Workload Endpoint §6). Belongs to one loop.
/// </summary>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider timeProvider)
{
    // Below this a stream counts as failed although it delivered: an endpoint that ends each stream at once must not make us spin.
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(5);

    private int _failures;
    private long _attemptStarted = timeProvider.GetTimestamp();
    private bool _hasDelivered;

    public void AttemptStarts()
    {
        _attemptStarted = timeProvider.GetTimestamp();
        _hasDelivered = false;
    }

    public void Delivered() => _hasDelivered = true;

    /// <param name="refused">The endpoint has answered, and the answer was no: asking again at once is pointless.</param>
    public Task WaitAsync(bool refused, CancellationToken cancellation)
    {
        if (_hasDelivered && timeProvider.GetElapsedTime(_attemptStarted) >= Healthy) _failures = 0;
        var isFirst = _failures++ == 0;
        return isFirst && _hasDelivered && !refused ? Task.CompletedTask : Task.Delay(DelayAfter(_failures), timeProvider, cancellation);
    }

    private TimeSpan DelayAfter(int failures)
    {
        var plain = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, 30)));

        // Up to a fifth less, so that the clients of one endpoint do not come back all at once.
        return TimeSpan.FromMilliseconds(plain * (1 - (RandomNumberGenerator.GetInt32(0, 200) / 1000.0)));
    }
}
