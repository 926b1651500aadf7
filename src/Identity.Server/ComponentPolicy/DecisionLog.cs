using Google.Protobuf;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// The newest decisions, so that "why?" has an answer. Best effort by design: a decision holds whether or not it is remembered, and the
/// oldest are forgotten first, those of whoever has more than its share before all others.
/// </summary>
internal sealed class DecisionLog
{
    public const int MaxCount = 100_000;
    public const long MaxBytes = 128L << 20;
    public const int MaxDecisionBytes = DecisionLimits.MaxBytes;

    /// <summary>Outcomes of rules in mode shadow that one decision may tell.</summary>
    public const int MaxShadowOutcomes = 64;

    /// <summary>Refusals of strangers kept in one minute.</summary>
    public const int MaxStrangersPerMinute = 600;

    private readonly ControlPlaneLedger _ledger;
    private readonly TimeProvider _time;
    private readonly string _self;
    private readonly Lock _gate = new();

    // One reader of many at a time, and none of them where every door waits to record.
    private readonly Lock _listing = new();

    private readonly KeptDecisions _kept = new(MaxBytes, MaxCount);

    // Not yet told to the ledger; what it misses is told to it at the next start.
    private List<string> _forgotten = [];
    private long _minute;
    private int _strangers;

    public DecisionLog(ControlPlaneLedger ledger, TrustDomain trustDomain, TimeProvider? time = null)
    {
        _ledger = ledger;
        _time = time ?? TimeProvider.System;
        _minute = _time.GetTimestamp();
        _self = Registration.ReservedPaths.Server(trustDomain).ToString();
        foreach (var payload in ledger.ReadDecisions())
        {
            // Older versions kept what agents and strangers said as they said it; what is fit already is the same bytes.
            var decision = ReportedText.Printable(Decision.Parser.ParseFrom(payload));
            _kept.TryAdd(new KeptDecision(decision.Id, SourceOf(decision), decision.Allowed, decision.ToByteArray()), _forgotten);
        }

        if (_forgotten.Count > 0 && ledger.TryForgetDecisions(_forgotten)) _forgotten = [];
    }

    /// <summary>As how many decisions one counts where so many may be kept in a while: a large one as several, or one that is asked for much would push out all others.</summary>
    public static int WeightOf(Decision decision) => 1 + Math.Min(decision.CalculateSize(), MaxDecisionBytes) / 1024;

    /// <summary>Remembers a decision this server made, under a new id.</summary>
    /// <param name="isProven">False when whoever caused it has not proven to be its subject.</param>
    /// <returns>The id, for the log and the reply.</returns>
    public string Record(Decision decision, bool isProven = true)
    {
        decision = decision.Clone();
        decision.Id = DecisionId.Create();
        if (decision.DecidedBy.Length == 0) decision.DecidedBy = _self;
        // Who proves nothing could otherwise push out the decisions about everyone else.
        var isKnown = decision.Allowed || (isProven && decision.Subject.Length > 0);
        if (isKnown || HasRoomForStranger()) Add(DecisionLimits.Shorten(decision));
        return decision.Id;
    }

    /// <summary>Remembers a decision an agent made, under the id it gave. False, and nothing is kept, when the report is not fit.</summary>
    /// <param name="isOfItsOwn">The agent has an entry for whoever it is about. What it says of others may be made up.</param>
    public bool TryRecordReported(Decision decision, SpiffeId agent, bool isOfItsOwn)
    {
        if (!DecisionId.IsWellFormed(decision.Id) || decision.CalculateSize() > MaxDecisionBytes || decision.Shadow.Count > MaxShadowOutcomes) return false;

        // What an agent may decide. It cannot speak for the server, nor for NATS or the mesh.
        if (decision.Kind is not (DecisionKind.ComponentStart or DecisionKind.WorkloadSvid)) return false;
        decision = ReportedText.Printable(decision);
        decision.DecidedBy = agent.ToString();
        decision.Proven = isOfItsOwn;
        return Add(decision);
    }

    public Decision? TryGet(string id)
    {
        KeptDecision? kept;
        lock (_gate) kept = _kept.TryGet(id);
        return kept?.Read();
    }

    /// <summary>The newest first.</summary>
    public IReadOnlyList<Decision> List(int limit, bool deniedOnly)
    {
        lock (_listing)
        {
            KeptDecision[] all;
            lock (_gate) all = [.. _kept.All];
            var found = new List<Decision>();
            for (var at = all.Length - 1; at >= 0 && found.Count < limit; at--)
            {
                if (!deniedOnly || !all[at].Allowed) found.Add(all[at].Read());
            }

            return found;
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
        var kept = new KeptDecision(decision.Id, SourceOf(decision), decision.Allowed, decision.ToByteArray());
        lock (_gate)
        {
            if (!_kept.TryAdd(kept, _forgotten)) return false;
            // In the order they are kept, so that none is forgotten before it is written.
            if (_ledger.TryRecordDecision(kept.Id, kept.Payload, _forgotten)) _forgotten = [];
            // A ledger that takes nothing for long must not fill memory with what it misses.
            else if (_forgotten.Count > MaxCount) _forgotten = [];
        }

        return true;
    }

    // What an agent decided is told by its name; what this server did, by the door it was asked at.
    private string SourceOf(Decision decision) =>
        decision.DecidedBy != _self ? decision.DecidedBy : decision.Door.Length > 0 ? decision.Door : decision.Kind.ToString();
}
