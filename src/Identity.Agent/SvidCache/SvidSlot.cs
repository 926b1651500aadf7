using Google.Protobuf;
using Identity.Agent.ControlPlane;
using Spiffe.Net;

namespace Identity.Agent.SvidCache;

/// <summary>One entry's place in the cache: what is held, who waits, and when to ask again.</summary>
internal sealed class SvidSlot(AuthorizedEntry entry)
{
    // Longer than any pause after a failure.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    // Some ten seconds of them. A server that is just starting may refuse for a moment what it will sign.
    private const int ManyRefusals = 5;

    private readonly Lock _lock = new();
    private readonly BackOff _backOff = new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(5));
    private bool _hasFailed;
    private volatile int _refusals;
    private TaskCompletionSource _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile CachedX509Svid? _current;
    private long _nextAttempt = DateTimeOffset.MinValue.UtcTicks;
    private bool _isGivenUp;

    public AuthorizedEntry Entry => entry;

    public CachedX509Svid? Current => _current;

    public DateTimeOffset NextAttempt => new(Volatile.Read(ref _nextAttempt), TimeSpan.Zero);

    /// <summary>Whether it is time to ask again. After a failure it is so as well when the clock was set back: no pause is as long as the step.</summary>
    public bool IsDueAt(DateTimeOffset now)
    {
        var next = NextAttempt;
        return next <= now || (Volatile.Read(ref _hasFailed) && next - now > LongestPause && next != DateTimeOffset.MaxValue);
    }

    /// <summary>True when the server refused this entry by name, for good or many times over, since it last issued for it.</summary>
    public bool IsRefused => _refusals >= ManyRefusals;

    /// <summary>Completes with the next answer, good or bad.</summary>
    public Task Answer
    {
        get
        {
            lock (_lock) return _answer.Task;
        }
    }

    public CachedX509Svid? ValidAt(DateTimeOffset now) => _current is { } svid && now < svid.NotAfter ? svid : null;

    public void Succeed(CachedX509Svid svid, DateTimeOffset notBefore)
    {
        _current = svid;
        _refusals = 0;
        _backOff.Reset();
        Volatile.Write(ref _hasFailed, false);
        Answered(BackOff.HalfLife(notBefore, svid.NotAfter));
    }

    public void Fail(DateTimeOffset now)
    {
        Volatile.Write(ref _hasFailed, true);
        Answered(now + _backOff.Next());
    }

    /// <summary>As <see cref="Fail"/>, of this entry alone.</summary>
    public void Refuse(DateTimeOffset now, bool isForGood)
    {
        _refusals = isForGood ? ManyRefusals : Math.Min(_refusals + 1, ManyRefusals);
        Fail(now);
    }

    public void RetryNowIfEmpty()
    {
        lock (_lock)
        {
            if (_current is null && !_isGivenUp) Volatile.Write(ref _nextAttempt, DateTimeOffset.MinValue.UtcTicks);
        }
    }

    /// <summary>For good: nobody will ask for this slot again, whatever answer is still under way. Those who wait go on without, and nobody waits from now on.</summary>
    public void GiveUp()
    {
        lock (_lock) _isGivenUp = true;
        Answered(DateTimeOffset.MaxValue);
    }

    private void Answered(DateTimeOffset nextAttempt)
    {
        TaskCompletionSource answered;
        lock (_lock)
        {
            Volatile.Write(ref _nextAttempt, _isGivenUp ? DateTimeOffset.MaxValue.UtcTicks : nextAttempt.UtcTicks);
            (answered, _answer) = (_answer, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        answered.TrySetResult();
    }
}

/// <summary>An SVID as the Workload API and the Broker API carry it. A class, not a record: printing one must not print the key.</summary>
internal sealed class CachedX509Svid(SpiffeId id, DateTimeOffset notAfter, ByteString chain, ByteString privateKey)
{
    public SpiffeId Id => id;

    public DateTimeOffset NotAfter => notAfter;

    /// <summary>DER laid end to end, leaf first.</summary>
    public ByteString Chain => chain;

    /// <summary>Unencrypted PKCS#8.</summary>
    public ByteString PrivateKey => privateKey;
}
