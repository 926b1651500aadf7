using System.Diagnostics.CodeAnalysis;
using Identity.Server.Administration;
using Identity.V1;

namespace Identity.Server.NatsAuthCallout;

internal sealed class NatsReport(NatsAuthCalloutService service, NatsCalloutKeys keys, NatsAuthCalloutOptions options) : INatsReport
{
    public bool IsConnected => service.Problem is null;

    public string? Problem => service.Problem;

    public bool TryConfigure(
        GetNatsConfigurationRequest request, [NotNullWhen(true)] out NatsConfiguration? configuration, [NotNullWhen(false)] out string? problem)
    {
        var listen = request.Listen.Length > 0 ? request.Listen : options.Url.Authority;
        configuration = NatsServerConfiguration.TryWrite(keys, listen, request.TlsCertificateFile, request.TlsKeyFile, out var text, out var found)
            ? new NatsConfiguration { Text = text }
            : null;
        problem = configuration is null ? found : null;
        return configuration is not null;
    }
}
