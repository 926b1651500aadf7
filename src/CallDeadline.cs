namespace Identity;

/// <summary>
/// How long a call may hold room that others want, when its caller has proven nothing, or has not sent its request yet: whoever opens calls and does not finish
/// them is cut off. Compiled into each process that needs it.
/// </summary>
internal sealed class CallDeadline : IDisposable
{
    /// <summary>Longer than an honest call takes: the slowest waits for a signature.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly HttpContext _call;
    private readonly ITimer _timer;
    private bool _isOver;

    public CallDeadline(HttpContext call, TimeProvider time)
    {
        _call = call;
        _timer = time.CreateTimer(static deadline => ((CallDeadline)deadline!).CutOff(), this, Patience, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The call may take as long as it likes from now on.</summary>
    public void Lift() => Dispose();

    public void Dispose()
    {
        lock (_lock) _isOver = true;
        _timer.Dispose();
    }

    // A timer may go off while it is disposed of; the call is another's by then, or nobody's.
    private void CutOff()
    {
        lock (_lock)
        {
            if (!_isOver) _call.Abort();
        }
    }
}
