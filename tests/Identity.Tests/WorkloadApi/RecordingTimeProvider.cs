namespace Identity.Tests.WorkloadApi;

/// <summary>Writes down how long it is asked to wait, and waits for none of it.</summary>
internal sealed class RecordingTimeProvider : TimeProvider
{
    private readonly List<TimeSpan> _delays = [];
    private (int Count, Action Then) _end = (int.MaxValue, () => { });

    public IReadOnlyList<TimeSpan> Delays
    {
        get
        {
            lock (_delays) return [.. _delays];
        }
    }

    /// <summary>Does something when it was asked to wait this often.</summary>
    public void After(int count, Action then) => _end = (count, then);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        int count;
        lock (_delays)
        {
            _delays.Add(dueTime);
            count = _delays.Count;
        }

        if (count >= _end.Count) _end.Then();
        return base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
