using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.WasmHost;

/// <summary>Logs on standard error; traces, metrics and logs also by OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> says where to.</summary>
internal static class HostTelemetry
{
    private const string Name = "Identity.Host";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);

    // Never labelled with an identity: such labels are unbounded.
    public static readonly Counter<long> Starts = Meter.CreateCounter<long>("identity.host.component.starts", description: "Components instantiated");

    /// <summary>The span of one start, a consequence of what admitted the component. Its ID goes with what the component publishes.</summary>
    public static Activity? StartComponent(string? traceparent, string spiffeId)
    {
        ActivityContext.TryParse(traceparent, null, isRemote: true, out var parent);
        return Source.StartActivity("start component", ActivityKind.Internal, parent)?.SetTag("spiffe.id", spiffeId);
    }

    public static void AddTelemetry(this HostApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Logging.AddFilter("Grpc", LogLevel.Warning);
        if (Console.IsErrorRedirected) builder.Logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        else builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        // Standard output tells the story and nothing else.
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT"))) return;
        // The builder reads no environment by itself; the exporters take their settings from the configuration.
        builder.Configuration.AddInMemoryCollection(OtelVariables());
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("identity-host"))
            .WithTracing(tracing => tracing.AddSource(Name).AddHttpClientInstrumentation().AddOtlpExporter())
            .WithMetrics(metrics => metrics.AddMeter(Name).AddRuntimeInstrumentation().AddOtlpExporter())
            .WithLogging(logging => logging.AddOtlpExporter());
    }

    private static IEnumerable<KeyValuePair<string, string?>> OtelVariables() =>
        Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Where(variable => ((string)variable.Key).StartsWith("OTEL_", StringComparison.Ordinal))
            .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value));
}
