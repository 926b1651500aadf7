using System.Buffers;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Identity.Agent.ControlPlane;
using Identity.Agent.NodeEnrollment;
using Spiffe.Net;

namespace Identity.Agent.Decisions;

/// <summary>The decisions this agent made, newest kept, each told to the server so that anyone can ask why.</summary>
internal sealed partial class DecisionLog(AgentReports reports, NodeIdentity identity, TimeProvider time, ILogger<DecisionLog> log)
{
    public const int MaxDecisions = 10_000;

    private const string Base32 = "abcdefghijklmnopqrstuvwxyz234567";
    private static readonly SearchValues<char> Base32Characters = SearchValues.Create(Base32);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (V1.Decision Decision, SpiffeId? AskedBy)> _byId = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>Completes the decision with its ID, time and author, and keeps it.</summary>
    /// <param name="askedBy">The host that may look it up here; null for a process, which has the ID only.</param>
    public V1.Decision Record(V1.Decision decision, SpiffeId? askedBy = null)
    {
        decision.Id = "d-" + RandomNumberGenerator.GetString(Base32, 26);
        decision.DecidedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow());
        decision.DecidedBy = identity.Current.Id.ToString();
        lock (_lock)
        {
            if (_order.Count == MaxDecisions) _byId.Remove(_order.Dequeue());
            _byId[decision.Id] = (decision, askedBy);
            _order.Enqueue(decision.Id);
        }

        reports.Decided(decision);
        if (decision.Allowed) Allowed(decision.Id, decision.Kind, decision.Subject, decision.PolicyRevision);
        else Denied(decision.Id, decision.Kind, decision.Subject, decision.Summary, decision.PolicyRevision);
        return decision;
    }

    public V1.Decision? Find(string id, SpiffeId askedBy)
    {
        lock (_lock) return _byId.TryGetValue(id, out var found) && found.AskedBy == askedBy ? found.Decision : null;
    }

    /// <summary>Newest first.</summary>
    public List<V1.Decision> Newest(int limit, bool deniedOnly, SpiffeId askedBy)
    {
        lock (_lock)
        {
            return [.. _order.Reverse().Select(id => _byId[id])
                .Where(d => d.AskedBy == askedBy && (!deniedOnly || !d.Decision.Allowed)).Select(d => d.Decision).Take(limit)];
        }
    }

    public static bool IsWellFormed(string id) =>
        id.Length == 28 && id.StartsWith("d-", StringComparison.Ordinal) && !id.AsSpan(2).ContainsAnyExcept(Base32Characters);

    [LoggerMessage(Level = LogLevel.Information, Message = "decision {DecisionId}: {Kind} of {Subject} allowed at policy revision {PolicyRevision}")]
    private partial void Allowed(string decisionId, V1.DecisionKind kind, string subject, ulong policyRevision);

    [LoggerMessage(Level = LogLevel.Warning, Message = "decision {DecisionId}: {Kind} of {Subject} denied at policy revision {PolicyRevision}: {Summary}")]
    private partial void Denied(string decisionId, V1.DecisionKind kind, string subject, string summary, ulong policyRevision);
}
