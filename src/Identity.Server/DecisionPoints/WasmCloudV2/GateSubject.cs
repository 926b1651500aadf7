using System.Diagnostics.CodeAnalysis;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>What the operator may say to a host. A closed list: what is not in it is not forwarded.</summary>
internal enum HostVerb
{
    None = 0,
    Start,
    Stop,
    Status,
    Heartbeat,
}

/// <summary>A subject below the gate: <c>&lt;gate prefix&gt;.&lt;host id&gt;.workload.start</c>.</summary>
internal readonly record struct GateSubject(string HostId, HostVerb Verb, string Tail)
{
    public static bool TryParse(string subject, string prefix, out GateSubject parsed)
    {
        parsed = default;
        if (!subject.StartsWith(prefix + ".", StringComparison.Ordinal)) return false;
        var rest = subject[(prefix.Length + 1)..];
        var dot = rest.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0 || rest.AsSpan(0, dot).ContainsAny('*', '>')) return false;
        var tail = rest[(dot + 1)..];
        var verb = tail switch
        {
            "workload.start" => HostVerb.Start,
            "workload.stop" => HostVerb.Stop,
            "workload.status" => HostVerb.Status,
            "heartbeat" => HostVerb.Heartbeat,
            _ => HostVerb.None,
        };
        parsed = new GateSubject(rest[..dot], verb, tail);
        return verb != HostVerb.None;
    }

    /// <summary>Where the host itself listens.</summary>
    public string AtHost(string hostPrefix) => $"{hostPrefix}.{HostId}.{Tail}";
}
