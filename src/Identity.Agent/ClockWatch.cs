namespace Identity.Agent;

/// <summary>
/// Timers count the time that passes; SVIDs and entries end by the clock. After a machine has slept, or its clock was set, they differ, and whoever waits for an hour
/// would wake too late. This notices, and calls it a change: everybody looks at the clock again.
/// </summary>
internal sealed partial class ClockWatch(ChangeFeed changes, TimeProvider time, ILogger<ClockWatch> log) : BackgroundService
{
    /// <summary>Clocks are kept right by less than this all the time.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private DateTimeOffset _clock = time.GetUtcNow();
    private long _passed = time.GetTimestamp();

    /// <summary>Compares the two since it last looked. One caller at a time.</summary>
    public void Look()
    {
        var (clock, passed) = (time.GetUtcNow(), time.GetTimestamp());
        var step = clock - _clock - time.GetElapsedTime(_passed, passed);
        (_clock, _passed) = (clock, passed);
        if (step.Duration() < Tolerance) return;
        Stepped(step);
        changes.Signal();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // By a timer of the machine's own: it is about those that count otherwise.
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken)) Look();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the clock of this machine has moved by {Step} against the time that passed: it was set, or the machine slept; looking at everything again")]
    private partial void Stepped(TimeSpan step);
}
