namespace Identity.Server.ComponentPolicy;

/// <summary>Why a step goes on though its time is over.</summary>
/// <param name="Until">No longer than until then.</param>
internal sealed record StageWait(string Why, DateTimeOffset Until)
{
    /// <summary>It is over as soon as enough is confirmed.</summary>
    public bool IsForConfirmation { get; init; }
}

/// <summary>What a change would deny, or may, of what nobody can prove to run, or of which nobody here knows what it asked for.</summary>
/// <param name="Why">As a part of a sentence; empty when there is none.</param>
internal sealed record UnprovenDenials(ulong Count, string Why)
{
    public static UnprovenDenials None { get; } = new(0, "");
}

/// <summary>What was looked at for one staged change since this process started. One writer; readers see each value whole.</summary>
internal sealed class StageTally
{
    private const int MaxKnown = 1000;

    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private long _checked;
    private long _wouldDeny;
    private long _restarts;
    private long _soaksFrom;
    private volatile string _example = "";
    private StageWait? _wait;
    private long _claimsWouldDeny;
    private long _claimsNotTried;
    private volatile string _claimsExample = "";
    private long _heldWouldDeny;
    private UnprovenDenials _unproven = UnprovenDenials.None;

    public ulong Checked => (ulong)Interlocked.Read(ref _checked);

    /// <summary>What would be denied and halts nothing in this step.</summary>
    public ulong WouldDeny => (ulong)Interlocked.Read(ref _wouldDeny);

    /// <summary>The newest of these, as a sentence.</summary>
    public string Example => _example;

    /// <summary>How often the soak began anew because more happened than could be tried.</summary>
    public ulong Restarts => (ulong)Interlocked.Read(ref _restarts);

    /// <summary>Of what strangers say is asked, and of the yeses they hold: how much would be denied. Halts nothing in any step.</summary>
    public ulong ClaimsWouldDeny => (ulong)(Interlocked.Read(ref _claimsWouldDeny) + Interlocked.Read(ref _heldWouldDeny));

    /// <summary>When the yeses that are held were first looked at; null while they were not. What was given later is a claim of its own.</summary>
    public DateTimeOffset? HeldUntil { get; set; }

    /// <summary>The newest of these, as a sentence.</summary>
    public string ClaimsExample => _claimsExample;

    /// <summary>What must be confirmed before it is put into force, as it was looked at last.</summary>
    public UnprovenDenials Unproven
    {
        get => Volatile.Read(ref _unproven);
        set => Volatile.Write(ref _unproven, value);
    }

    /// <summary>What strangers asked and nobody looked at, because they asked too much.</summary>
    public ulong ClaimsNotTried => (ulong)Interlocked.Read(ref _claimsNotTried);

    /// <summary>Why the step does not end though its time is over, as it was last looked at; null otherwise.</summary>
    public StageWait? Wait
    {
        get => Volatile.Read(ref _wait);
        set => Volatile.Write(ref _wait, value);
    }

    /// <summary>The soak counts from here at the earliest.</summary>
    public DateTimeOffset SoaksFrom => new(Interlocked.Read(ref _soaksFrom), TimeSpan.Zero);

    public void Look() => Interlocked.Increment(ref _checked);

    public void CountDenial(string why)
    {
        Interlocked.Increment(ref _wouldDeny);
        _example = why;
    }

    public void CountClaim(string why)
    {
        Interlocked.Increment(ref _claimsWouldDeny);
        _claimsExample = why;
    }

    /// <summary>Of the yeses that are held, in place of what was counted before.</summary>
    public void SetHeld(long wouldDeny, string why)
    {
        Interlocked.Exchange(ref _heldWouldDeny, wouldDeny);
        if (wouldDeny > 0) _claimsExample = why;
    }

    public void CountClaimsNotTried(long count) => Interlocked.Add(ref _claimsNotTried, count);

    /// <summary>Counted once, however often everything that runs is looked at.</summary>
    public void CountOnce(string why)
    {
        if (_known.Count < MaxKnown && _known.Add(why)) CountDenial(why);
    }

    public void Restart(DateTimeOffset now)
    {
        Interlocked.Exchange(ref _soaksFrom, now.UtcTicks);
        Interlocked.Increment(ref _restarts);
    }
}
