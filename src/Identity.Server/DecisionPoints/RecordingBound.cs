namespace Identity.Server.DecisionPoints;

/// <summary>So many in a minute and no more.</summary>
internal sealed class RecordingBound(int maxPerMinute)
{
    private readonly Lock _gate = new();
    private long _minute;
    private int _count;

    /// <param name="weight">As how many it counts.</param>
    public bool HasRoom(TimeProvider time, int weight = 1)
    {
        lock (_gate)
        {
            if (_count == 0 || time.GetElapsedTime(_minute) > TimeSpan.FromMinutes(1)) (_minute, _count) = (time.GetTimestamp(), 0);
            return (_count = Math.Min(_count, maxPerMinute) + weight) <= maxPerMinute;
        }
    }
}
