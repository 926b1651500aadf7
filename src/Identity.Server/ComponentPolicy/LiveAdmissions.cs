using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Which components run now, as far as their agents say. Empty after a start: until agents are back, no component may log in to NATS.
/// </summary>
internal sealed class LiveAdmissions(TimeProvider time, StageObservations? observations = null)
{
    public const int MaxPerAgent = 10_000;

    /// <summary>How long an agent's admissions outlive its stream.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    // More than agents come and go within the time that anybody asks about.
    private const int MaxGone = 20_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<SpiffeId, Held> _agents = [];
    private readonly Dictionary<SpiffeId, AdmissionsOfOne> _live = [];
    private readonly HashSet<EndedAdmissions> _watchers = [];

    // When those that have no stream had one last.
    private readonly Dictionary<SpiffeId, DateTimeOffset> _gone = [];

    /// <summary>Whether any agent holds an admission for this component.</summary>
    public bool IsLive(SpiffeId component)
    {
        lock (_gate) return _live.ContainsKey(component);
    }

    /// <summary>Whether any agent holds this admission of this component.</summary>
    public bool IsLive(SpiffeId component, string admissionId)
    {
        lock (_gate) return _live.TryGetValue(component, out var same) && same.Contains(admissionId);
    }

    /// <inheritdoc cref="Find(SpiffeId, out PrincipalAttributes, out ImmutableArray{VerifiedSigners})"/>
    public ReportedAdmission? Find(SpiffeId component, out PrincipalAttributes differing) => Find(component, out differing, out _);

    /// <summary>One of the component's live admissions, for its digest, host and signers; null when there is none.</summary>
    /// <param name="differing">In what the others differ from it: whoever comes with this identity may be any of them.</param>
    /// <param name="signers">The signatures of all of them, each once.</param>
    public ReportedAdmission? Find(SpiffeId component, out PrincipalAttributes differing, out ImmutableArray<VerifiedSigners> signers)
    {
        (differing, signers) = (PrincipalAttributes.None, []);
        lock (_gate)
        {
            if (!_live.TryGetValue(component, out var same)) return null;
            (differing, signers) = (same.Differing, same.Signers);
            return same.First;
        }
    }

    /// <summary>All that run now.</summary>
    public IReadOnlyList<ReportedAdmission> All()
    {
        lock (_gate) return [.. _live.Values.SelectMany(same => same)];
    }

    public int Count
    {
        get { lock (_gate) return _live.Values.Sum(same => same.Count); }
    }

    /// <summary>Agents with an open stream.</summary>
    public int ConnectedAgents
    {
        get { lock (_gate) return _agents.Values.Count(held => held.Session is not null); }
    }

    /// <summary>Whether an agent has a stream on which it told all that it runs.</summary>
    /// <param name="lastSeen">When it had a stream; null when it had none since this process started.</param>
    public bool Knows(SpiffeId agent, out DateTimeOffset? lastSeen)
    {
        lock (_gate)
        {
            lastSeen = _agents.TryGetValue(agent, out var held) && held.Session is not null ? time.GetUtcNow() : _gone.TryGetValue(agent, out var gone) ? gone : null;
            return held is { Session: not null, HasTold: true };
        }
    }

