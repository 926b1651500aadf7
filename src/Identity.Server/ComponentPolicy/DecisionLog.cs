using Google.Protobuf;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// The newest decisions, so that "why?" has an answer. Best effort by design: a decision holds whether or not it is remembered, and the
/// oldest are forgotten first.
/// </summary>
internal sealed class DecisionLog
{
    public const int MaxCount = ControlPlaneLedger.DecisionsKept;
    public const long MaxBytes = 128L << 20;
    public const int MaxDecisionBytes = 16 << 10;

    /// <summary>Refusals of strangers kept in one minute.</summary>
    public const int MaxStrangersPerMinute = 600;

    private readonly ControlPlaneLedger _ledger;
    private readonly TimeProvider _time;
    private readonly string _self;
    private readonly Lock _gate = new();

    // Serialized: a tenth of the memory of the messages, and what the ledger keeps anyway.
    private readonly Dictionary<string, byte[]> _byId = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private long _bytes;
    private long _minute;
    private int _strangers;

    public DecisionLog(ControlPlaneLedger ledger, TrustDomain trustDomain, TimeProvider? time = null)
    {
        _ledger = ledger;
        _time = time ?? TimeProvider.System;
        _minute = _time.GetTimestamp();
        _self = Registration.ReservedPaths.Server(trustDomain).ToString();
        foreach (var payload in ledger.ReadDecisions(MaxCount).Reverse())
        {
            Keep(Decision.Parser.ParseFrom(payload).Id, payload);
        }
    }

    /// <summary>Remembers a decision this server made, under a new id.</summary>
    /// <returns>The id, for the log and the reply.</returns>
    public string Record(Decision decision)
    {
        decision = decision.Clone();
        decision.Id = DecisionId.Create();
        if (decision.DecidedBy.Length == 0) decision.DecidedBy = _self;
        // Who proves nothing could otherwise push out the decisions about everyone else.
        if (decision.Allowed || decision.Subject.Length > 0 || HasRoomForStranger()) Add(DecisionLimits.Shorten(decision, MaxDecisionBytes));
        return decision.Id;
    }

    /// <summary>Remembers a decision an agent made, under the id it gave. False, and nothing is kept, when the report is not fit.</summary>
    public bool TryRecordReported(Decision decision, SpiffeId agent)
    {
        if (!DecisionId.IsWellFormed(decision.Id) || decision.CalculateSize() > MaxDecisionBytes) return false;

        // What an agent may decide. It cannot speak for the server, nor for NATS or the mesh.
        if (decision.Kind is not (DecisionKind.ComponentStart or DecisionKind.WorkloadSvid)) return false;
        decision = decision.Clone();
        decision.DecidedBy = agent.ToString();
        return Add(decision);
    }

    public Decision? TryGet(string id)
    {
        lock (_gate)
        {
            return _byId.TryGetValue(id, out var payload) ? Decision.Parser.ParseFrom(payload) : null;
        }
    }

    /// <summary>The newest first.</summary>
    public IReadOnlyList<Decision> List(int limit, bool deniedOnly)
    {
        lock (_gate)
        {
            return [.. _order.Reverse()
                .Select(id => Decision.Parser.ParseFrom(_byId[id]))
                .Where(decision => !deniedOnly || !decision.Allowed)
                .Take(limit)];
        }
    }

    private bool HasRoomForStranger()
    {
        lock (_gate)
        {
            if (_time.GetElapsedTime(_minute) > TimeSpan.FromMinutes(1)) (_minute, _strangers) = (_time.GetTimestamp(), 0);
            return ++_strangers <= MaxStrangersPerMinute;
        }
    }

    private bool Add(Decision decision)
    {
        var payload = decision.ToByteArray();
        lock (_gate)
        {
            if (!Keep(decision.Id, payload)) return false;
        }

        _ledger.TryRecordDecision(decision.Id, payload);
        return true;
    }

    private bool Keep(string id, byte[] payload)
    {
        // The first to use an id keeps it: nobody rewrites an answer that was given.
        if (!_byId.TryAdd(id, payload)) return false;
        _order.Enqueue(id);
        _bytes += payload.Length;
        while (_order.Count > MaxCount || _bytes > MaxBytes)
        {
            if (_byId.Remove(_order.Dequeue(), out var oldest)) _bytes -= oldest.Length;
        }

        return true;
    }
}
