using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Server.Endpoints;

/// <summary>The server's certificate by a clock that is set, or that went on while the machine slept.</summary>
public sealed class ServerCertificateRenewerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Clock _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(25)]
    [InlineData(13)]
    [InlineData(-1)]
    public async Task A_clock_that_is_set_has_a_new_certificate_within_a_minute(int hours)
    {
        Assert.True(ServerOptions.TryRead(new ConfigurationBuilder().Build(), _folder.At("data"), out var options, out _));
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _clock, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

        // Authorities that are older than the step back.
        _clock.Step = TimeSpan.FromHours(-3);
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(_folder.At("data/keys"), SecretFiles.Unsealed), options.TrustDomain, _clock, Cancellation);
        _clock.Step = TimeSpan.Zero;
        var certificate = new ServerCertificate(authority, options);
        await certificate.RenewAsync(Cancellation);
        var first = certificate.Current;
        using var renewer = new ServerCertificateRenewer(certificate, _clock, NullLogger<ServerCertificateRenewer>.Instance);
        var waits = _clock.NextWaitAsync();
        await renewer.StartAsync(Cancellation);
        try
        {
            await waits.WaitAsync(TimeSpan.FromMinutes(1), Cancellation);
            _clock.Step = TimeSpan.FromHours(hours);
            if (hours > 24) await authority.RotateAsync(Cancellation);
            _clock.Advance(TimeSpan.FromMinutes(1));
            await UntilAsync(() => !ReferenceEquals(first, certificate.Current));
            Assert.True(certificate.IsValidAt(_clock.GetUtcNow()));

            // And it is left alone then.
            var second = certificate.Current;
            for (var at = 0; at < 10; at++) _clock.Advance(TimeSpan.FromMinutes(1));
            Assert.Same(second, certificate.Current);
        }
        finally
        {
            await renewer.StopAsync(CancellationToken.None);
        }
    }

    /// <summary>It can be set without that any timer notices, and tells when somebody waits on it.</summary>
    private sealed class Clock() : FakeTimeProvider(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero))
    {
        private TaskCompletionSource? _waits;

        public TimeSpan Step { get; set; }

        public Task NextWaitAsync() => (_waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Step;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _waits?.TrySetResult();
            return timer;
        }
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!isSo()) await Task.Delay(10, deadline.Token);
    }
}
