namespace Identity.Server.Endpoints;

/// <summary>
/// A call of somebody who has proven nothing. Whoever opens calls and does not finish them, or watches for ever, holds room that others want: after a while it is
/// cut off.
/// </summary>
internal sealed class StrangerCall : IDisposable
{
    /// <summary>Longer than an honest one takes: the slowest waits for a signature.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly HttpContext _call;
    private readonly ITimer _timer;
    private bool _isOver;

    public StrangerCall(HttpContext call, TimeProvider time)
    {
        _call = call;
        _timer = time.CreateTimer(static stranger => ((StrangerCall)stranger!).CutOff(), this, Patience, Timeout.InfiniteTimeSpan);
    }

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
