using System.Threading.Channels;

namespace Identity.Agent.ControlPlane;

/// <summary>What the server is to hear from this agent: every admission first on each connection, then what changes, and decisions.</summary>
internal sealed class AgentReports
{
    // While the server is away the newest decisions are kept; admissions need no queue, they are told whole on return.
    private const int MaxDecisions = 1000;
    private const int MaxChanges = 4096;

    // A server takes messages of 4 MiB; an admission with everything it imports has 32 KiB at most.
    private const int MaxPartBytes = 1 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, V1.LiveAdmission> _live = new(StringComparer.Ordinal);
    private readonly Queue<V1.AgentReport> _changes = new();
    private readonly Queue<V1.Decision> _decisions = new();
    private readonly Queue<V1.AgentReport> _whole = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
    private bool _tellAll = true;

    public int LiveAdmissions
    {
        get
        {
            lock (_lock) return _live.Count;
        }
    }

    public void Admitted(V1.LiveAdmission admission)
    {
        lock (_lock)
        {
            _live[admission.AdmissionId] = admission;
            Enqueue(new V1.AgentReport { Admitted = admission });
        }

        _wake.Writer.TryWrite(true);
    }

    public void Ended(string admissionId, string reason)
    {
        lock (_lock)
        {
            if (!_live.Remove(admissionId)) return;
            Enqueue(new V1.AgentReport { Ended = new V1.AdmissionEnded { AdmissionId = admissionId, Reason = reason } });
        }

        _wake.Writer.TryWrite(true);
    }

    public void Decided(V1.Decision decision)
    {
        decision = DecisionLimits.Shorten(decision);
        lock (_lock)
        {
            if (_decisions.Count == MaxDecisions) _decisions.Dequeue();
            _decisions.Enqueue(decision);
        }

        _wake.Writer.TryWrite(true);
    }

    /// <summary>A new connection: the next report is the list of all admissions.</summary>
    public void StartOver()
    {
        lock (_lock) _tellAll = true;
        _wake.Writer.TryWrite(true);
    }

    /// <summary>What <see cref="NextAsync"/> gave could not be told. A decision goes back, for its ID may be in somebody's hands; the rest is told whole on return.</summary>
    public void ToldInVain(V1.AgentReport report)
    {
        if (report.ReportCase != V1.AgentReport.ReportOneofCase.Decision) return;
        lock (_lock)
        {
            // Older than all that wait: with no room it is the one that goes.
            if (_decisions.Count < MaxDecisions) _decisions.Enqueue(report.Decision);
        }
    }

    /// <summary>Waits for the next report. One reader at a time.</summary>
    public async ValueTask<V1.AgentReport> NextAsync(CancellationToken cancellation)
    {
        while (true)
        {
            if (TryTake() is { } report) return report;
            await _wake.Reader.ReadAsync(cancellation);
        }
    }

    private void Enqueue(V1.AgentReport change)
    {
        if (_tellAll) return;
        if (_changes.Count == MaxChanges) _tellAll = true;
        else _changes.Enqueue(change);
    }

    private V1.AgentReport? TryTake()
    {
        lock (_lock)
        {
            if (_tellAll)
            {
                _tellAll = false;
                _changes.Clear();
                _whole.Clear();
                foreach (var part in Parts(_live.Values)) _whole.Enqueue(new V1.AgentReport { Admissions = part });
            }

            if (_whole.TryDequeue(out var whole)) return whole;
            if (_changes.TryDequeue(out var change)) return change;
            return _decisions.TryDequeue(out var decision) ? new V1.AgentReport { Decision = decision } : null;
        }
    }

    private static List<V1.LiveAdmissions> Parts(IEnumerable<V1.LiveAdmission> admissions)
    {
        var parts = new List<V1.LiveAdmissions> { new() };
        var bytes = 0;
        foreach (var admission in admissions)
        {
            // And the tag and length of each.
            var more = admission.CalculateSize() + 8;
            if (bytes > 0 && bytes + more > MaxPartBytes)
            {
                parts[^1].MoreFollow = true;
                parts.Add(new V1.LiveAdmissions { Part = (uint)parts.Count });
                bytes = 0;
            }

            parts[^1].Admissions.Add(admission);
            bytes += more;
        }

        return parts;
    }
}
