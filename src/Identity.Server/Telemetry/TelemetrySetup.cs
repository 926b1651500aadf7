using System.Collections;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.Server.Telemetry;

/// <summary>Logs to stderr; traces, metrics and logs to an OTLP collector, but only when the environment names one.</summary>
internal static class TelemetrySetup
{
    private const string Prefix = "OTEL_";

    private static bool IsExporting => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT"));

    /// <summary>For what logs before there is a host.</summary>
    public static ILoggerFactory CreateLoggers() => LoggerFactory.Create(Configure);

    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddTelemetry()
        {
            Configure(builder.Logging);
            if (!IsExporting)
            {
                return builder;
            }
            // The host starts without any configuration; the exporters read theirs from it.
            builder.Configuration.AddInMemoryCollection(Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
                .Where(e => ((string)e.Key).StartsWith(Prefix, StringComparison.Ordinal))
                .Select(e => KeyValuePair.Create((string)e.Key, (string?)e.Value)));
            builder.Services.AddOpenTelemetry()
                .ConfigureResource(resource => resource.AddService("identityd"))
                // Without ASP.NET Core's own source, spans inside a request would be dropped as children of an unrecorded one.
                .WithTracing(traces => traces
                    .AddSource("Microsoft.AspNetCore").AddSource(ServerTelemetry.Name)
                    .AddAspNetCoreInstrumentation().AddHttpClientInstrumentation().AddOtlpExporter())
                .WithMetrics(metrics => metrics
                    .AddMeter(ServerTelemetry.Name).AddMeter("Microsoft.AspNetCore.Server.Kestrel")
                    .AddRuntimeInstrumentation().AddOtlpExporter());
            return builder;
        }
    }

    private static void Configure(ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Grpc", LogLevel.Warning);
        // What keeps us from starting is one line of Program's, not a stack trace of the host's.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        if (Console.IsErrorRedirected)
        {
            logging.AddJsonConsole(json => json.UseUtcTimestamp = true);
        }
        else
        {
            logging.AddSimpleConsole(text => text.SingleLine = true);
        }
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (IsExporting)
        {
            logging.AddOpenTelemetry(logs => logs
                .SetResourceBuilder(ResourceBuilder.CreateDefault().AddService("identityd")).AddOtlpExporter());
        }
    }
}
