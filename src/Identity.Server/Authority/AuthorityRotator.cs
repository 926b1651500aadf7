namespace Identity.Server.Authority;

/// <summary>Prepares authorities, lets them take over and forgets them when their time has come; the change is pushed with the bundle.</summary>
internal sealed partial class AuthorityRotator(SigningAuthority authority, TimeProvider time, ILogger<AuthorityRotator> logger) : BackgroundService
{
    // Timers are not exact over months, and the clock may be set.
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var wait = RetryAfter;
            try
            {
                wait = await authority.RotateAsync(stoppingToken) - time.GetUtcNow();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The authorities in use go on signing; the lifecycle leaves weeks to mend this.
                LogRotationFailed(e);
            }
            wait = wait < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : wait > LongestWait ? LongestWait : wait;
            await Task.Delay(wait, time, stoppingToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Rotating the authorities failed; it will be tried again.")]
    private partial void LogRotationFailed(Exception cause);
}
