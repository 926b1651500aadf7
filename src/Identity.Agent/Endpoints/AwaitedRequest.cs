namespace Identity.Agent.Endpoints;

/// <summary>A call whose request has not come yet. Whoever opens calls and says nothing holds room that others want: after a while it is cut off.</summary>
internal sealed class AwaitedRequest : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ITimer _timer;

    public AwaitedRequest(HttpContext call, TimeProvider time) =>
        _timer = time.CreateTimer(static call => ((HttpContext)call!).Abort(), call, Patience, Timeout.InfiniteTimeSpan);

    /// <summary>It came, and may take as long as it likes.</summary>
    public void Came() => _timer.Dispose();

    public void Dispose() => _timer.Dispose();
}