    /// <summary>
    /// The SPIFFE ID of every admission that ends from now on, also when the same component still runs elsewhere, and of every one that
    /// from now on can no longer be told from another: their connections cannot be told apart, and those that may will log in again. A slow
    /// reader misses none; repeats become one.
    /// </summary>
    public async IAsyncEnumerable<SpiffeId> WatchEndedAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var watcher = new EndedAdmissions();
        lock (_gate) _watchers.Add(watcher);
        try
        {
            await foreach (var id in watcher.ReadAsync(cancellation)) yield return id;
        }
        finally
        {
            lock (_gate) _watchers.Remove(watcher);
        }
    }

    /// <summary>Begins an agent's stream. A stream that agent has already is superseded.</summary>
    public AgentSession Open(SpiffeId agent)
    {
        lock (_gate)
        {
            if (!_agents.TryGetValue(agent, out var held)) _agents[agent] = held = new Held();
            held.Session?.Supersede();
            held.HasTold = false;
            _gone.Remove(agent);
            return held.Session = new AgentSession(this, agent);
        }
    }

    /// <summary>Ends all of an agent's admissions at once, without grace: it is banned or gone.</summary>
    public void EndAll(SpiffeId agent)
    {
        lock (_gate)
        {
            if (!_agents.TryGetValue(agent, out var held)) return;
            End(held, [.. held.Admissions.Values]);
            Forget(agent, held);
        }
    }

    internal void Replace(AgentSession session, IReadOnlyCollection<ReportedAdmission> admissions)
    {
        lock (_gate)
        {
            if (HeldBy(session) is not { } held) return;
            held.Grace?.Dispose();
            held.Grace = null;
            var kept = admissions.Select(a => a.Id).ToHashSet(StringComparer.Ordinal);
            End(held, [.. held.Admissions.Values.Where(node => !kept.Contains(node.Value.Id))]);
            foreach (var admission in admissions) Begin(held, admission);
            // Behind all that it told: whoever is waited for is tried first.
            if (!held.HasTold) observations?.Told(session.Agent);
            held.HasTold = true;
        }
    }

    internal bool TryAdd(AgentSession session, ReportedAdmission admission)
    {
        lock (_gate)
        {
            if (HeldBy(session) is not { } held) return false;
            if (held.Admissions.Count >= MaxPerAgent && !held.Admissions.ContainsKey(admission.Id)) return false;
            Begin(held, admission);
            return true;
        }
    }

    internal void End(AgentSession session, string admissionId)
    {
        lock (_gate)
        {
            if (HeldBy(session) is { } held && held.Admissions.TryGetValue(admissionId, out var node)) End(held, [node]);
        }
    }

    internal void End(AgentSession session, Func<ReportedAdmission, bool> which)
    {
        lock (_gate)
        {
            if (HeldBy(session) is { } held) End(held, [.. held.Admissions.Values.Where(node => which(node.Value))]);
        }
    }

    internal void Close(AgentSession session)
    {
        lock (_gate)
        {
            if (HeldBy(session) is not { } held) return;
            held.Session = null;
            if (_gone.Count >= MaxGone) ForgetLongGone();
            _gone[session.Agent] = time.GetUtcNow();
            if (held.Admissions.Count == 0) Forget(session.Agent, held);
            else held.Grace ??= time.CreateTimer(_ => EndAfterGrace(session.Agent, held), null, Grace, Timeout.InfiniteTimeSpan);
        }
    }

    private void ForgetLongGone()
    {
        var stale = time.GetUtcNow() - SnapshotComposer.Freshness;
        foreach (var (agent, at) in _gone)
        {
            if (at <= stale) _gone.Remove(agent);
        }
    }

    // The timer is stopped only by a full report: an agent that comes back and says nothing keeps nothing.
    private void EndAfterGrace(SpiffeId agent, Held held)
    {
        lock (_gate)
        {
            if (held.Grace is null) return;
            held.Grace.Dispose();
            held.Grace = null;
            End(held, [.. held.Admissions.Values]);
            if (held.Session is null) Forget(agent, held);
        }
    }

    private Held? HeldBy(AgentSession session) =>
        _agents.TryGetValue(session.Agent, out var held) && held.Session == session ? held : null;

    private void Begin(Held held, ReportedAdmission admission)
    {
        // Reported anew with the same content: nothing happened. With other content: the old one is over.
        if (held.Admissions.TryGetValue(admission.Id, out var known))
        {
            var kept = known.Value;
            if (kept.SpiffeId == admission.SpiffeId && kept.Digest == admission.Digest && kept.Host == admission.Host && (kept.SignersBeyond ?? kept.Signers).Equals(admission.Signers))
            {
                var again = admission with { Signers = kept.Signers, SignersBeyond = kept.SignersBeyond };
                // It may tell more of itself, or something else, than before. No rule asks what its host calls it.
                if (kept != again with { Name = kept.Name }) observations?.Admitted(again);
                known.Value = again;
                return;
            }

            End(held, [known]);
        }

        if (!_live.TryGetValue(admission.SpiffeId, out var same)) _live[admission.SpiffeId] = same = new AdmissionsOfOne();
        var before = (same.Differing, same.Signers.Length);
        var added = held.Admissions[admission.Id] = same.Add(admission);
        // What was known of those who are logged in is perhaps not known any more.
        if ((same.Differing, same.Signers.Length) != before && same.Count > 1) Tell(admission.SpiffeId);
        observations?.Admitted(added.Value);
    }

    private void End(Held held, IReadOnlyList<LinkedListNode<ReportedAdmission>> admissions)
    {
        foreach (var node in admissions)
        {
            var admission = node.Value;
            held.Admissions.Remove(admission.Id);
            var same = _live[admission.SpiffeId];
            same.Remove(node);
            if (same.Count == 0) _live.Remove(admission.SpiffeId);
            Tell(admission.SpiffeId);
        }
    }

    private void Tell(SpiffeId component)
    {
        foreach (var watcher in _watchers) watcher.Add(component);
    }

    private void Forget(SpiffeId agent, Held held)
    {
        held.Grace?.Dispose();
        held.Grace = null;
        if (held.Session is null) _agents.Remove(agent);
    }

    private sealed class Held
    {
        /// <summary>Where each stands among those of the same component.</summary>
        public Dictionary<string, LinkedListNode<ReportedAdmission>> Admissions { get; } = new(StringComparer.Ordinal);

        public AgentSession? Session { get; set; }

        /// <summary>Whether all that it runs was told on this session.</summary>
        public bool HasTold { get; set; }

        public ITimer? Grace { get; set; }
    }
}
