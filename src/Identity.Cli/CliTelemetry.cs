using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.Cli;

/// <summary>Traces, sent only when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> says where to.</summary>
internal static class CliTelemetry
{
    public static readonly ActivitySource Source = new("Identity.Cli");

    public static IDisposable? Start(Func<string, string?> environment) =>
        string.IsNullOrEmpty(environment("OTEL_EXPORTER_OTLP_ENDPOINT"))
            ? null
            : Sdk.CreateTracerProviderBuilder()
                .ConfigureResource(resource => resource.AddService("identity"))
                .AddSource(Source.Name)
                .AddHttpClientInstrumentation()
                .AddOtlpExporter()
                .Build();
}
