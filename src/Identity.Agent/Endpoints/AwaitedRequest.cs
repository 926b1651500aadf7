namespace Identity.Agent.Endpoints;

/// <summary>A call whose request has not come yet. Whoever opens calls and says nothing holds room that others want: after a while it is cut off.</summary>
internal sealed class AwaitedRequest : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly HttpContext _call;
    private readonly ITimer _timer;
    private bool _isOver;

    public AwaitedRequest(HttpContext call, TimeProvider time)
    {
        _call = call;
        _timer = time.CreateTimer(static request => ((AwaitedRequest)request!).CutOff(), this, Patience, Timeout.InfiniteTimeSpan);
    }

    /// <summary>It came, and may take as long as it likes.</summary>
    public void Came() => Dispose();

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
