using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.Agent;

/// <summary>Traces, metrics and logs. Nothing leaves the process unless OTEL_EXPORTER_OTLP_ENDPOINT is set.</summary>
internal static class Telemetry
{
    public const string Name = "Identity.Agent";

    public static readonly ActivitySource Source = new(Name);

    private static readonly Meter Meter = new(Name);

    /// <summary>Labelled by answer, never by who: a SPIFFE ID in a label is unbounded.</summary>
    public static readonly Counter<long> Admissions = Meter.CreateCounter<long>("identity.agent.admissions", description: "Answers about components");

    public static readonly Histogram<double> DecisionTime =
        Meter.CreateHistogram<double>("identity.agent.admission.duration", unit: "us", description: "Time to decide about one component");

    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        builder.Logging.ClearProviders();
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Grpc", LogLevel.Warning);
        builder.Logging.AddFilter("System.Net.Http", LogLevel.Warning);
        // A start that is refused is one line, written by Program; the host would add a stack trace to it.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        if (Console.IsErrorRedirected) builder.Logging.AddJsonConsole(o => o.UseUtcTimestamp = true);
        else builder.Logging.AddSimpleConsole(o => o.SingleLine = true);
        // Standard output carries the ready line and nothing else.
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);

        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT"))) return;
        // The builder reads no environment by itself; the exporters take their settings from the configuration.
        builder.Configuration.AddInMemoryCollection(OtelVariables());
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("identity-agent"))
            // The server's own spans are needed too: a parent that was not recorded would silence ours.
            .WithTracing(tracing => tracing.AddSource(Name).AddSource("Microsoft.AspNetCore").AddHttpClientInstrumentation().AddOtlpExporter())
            .WithMetrics(metrics => metrics.AddMeter(Name).AddRuntimeInstrumentation().AddOtlpExporter())
            .WithLogging(logging => logging.AddOtlpExporter());
    }

    private static IEnumerable<KeyValuePair<string, string?>> OtelVariables() =>
        Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Where(variable => ((string)variable.Key).StartsWith("OTEL_", StringComparison.Ordinal))
            .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value));
}
