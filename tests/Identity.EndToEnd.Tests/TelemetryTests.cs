using System.Text;
using Identity.Testing.Platform;
using Identity.Testing.Telemetry;
using Xunit;

namespace Identity.EndToEnd.Tests;

public sealed class TelemetryTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_trace_leads_from_the_command_line_to_the_component_and_no_signal_carries_a_secret()
    {
        await using var collector = new OtlpCollector();
        await using (var fixture = new PlatformFixture(collector))
        {
            await fixture.StartWithEntriesAsync(Cancellation);
            var host = await fixture.StartHostAsync(Cancellation, "snooper");
            await PlatformFixture.StateAsync(host, "snooper", "denied", 0, Cancellation);
            await fixture.Platform.IdentityAsync(Cancellation, "apply", "-f", Repository.Sample("snooper-grant.yaml"));
            await PlatformFixture.StateAsync(host, "snooper", "running", 0, Cancellation);

            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            deadline.CancelAfter(PlatformFixture.Patience);
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            string[] services = [];
            while (!services.Order().SequenceEqual(["identity", "identity-agent", "identity-host", "identityd"]) && await Tick(tick, deadline.Token))
                services = ServicesOfApply(collector);
            Assert.True(services.Length == 4, $"one trace should reach every process; spans received:{Environment.NewLine}{string.Join(Environment.NewLine, collector.Spans())}");

            while (!(collector.Bodies("metrics").Any() && collector.Bodies("logs").Any()) && await Tick(tick, deadline.Token))
            {
            }
            Assert.NotEmpty(collector.Bodies("metrics"));
            Assert.NotEmpty(collector.Bodies("logs"));
        }
        Assert.All(collector.Bodies("metrics"), body => Assert.DoesNotContain("spiffe://", Encoding.Latin1.GetString(body), StringComparison.Ordinal));
        foreach (var signal in new[] { "traces", "metrics", "logs" })
            Assert.All(collector.Bodies(signal), body => Assert.DoesNotContain("eyJ", Encoding.Latin1.GetString(body), StringComparison.Ordinal));
    }

    /// <summary>The services that took part in a trace that <c>identity apply</c> began.</summary>
    private static string[] ServicesOfApply(OtlpCollector collector) => collector.Spans().ToArray()
        .GroupBy(span => span.TraceId)
        .Where(trace => trace.Any(span => span is { Service: "identity", Name: "identity apply", ParentSpanId: "" }))
        .Select(trace => trace.Select(span => span.Service).Distinct().ToArray())
        .MaxBy(services => services.Length) ?? [];

    private static async Task<bool> Tick(PeriodicTimer tick, CancellationToken cancellation)
    {
        try
        {
            return await tick.WaitForNextTickAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
