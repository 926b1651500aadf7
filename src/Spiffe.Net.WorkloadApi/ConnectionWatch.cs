namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Ends one connection when an SVID it was made with ends: in order, so that what runs on it may finish, and by force after <see cref="Grace"/>, because a request that
/// never ends would otherwise be believed for ever.
/// </summary>
internal sealed class ConnectionWatch : IDisposable
{
    /// <summary>From the request to close until the connection is cut.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    // A newer bundle may refuse the peer of a connection on which nobody asks; no timer may be longer than 49 days.
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly PeerCheck _peer;
    private readonly Action _close;
    private readonly Action _cut;
    private readonly ITimer _timer;
    private volatile bool _isClosing;
    private long _closingSince;
    private bool _isCut;

    /// <param name="peer">Verified; from now on told here when it turns out to be nobody.</param>
    /// <param name="close">Asks for no new requests. Called once.</param>
    /// <param name="cut">Ends what is left. Called once, unless disposed before.</param>
    public ConnectionWatch(PeerCheck peer, Action close, Action cut)
    {
        (_peer, _close, _cut) = (peer, close, cut);
        _timer = peer.TimeProvider.CreateTimer(_ => LookAround(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        lock (_lock)
        {
            peer.OnNobody = Close;
            LookLater();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void LookAround()
    {
        try
        {
            Look();
        }
#pragma warning disable CA1031 // A logger's fault, on a thread of nobody's: it ends this connection and not the process.
        catch (Exception)
#pragma warning restore CA1031
        {
            Close();
        }
    }

    // Others' code, such as a logger's, runs in here, and never while the lock is held.
    private void Look()
    {
        if (_isClosing)
        {
            if (IsGraceOver()) _cut();
        }
        else if (_peer.FindIdNow() is null || _peer.TimeProvider.GetUtcNow() > _peer.Until)
        {
            Close();
        }
        else
        {
            lock (_lock)
            {
                if (!_isClosing) LookLater();
            }
        }
    }

    // A timer that came due to look may find that a request asked to close in this very moment: the grace is still to come, and its timer.
    private bool IsGraceOver()
    {
        lock (_lock)
        {
            var left = Grace - _peer.TimeProvider.GetElapsedTime(_closingSince);
            if (_isCut || left > TimeSpan.Zero)
            {
                // Timers may be early by a fraction of a millisecond.
                if (!_isCut) _timer.Change(left + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                return false;
            }

            return _isCut = true;
        }
    }

    // From the timer, or from a request that found out first.
    private void Close()
    {
        lock (_lock)
        {
            if (_isClosing) return;
            _isClosing = true;
            _closingSince = _peer.TimeProvider.GetTimestamp();
            _timer.Change(Grace, Timeout.InfiniteTimeSpan);
        }

        _close();
    }

    private void LookLater()
    {
        // It is trusted until then, and that moment included.
        var left = _peer.Until - _peer.TimeProvider.GetUtcNow() + TimeSpan.FromMilliseconds(1);
        _timer.Change(left < TimeSpan.Zero ? TimeSpan.Zero : left < LookAgain ? left : LookAgain, Timeout.InfiniteTimeSpan);
    }
}
