using System.Diagnostics;

namespace Identity.Agent.Admission;

/// <summary>W3C trace context between messages, where no HTTP header carries it.</summary>
internal static class Traceparents
{
    public static ActivityContext Read(string traceparent) =>
        ActivityContext.TryParse(traceparent, null, isRemote: true, out var context) ? context : default;

    public static string Write(ActivityContext context) => context == default
        ? ""
        : $"00-{context.TraceId.ToHexString()}-{context.SpanId.ToHexString()}-{((context.TraceFlags & ActivityTraceFlags.Recorded) != 0 ? "01" : "00")}";
}
