using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>One agent's stream, for as long as it is open. What a superseded session says has no effect.</summary>
internal sealed class AgentSession(LiveAdmissions admissions, SpiffeId agent) : IDisposable
{
    private readonly CancellationTokenSource _superseded = new();

    public SpiffeId Agent => agent;

    /// <summary>Cancelled when the same agent opens another stream.</summary>
    public CancellationToken Superseded => _superseded.Token;

    /// <summary>All the agent holds; what was known before and is not among them has ended.</summary>
    public void Replace(IReadOnlyCollection<ReportedAdmission> all) => admissions.Replace(this, all);

    /// <summary>False when the agent holds too many already.</summary>
    public bool TryAdd(ReportedAdmission admission) => admissions.TryAdd(this, admission);

    public void End(string admissionId) => admissions.End(this, admissionId);

    /// <summary>Ends what the agent may no longer hold.</summary>
    public void EndUnless(Func<ReportedAdmission, bool> entitled) => admissions.End(this, admission => !entitled(admission));

    // Not awaited and outside the lock: whoever waits on the token must not run inside it.
    internal void Supersede() => _ = _superseded.CancelAsync();

    public void Dispose() => admissions.Close(this);
}
