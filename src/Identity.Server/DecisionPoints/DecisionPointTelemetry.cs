using System.Diagnostics.Metrics;
using Identity.Server.Telemetry;

namespace Identity.Server.DecisionPoints;

/// <summary>How a question ended. A closed list: it labels metrics.</summary>
internal enum DecisionOutcome
{
    Denied = 0,
    Allowed,

    /// <summary>Denied because it could not be understood.</summary>
    Malformed,

    /// <summary>Denied because there was no time to decide it.</summary>
    Late,

    /// <summary>Denied because one more yes could not be kept track of.</summary>
    NoRoom,

    /// <summary>Denied because the yes could not be written to disk.</summary>
    NotKept,

    /// <summary>Not answered at all; whoever asked fails closed.</summary>
    Unanswered,
}

internal static class DecisionPointTelemetry
{
    private static readonly Counter<long> Decisions =
        ServerTelemetry.Meter.CreateCounter<long>("identity.decisions", "{decision}", "Capability decisions, by door and outcome.");

    private static readonly Histogram<double> Seconds =
        ServerTelemetry.Meter.CreateHistogram<double>("identity.decision.duration", "s", "Time to decide and explain, by door.");

    public static void Count(DoorName door, DecisionOutcome outcome) => Decisions.Add(
        1,
        new KeyValuePair<string, object?>("door", door.Text),
        new KeyValuePair<string, object?>("outcome", outcome switch
        {
            DecisionOutcome.Allowed => "allowed",
            DecisionOutcome.Malformed => "malformed",
            DecisionOutcome.Late => "late",
            DecisionOutcome.NoRoom => "no-room",
            DecisionOutcome.NotKept => "not-kept",
            DecisionOutcome.Unanswered => "unanswered",
            _ => "denied",
        }));

    public static void Duration(DoorName door, TimeSpan time) => Seconds.Record(time.TotalSeconds, new KeyValuePair<string, object?>("door", door.Text));
}
