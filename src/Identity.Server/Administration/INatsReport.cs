using System.Diagnostics.CodeAnalysis;
using Identity.V1;

namespace Identity.Server.Administration;

/// <summary>What operators ask about NATS, answered by whoever speaks to it.</summary>
internal interface INatsReport
{
    bool IsConnected { get; }

    /// <summary>Why it is not connected, for a person; null while it is.</summary>
    string? Problem { get; }

    bool TryConfigure(
        GetNatsConfigurationRequest request,
        [NotNullWhen(true)] out NatsConfiguration? configuration,
        [NotNullWhen(false)] out string? problem);
}
