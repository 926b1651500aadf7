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
    /// <param name="caller">Who asked, for the log of a refusal; null where the subject says it.</param>
    public V1.Decision Record(V1.Decision decision, SpiffeId? askedBy = null, string? caller = null)
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
        else Denied(decision.Id, decision.Kind, Who(decision.Subject, caller), decision.Summary, decision.PolicyRevision);
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

    private static string Who(string subject, string? caller) => (subject, caller) switch
    {
        (_, null) => subject.Length > 0 ? subject : "nobody known",
        ("", _) => caller,
        _ => $"{subject} for {caller}",
    };

    public static bool IsWellFormed(string id) =>
        id.Length == 28 && id.StartsWith("d-", StringComparison.Ordinal) && !id.AsSpan(2).ContainsAnyExcept(Base32Characters);

    [LoggerMessage(Level = LogLevel.Information, Message = "decision {DecisionId}: {Kind} of {Subject} allowed at policy revision {PolicyRevision}")]
    private partial void Allowed(string decisionId, V1.DecisionKind kind, string subject, ulong policyRevision);

    [LoggerMessage(Level = LogLevel.Warning, Message = "decision {DecisionId}: {Kind} of {Subject} denied at policy revision {PolicyRevision}: {Summary}")]
    private partial void Denied(string decisionId, V1.DecisionKind kind, string subject, string summary, ulong policyRevision);
}
