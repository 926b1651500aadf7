using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Agent;

/// <summary>A clock that can be set without that any timer notices.</summary>
internal sealed class SteppedClock() : FakeTimeProvider(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero))
{
    public TimeSpan Step { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Step;

    public override long GetTimestamp() => base.GetUtcNow().UtcTicks;
}
